"""Frames of the native WebSocket (design §3.3): JSON text, one object a frame.

A client's command frame is the command without `actor` and `client`, which only the gate knows, plus `id`;
`command_id` may be left to the gate, and so may the room of a `create`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from schemas import limits
from schemas.answers import Accepted, FrameNumber, MemberView, Refused
from schemas.commands import CLIENT_COMMAND, COMMANDS, GATE_VERBS, OPERATOR_VERBS, ClientCommand, Position
from schemas.events import Event
from schemas.fields import Capacity, Flag, Metadata, Moment, Title, Topic
from schemas.ids import (
    ClientId,
    ClientIdField,
    CommandId,
    EpochField,
    GateIdField,
    RoomId,
    RoomIdField,
    Seq,
    UserId,
    UserIdField,
)
from schemas.model import Model
from schemas.queries import Limit, RoomView
from schemas.roles import Role, Visibility

PROTOCOL: Final = 1
NOT_FOR_CLIENTS: Final = frozenset({"actor", "client"})
COMMAND_VERBS: Final = frozenset(COMMANDS) - GATE_VERBS - OPERATOR_VERBS
"""Verbs a client may put in a frame and that become a command as they are."""


class ClientFrame(Model):
    """What every frame of a client carries; `id` comes back with the answer."""

    id: FrameNumber | None = None


class Hello(ClientFrame):
    """Who I am; must come first where the handshake carried no token. Renews the identity later on."""

    type: Literal["hello"] = "hello"
    token: Annotated[str, Field(min_length=1, max_length=8192)]


class AttachFrame(ClientFrame):
    """From here on give me this room's events; with a position, first those I missed. `echo`: my own as well."""

    type: Literal["attach"] = "attach"
    room: RoomIdField
    position: Position | None = None
    echo: Flag = False


class DetachFrame(ClientFrame):
    """No more of this room."""

    type: Literal["detach"] = "detach"
    room: RoomIdField


class HistoryFrame(ClientFrame):
    """A page of a room's events."""

    type: Literal["history"] = "history"
    room: RoomIdField
    after: Seq | None = None
    before: Seq | None = None
    limit: Limit = 50


class RoomsFrame(ClientFrame):
    """The actor's rooms, or with `directory` the public ones."""

    type: Literal["rooms"] = "rooms"
    directory: Flag = False
    limit: Limit = 50


class MembersFrame(ClientFrame):
    """The members of a room."""

    type: Literal["members"] = "members"
    room: RoomIdField
    after: UserIdField | None = None
    limit: Limit = 200


class SearchFrame(ClientFrame):
    """Messages that hold these words."""

    type: Literal["search"] = "search"
    query: Annotated[str, Field(min_length=1, max_length=200)]
    room: RoomIdField | None = None
    limit: Limit = 20


class Ping(ClientFrame):
    """Is anybody there."""

    type: Literal["ping"] = "ping"


OwnFrame = Hello | AttachFrame | DetachFrame | HistoryFrame | RoomsFrame | MembersFrame | SearchFrame | Ping
OWN_FRAMES: Final[dict[str, type[OwnFrame]]] = {
    model.model_fields["type"].default: model for model in OwnFrame.__args__
}
"""Every client frame that is not simply a command, by type."""


def command_from_frame(
    fields: dict[str, Any],  # Any: a JSON object from outside
    *,
    actor: UserId,
    client: ClientId,
    command_id: CommandId,
    room: RoomId,
) -> ClientCommand:
    """Make the command a frame asks for. `command_id` and `room` serve where the frame names none (and `room` only
    for `create`).

    Raises:
        pydantic.ValidationError: a field is missing, unknown or wrong; `actor` and `client` in a frame are unknown;
            `attach` and `detach` frames are no commands (`OWN_FRAMES`).
    """
    body = {name: value for name, value in fields.items() if name != "id"}
    body.setdefault("command_id", command_id)
    if body.get("type") == "create":
        body.setdefault("room", room)
    for name in NOT_FOR_CLIENTS & body.keys():
        body[f"{name} (set by the gate)"] = body.pop(name)
    return CLIENT_COMMAND.validate_python(body | {"actor": actor, "client": client})


class Welcome(Model):
    """The first frame of a server once it knows who speaks."""

    type: Literal["welcome"] = "welcome"
    client_id: ClientIdField
    user: UserIdField
    gate: GateIdField
    heartbeat_seconds: float
    server_time: Moment
    protocol: int = PROTOCOL


class Attached(Model):
    """From `seq` on everything comes, and this is what the room is. `role` is the client's own; `members` are at most
    `limits.ATTACHED_MEMBERS`, those with a session first, and `member_count` counts all. Comes again, without an `id`,
    behind a `reset`."""

    type: Literal["attached"] = "attached"
    id: FrameNumber | None = None
    room: RoomIdField
    epoch: EpochField
    seq: Seq
    title: Title
    topic: Topic = ""
    visibility: Visibility
    capacity: Capacity = limits.ROOM_MEMBERS
    metadata: Metadata = {}
    closed: bool = False
    role: Role | None = None
    member_count: int
    members: tuple[MemberView, ...]


class Detached(Model):
    """Nothing of this room comes any more: because the client asked, or for the reason of `code`."""

    type: Literal["detached"] = "detached"
    id: FrameNumber | None = None
    room: RoomIdField
    code: str | None = None


class Page(Model):
    """A page of events, oldest first; `head` is the newest seq there is."""

    type: Literal["page"] = "page"
    id: FrameNumber | None = None
    room: RoomIdField
    epoch: EpochField
    head: Seq
    events: tuple[Annotated[Event, Field(discriminator="event")], ...]


class Rooms(Model):
    """Some rooms."""

    type: Literal["rooms"] = "rooms"
    id: FrameNumber | None = None
    rooms: tuple[RoomView, ...]
    total: int


class Members(Model):
    """Some members of a room."""

    type: Literal["members"] = "members"
    id: FrameNumber | None = None
    room: RoomIdField
    members: tuple[MemberView, ...]
    total: int
    next: UserIdField | None = None


class Found(Model):
    """Messages found."""

    type: Literal["found"] = "found"
    id: FrameNumber | None = None
    events: tuple[Annotated[Event, Field(discriminator="event")], ...]


class Lagged(Model):
    """The client did not keep up: events after `from` up to `to` come again from storage."""

    type: Literal["lagged"] = "lagged"
    room: RoomIdField
    from_seq: Seq = Field(alias="from")
    to_seq: Seq = Field(alias="to")

    model_config = {"serialize_by_alias": True, "validate_by_name": True, "validate_by_alias": True}


class Reset(Model):
    """What was missed cannot be replayed: forget this room's state. Events go on behind `seq`, and an `attached` says
    what the room is: at once in answer to an `attach`, else as soon as the room has been asked."""

    type: Literal["reset"] = "reset"
    room: RoomIdField
    epoch: EpochField
    seq: Seq


class Pong(Model):
    """Answers `ping`."""

    type: Literal["pong"] = "pong"
    id: FrameNumber | None = None


class Bye(Model):
    """The last frame before the server closes; `code` is the close code, and its range says whether to come back."""

    type: Literal["bye"] = "bye"
    code: int
    reason: str
    retry_after_seconds: float | None = None


ServerFrame = (
    Welcome | Attached | Detached | Page | Rooms | Members | Found | Lagged | Reset | Pong | Bye | Accepted | Refused
)
SERVER_FRAMES: Final[dict[str, type[ServerFrame]]] = {
    model.model_fields["type"].default: model for model in ServerFrame.__args__
}
"""Every server frame by type, beside events and signals, which travel as the room made them."""
