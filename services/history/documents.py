"""How events and records look in MongoDB, and back. Pure, and without the driver.

Equality is always written as `$eq`: the embedded default store uses an index only then, and to MongoDB it is the same.
Free-form metadata is kept as JSON text, which every server takes whatever its keys are. Truth that is searched for is
0 or 1, which every server gives back as it was.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final, NamedTuple

from schemas.events import EVENT, MessagePosted
from schemas.ids import InviteId, RoomId, UserId
from schemas.roles import Visibility
from schemas.state import BanState, FormerState, MemberState
from services.history.intake import Kept
from services.history.messages import MessageRecord, ReactionRecord
from services.history.records import InviteRecord, Put, RoomRecord, Standing
from services.history.words import words_of

Document = dict[str, Any]  # Any: BSON

EMPTYING: Final[Document] = {
    "$set": {"deleted": 1},
    "$unset": dict.fromkeys(("text", "metadata", "mentions", "edited_seq", "reactions", "words"), ""),
}
"""What makes a message empty. Every other change of a message asks for `deleted` 0: nothing fills it again."""

_BESIDE_EVENT: Final = frozenset({"_id", "fence", "members_after", "messages_after", "applied", "amended", "words"})
_BESIDE_ROOM: Final = frozenset({"_id", "listed", "activity", "emptied_through"})


class Write(NamedTuple):
    """One guarded write of a record: where `guard` finds nothing, something as new is there already."""

    guard: Document
    change: Document


def where(**fields: str | int) -> Document:
    """A filter for documents with exactly these values."""
    return {name: {"$eq": value} for name, value in fields.items()}


def key_of(room: RoomId, other: UserId | InviteId) -> str:
    """The `_id` of a standing or an invite."""
    return f"{room}/{other}"


def microseconds(moment: datetime) -> int:
    """Microseconds since the Unix epoch: sortable, and finer than a BSON date."""
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def event_document(kept: Kept) -> Document:
    """An event as it is kept, with its writer's fence and the room's counts behind it.

    `applied` is unique within room and actor: the command_id, or, where that had made another event before, what no
    command_id can be.
    """
    fields = kept.event.to_dict()
    del fields["type"]
    _metadata_to_text(fields)
    if isinstance(kept.event, MessagePosted):
        fields |= message_fields(kept.event.seq, kept.event.text)
    command_id = kept.event.command_id
    applied = f"{command_id}\n{kept.event.seq}" if kept.reused else command_id
    counts = {"members_after": kept.members, "messages_after": kept.messages}
    return fields | counts | {"fence": kept.fence, "applied": applied}


def read_event(document: Document) -> Kept:
    """The inverse of `event_document`."""
    fields = {name: value for name, value in document.items() if name not in _BESIDE_EVENT}
    _metadata_from_text(fields)
    if "deleted" in fields:
        fields["deleted"] = True if fields["deleted"] else None
        fields["reactions"] = fields.get("reactions") or None
    event = EVENT.validate_python(fields)
    reused = document["applied"] != event.command_id
    return Kept(event, document["fence"], document["members_after"], document["messages_after"], reused)


def message_fields(seq: int, text: str | None) -> Document:
    """What stands beside a message in its event's document: as of which seq it is so, and the words it is found by."""
    return {"amended": seq, "deleted": 0, "words": words_of(text or "")}


def write_message(record: MessageRecord) -> Write:
    """All that later events change of a message, in its own event's document. Not to be upserted."""
    message = record.message
    older = where(room=message.room, epoch=message.epoch, seq=message.seq) | {"amended": {"$lt": record.seq}}
    if message.deleted:
        return Write(older, EMPTYING | {"$set": EMPTYING["$set"] | {"amended": record.seq}})
    fields = message.model_dump(mode="json", include={"text", "edited_seq", "reactions"}, exclude_none=True)
    fields |= {"reactions": fields.get("reactions", [])} | message_fields(record.seq, message.text)
    return Write(older | where(deleted=0), {"$set": fields})


def read_message(document: Document) -> MessageRecord | None:
    """The message in an event's document, if it is one's."""
    event = read_event(document).event
    return MessageRecord(seq=document["amended"], message=event) if isinstance(event, MessagePosted) else None


def reaction_key(room: RoomId, put: Put) -> str:
    """The `_id` of a user's reactions to a message."""
    return f"{room}/{put.target}/{put.user}"


