"""A room with its people, made anew for one behaviour, and the words of a behaviour turned into commands there."""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import Any, Final, Self

from schemas.ids import UserId, direct_room_id
from services.gateway.creation import room_of_command
from tests.conformance.behaviours import CAST, DIRECT, MEMBERS, Behaviour, Known, Step
from tests.conformance.outcome import Accepted, Door, Outcome

AT_ONCE: Final = 20
"""A connection may have no more than 32 commands under way."""


class Scene:
    """`made_by` is the door through which everything is prepared."""

    def __init__(self, made_by: Door) -> None:
        self._made_by = made_by
        self._tag = secrets.token_hex(4)
        self.room = f"room-{self._tag}"
        self._known: dict[str, Any] = {name: f"{name}-{self._tag}" for name in CAST}

    @classmethod
    async def of(cls, behaviour: Behaviour, made_by: Door) -> Self:
        """Everything up to the command itself."""
        scene = cls(made_by)
        await getattr(scene, f"_make_{behaviour.room}")()
        for step in behaviour.before:
            for done in range(0, step.times, AT_ONCE):
                await asyncio.gather(*(scene.prepare(step) for _ in range(min(AT_ONCE, step.times - done))))
        return scene

    def person(self, name: str) -> str:
        """The id that one of the cast has here."""
        return str(self._known[name])

    def everywhere(self, event: dict[str, Any]) -> dict[str, Any]:
        """What an event says in any scene that went the same way: the cast by their plain names, and no ids."""
        own = ("room", "epoch", "at", "command_id", "message_id", "invite")
        text = json.dumps({name: value for name, value in event.items() if name not in own})
        return dict(json.loads(text.replace(f"-{self._tag}", "")))

    def pretend(self, **known: Any) -> None:
        """Take these as known though nothing was made."""
        self._known |= known

    async def say(self, door: Door, step: Step, command_id: str, *, retry: bool = False) -> Outcome:
        """Have the command of a step applied through a door."""
        actor, fields = self._known[step.actor], self.fields_of(step, command_id)
        return await door.act(actor, step.verb, command_id, fields, retry=retry)

    def fields_of(self, step: Step, command_id: str) -> dict[str, Any]:
        """The fields of a command, with everything known by now filled in."""
        fields = {name: self._filled(value) for name, value in step.fields.items()}
        return {"room": self._room_of(step, fields, command_id), **fields}

    async def prepare(self, step: Step) -> Accepted:
        """A step on the way to what is to be shown."""
        outcome = await self.say(self._made_by, step, secrets.token_hex(8))
        assert isinstance(outcome, Accepted), (step, outcome)
        if outcome.invite is not None:
            self._known["invite"] = outcome.invite
        return outcome

    async def _make_cast(self) -> None:
        members = [Known(name) for name in MEMBERS]
        made = {"room": self.room, "title": "The cast", "members": members}
        await self.prepare(Step("olga", "create", made))
        roles = (Step("olga", "set_role", {"user": Known(name), "role": role}) for name, role in MEMBERS.items())
        await asyncio.gather(*(self.prepare(step) for step in roles if step.fields["role"] != "member"))
        self._known["message"] = (await self.prepare(Step("mary", "send", {"text": "first"}))).seq

    async def _make_direct(self) -> None:
        await self.prepare(Step("olga", "create", DIRECT))
        self.room = direct_room_id(self._known["olga"], self._known["mary"])

    async def _make_absent(self) -> None:
        self._known["message"] = 1

    def _filled(self, value: Any) -> Any:
        if isinstance(value, Known):
            return self._known[value.name]
        return [self._filled(one) for one in value] if isinstance(value, list) else value

    def _room_of(self, step: Step, fields: dict[str, Any], command_id: str) -> str:
        """A room to be made has the id that a gate would give it, so that every door means the same one."""
        if step.verb != "create":
            return self.room
        if fields.get("visibility") == "direct" and len(fields["members"]) == 1:
            return direct_room_id(self._known[step.actor], fields["members"][0])
        return room_of_command(UserId(self._known[step.actor]), command_id)
