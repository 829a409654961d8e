"""Bounds that are part of the contract (design §9). Services may lower them by a setting, never raise them."""

from __future__ import annotations

from typing import Final

TEXT_BYTES: Final = 16 * 1024
FRAME_BYTES: Final = 64 * 1024
METADATA_BYTES: Final = 4 * 1024
METADATA_DEPTH: Final = 16
ROOM_MEMBERS: Final = 10_000
CREATE_MEMBERS: Final = 100
MENTIONS: Final = 50
TITLE_CHARACTERS: Final = 200
TOPIC_CHARACTERS: Final = 1_000
REASON_CHARACTERS: Final = 500
REACTION_KINDS: Final = 20
INVITES: Final = 100
INVITE_DAYS: Final = 7
INVITE_LONGEST_DAYS: Final = 365
BANS: Final = 10_000
BANS_SWEPT: Final = 100
FORMERS: Final = 10_000
EMOJI_CHARACTERS: Final = 32
MOOD_CHARACTERS: Final = 64
PAGE_EVENTS: Final = 200
PAGE_BYTES: Final = 512 * 1024
SESSIONS_PER_ATTACH: Final = 10_000
RECENT_COMMANDS: Final = 512
SNAPSHOT_PART_BYTES: Final = 1024 * 1024
SNAPSHOT_PARTS: Final = 64
ATTACHED_MEMBERS: Final = 200
PRESENCE_CHANGES: Final = 1_000