def write_reaction(record: ReactionRecord) -> Write:
    """All of what a user has put to a message."""
    key = reaction_key(record.room, Put(record.target, record.user))
    return _newer(key, record.seq, record.model_dump(mode="json"))


def read_reaction(document: Document) -> ReactionRecord:
    """What a user has put to a message, as it is kept."""
    return ReactionRecord.model_validate({name: document[name] for name in ReactionRecord.model_fields})


def _metadata_to_text(fields: Document) -> None:
    if "metadata" in fields:
        fields["metadata"] = json.dumps(fields["metadata"], ensure_ascii=False)


def _metadata_from_text(fields: Document) -> None:
    if "metadata" in fields:
        fields["metadata"] = json.loads(fields["metadata"])


def write_room(room: RoomRecord) -> Write:
    """All of a room's record, with what the directory sorts and selects by."""
    fields = room.model_dump(mode="json")
    _metadata_to_text(fields)
    listed = room.visibility is Visibility.PUBLIC and not room.closed
    fields |= {"listed": int(listed), "activity": microseconds(room.updated_at)}
    return _newer(room.room, room.seq, fields)


def read_room(document: Document) -> RoomRecord:
    """A room's record as it is kept. A preview of a message that has been emptied meanwhile may have come back with a
    write that was under way; it is not shown, and the keeper empties it again."""
    fields = {name: value for name, value in document.items() if name not in _BESIDE_ROOM}
    _metadata_from_text(fields)
    if fields["last_message_seq"] <= document.get("emptied_through", 0):
        fields["preview"] = ""
    return RoomRecord.model_validate(fields)


def write_standing(standing: Standing) -> Write:
    """All of a standing but its marks, which only receipts move."""
    member, fields = standing.membership, standing.model_dump(mode="json", exclude={"membership"})
    fields |= {"member": int(member is not None), "kept": int(standing.ban is not None or standing.former is not None)}
    if member is not None:
        fields |= member.model_dump(mode="json", exclude={"user", "read", "delivered"})
    no_marks = {"marks_since": 0, "read": 0, "delivered": 0}
    return _newer(key_of(standing.room, standing.user), standing.seq, fields, no_marks)


def write_marks(standing: Standing) -> list[Write]:
    """Marks belong to one membership, named by the seq of its joining (`marks_since`): the first of a new one put the
    old ones away, and then they only grow."""
    member = standing.membership
    if member is None:
        return []
    key = where(_id=key_of(standing.room, standing.user))
    begin = {"$set": {"marks_since": member.joined_seq, "read": 0, "delivered": 0}}
    grow = {"$max": {"read": member.read, "delivered": member.delivered}}
    return [
        Write(key | {"marks_since": {"$lt": member.joined_seq}}, begin),
        Write(key | where(marks_since=member.joined_seq), grow),
    ]


def read_standing(document: Document) -> Standing:
    """A standing as it is kept."""
    return Standing(
        room=document["room"],
        user=document["user"],
        seq=document["seq"],
        membership=_membership(document) if document["member"] else None,
        ban=BanState.model_validate(document["ban"]) if document["ban"] else None,
        former=FormerState.model_validate(document["former"]) if document.get("former") else None,
    )


def _membership(document: Document) -> MemberState:
    fields = {name: document[name] for name in MemberState.model_fields}
    if document["marks_since"] != document["joined_seq"]:
        fields |= {"read": 0, "delivered": 0}
    return MemberState.model_validate(fields)


def write_invite(record: InviteRecord) -> Write:
    """All of an invite's record."""
    return _newer(key_of(record.room, record.invite), record.seq, record.model_dump(mode="json"))


def read_invite(document: Document) -> InviteRecord:
    """An invite's record as it is kept."""
    return InviteRecord.model_validate({name: document[name] for name in InviteRecord.model_fields})


def write_begun_fence(room: RoomId, fence: int) -> Write:
    """The fence of a room that came to be: not below its first writer's, and not forgotten any more."""
    return Write(where(_id=room), {"$max": {"fence": fence}, "$unset": {"expires_at": ""}})


def _newer(key: str, seq: int, fields: Document, at_first: Document | None = None) -> Write:
    """Does nothing where something as new is there."""
    change = {"$set": fields} if at_first is None else {"$set": fields, "$setOnInsert": at_first}
    return Write(where(_id=key) | {"seq": {"$lt": seq}}, change)
