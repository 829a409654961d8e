"""One request as the gate's commands and queries: the token's user is the actor, the `Idempotency-Key` the id.

Nothing is decided here: a command goes to its room and a query to history, and a refusal ends the request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends
from pydantic import ValidationError

from schemas.answers import Accepted, Refused
from schemas.commands import ClientCommand
from schemas.errors import Code
from schemas.ids import CommandId, RoomId, UserId
from schemas.model import Model
from schemas.queries import Query, QueryAnswer
from services.gateway.doors.backend import Backend
from services.gateway.doors.callers import Gate, IdempotencyKey, Named, RetryFlag, User
from services.gateway.doors.problems import Refusal
from services.gateway.refusals import judge

Shape = TypeVar("Shape", bound=Model)
Told = TypeVar("Told", bound=Model)


@dataclass(frozen=True, slots=True)
class Asking:
    """A user who reads."""

    gate: Backend
    user: UserId

    async def ask(self, query: Query, told: type[Told]) -> Told:
        """Read, and get an answer of this kind.

        Raises:
            Refusal: there is none.
        """
        return expect(await self.gate.query(query), told)

    def through(self, room: RoomId) -> int | None:
        """How far the room is to be stored before it is read: the user sees what they wrote."""
        return self.gate.written_through(self.user, room)

    def through_any(self) -> dict[str, Any]:  # Any: fields of a query
        """The same for a list of rooms, where the room they wrote to last counts."""
        last = self.gate.last_written(self.user)
        return {} if last is None else {"through_room": last[0], "through_seq": last[1]}


@dataclass(frozen=True, slots=True)
class Wishing(Asking):
    """A user who writes. `named`: the command's id is their own, and may have been used before."""

    command_id: CommandId
    retry: bool
    named: bool

    async def decide(
        self, kind: type[ClientCommand], room: RoomId, /, **fields: Any
    ) -> Accepted:  # Any: its own fields
        """Have a command decided; a `command_id` among the fields goes before that of the request.

        Raises:
            Refusal: it was refused, or the fields together make no command.
        """
        known = {"room": room, "actor": self.user, "command_id": self.command_id, "retry": self.retry}
        answer = await self.gate.command(make(kind, **known | fields))
        if isinstance(answer, Refused):
            raise Refusal(answer)
        return answer


def make(shape: type[Shape], /, **fields: Any) -> Shape:  # Any: what a request says
    """A command or query of these fields, which were checked one by one and are now together.

    Raises:
        Refusal: they do not fit.
    """
    try:
        return shape.model_validate(fields)
    except ValidationError as error:
        code, sentence = judge(error)
        raise Refusal(Refused.of(code, sentence)) from error


def expect(answer: QueryAnswer, told: type[Told]) -> Told:
    """The answer, if it is of the kind that was asked for.

    Raises:
        Refusal: it is a refusal, or none that answers the question.
    """
    if isinstance(answer, told):
        return answer
    raise Refusal(answer if isinstance(answer, Refused) else Refused.of(Code.INTERNAL))


async def _asking(gate: Gate, user: User) -> Asking:
    return Asking(gate, user)


async def _wishing(
    gate: Gate, user: User, named: Named, key: IdempotencyKey = None, *, retry: RetryFlag = False
) -> Wishing:
    return Wishing(gate, user, named, retry, key is not None)


Asks = Annotated[Asking, Depends(_asking)]
Wishes = Annotated[Wishing, Depends(_wishing)]
