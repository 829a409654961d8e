"""Shapes of the REST API. Both spellings of older clients are taken and given: ids as `id` and `conversation_id`,
people as `participantId`/`displayName` and `id`/`name`."""
