"""What stands in paths and query strings: each parameter with its bounds, and which words are no room's there."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Path, Query
from pydantic import AfterValidator, Field, StringConstraints
from starlette.convertors import StringConvertor, register_url_convertor

from schemas import limits
from schemas.fields import Emoji, Reason
from schemas.ids import InviteIdField, MessageIdField, RoomIdField, UserIdField

RESERVED: Final = ("create", "my-conversations", "rooms", "conversations", "search", "invites", "join", "ws")
"""What follows `/chat/` and is no room: a room that is called so is reached by the other doors."""


class RoomConvertor(StringConvertor):
    """One segment of a path that may be a room's id."""

    regex = rf"(?!(?:{'|'.join(RESERVED)})(?:/|$))[^/]+"


register_url_convertor("room", RoomConvertor())

MOST_NUMBER: Final = 2**53 - 1

RoomPath = Annotated[RoomIdField, Path(description="The conversation's id.")]
UserPath = Annotated[
    UserIdField,
    Path(description="A user's id. One that holds a slash cannot stand in a path; the other doors take it."),
]
InvitePath = Annotated[InviteIdField, Path(description="The invite's id.")]
TokenPath = Annotated[
    str, Path(max_length=129, description="An invite's or share link's token, `<conversation>.<invite>`.")
]
EmojiPath = Annotated[Emoji, Path(description="The reaction.")]
SeqText = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,15}$"), AfterValidator(str)]
MessagePath = Annotated[
    SeqText | MessageIdField, Path(description="A message: its `sequence_id`, or its `message_id` (`msg_...`).")
]

Limit = Annotated[int, Query(ge=1, le=100, description="At most so many.")]
PageLimit = Annotated[int, Query(ge=1, le=limits.PAGE_EVENTS, description="At most so many.")]
Offset = Annotated[int, Query(ge=0, le=100_000, description="Leave out so many from the start.")]
Seen = Annotated[int, Field(ge=0, le=MOST_NUMBER)]
AfterSeq = Annotated[Seen | None, Query(description="Those with a higher sequence id, the oldest first.")]
BeforeSeq = Annotated[Seen | None, Query(description="The last ones with a lower sequence id.")]
AfterUser = Annotated[UserIdField | None, Query(description="Go on behind this user id.")]
Words = Annotated[str, Query(min_length=1, max_length=200, description="Words that a message is to hold, all of them.")]
Successor = Annotated[UserIdField | None, Query(description="Who owns the conversation from then on.")]
WhyQuery = Annotated[Reason, Query(description="Why; everybody in the conversation hears it.")]
