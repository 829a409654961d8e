"""Rooms hear of the sessions that ended here: what `detaches.py` keeps goes out while the link takes it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from schemas.commands import Detach
from schemas.commands import Session as SessionOfRoom
from schemas.ids import ClientId, CommandId, GateId, RoomId, UserId
from services.gateway.commands import Commands
from services.gateway.detaches import Detaches, Gone
from services.gateway.session import Session

AT_ONCE: Final = 1_000
LIMIT: Final = 100_000


class Departures:
    """Posts a `detach` for each session that ended, until the broker has it; call `post` from time to time."""

    def __init__(self, gate_id: GateId, commands: Commands, new_command_id: Callable[[], CommandId]) -> None:
        self._gate_id = gate_id
        self._commands = commands
        self._new_command_id = new_command_id
        self._detaches = Detaches(limit=LIMIT)

    def tell(self, session: Session) -> None:
        """This session is no more."""
        self._add(Gone(session.room, session.client, session.user, session.attach_ref))

    def take_back(self, room: RoomId, taken: SessionOfRoom) -> None:
        """The room took a session that is no more."""
        self._add(Gone(room, taken.client, taken.user, taken.attach_ref))

    def drop(self, room: RoomId, client: ClientId) -> None:
        """The client wants the room again."""
        self._detaches.drop(room, client)

    def link_down(self) -> None:
        """The broker is away, and what it has not confirmed perhaps with it."""
        self._detaches.link_down()

    def post(self) -> None:
        """Send what is not under way, as far as the link takes it."""
        for gone in self._detaches.to_post(AT_ONCE):
            if not self._commands.post(self._command(gone), partial(self._receive_confirm, gone)):
                break
            self._detaches.posted(gone)

    def _add(self, gone: Gone) -> None:
        self._detaches.add(gone)
        self.post()

    def _receive_confirm(self, gone: Gone, taken: bool) -> None:  # noqa: FBT001 - as the link tells it
        self._detaches.confirmed(gone, taken=taken)

    def _command(self, gone: Gone) -> Detach:
        session = SessionOfRoom(client=gone.client, user=gone.user, attach_ref=gone.attach_ref)
        actor = UserId(self._gate_id)
        return Detach(room=gone.room, actor=actor, command_id=self._new_command_id(), sessions=(session,))
