"""What a room is, as one of its answers says it: encoded once for all clients that are told. Pure."""

from __future__ import annotations

from typing import Final

from pydantic_core import to_json

from schemas.answers import AttachAnswer, FrameNumber
from schemas.frames import Attached
from schemas.ids import Epoch, UserId
from services.gateway.wire import text_frame

_OF_ONE_CLIENT: Final = {"type", "id", "epoch", "seq", "role"}
"""Fields of `attached` that differ from client to client, or from one telling to the next."""


class Portrait:
    """Makes the `attached` of each client: what is said to all of them stands behind what is said to one."""

    __slots__ = ("_rest", "_roles")

    def __init__(self, answer: AttachAnswer) -> None:
        self._roles = {member.user: member.role for member in answer.members}
        self._rest = _rest(answer)

    def frame(self, frame_id: FrameNumber | None, user: UserId, epoch: Epoch, seq: int) -> bytes:
        """The `attached` that answers a client's wish `frame_id`, with its own role where the answer names it."""
        role = self._roles.get(user)
        own = b"" if frame_id is None else b',"id":%b' % to_json(frame_id)
        if role is not None:
            own += b',"role":"%b"' % role.encode()
        return text_frame(b'{"type":"attached"%b,"epoch":%b,"seq":%d,%b' % (own, to_json(epoch), seq, self._rest))


def _rest(answer: AttachAnswer) -> bytes:
    """The fields that are the same for everybody, without the brace in front."""
    attached = Attached(
        room=answer.room,
        epoch=answer.epoch,
        seq=answer.seq,
        title=answer.title,
        topic=answer.topic,
        visibility=answer.visibility,
        capacity=answer.capacity,
        metadata=answer.metadata,
        closed=answer.closed,
        member_count=answer.member_count,
        members=answer.members,
    )
    return attached.to_json(without=_OF_ONE_CLIENT)[1:]
