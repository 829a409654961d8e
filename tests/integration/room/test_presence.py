"""Sessions and presence on a real broker: what gates tell a room of their clients, and what they hear of the others."""

import asyncio
import json
from contextlib import AsyncExitStack

import pytest

from schemas import routes
from schemas.commands import COMMAND
from schemas.control import GateGone
from schemas.fanout import FanoutKind
from services.runtime.broker import open_channel
from tests.bed.waiting import eventually
from tests.integration.room.around import GateStandIn

pytestmark = pytest.mark.broker

GRACE_SECONDS = 2.0
PATIENCE_SECONDS = 30.0


class Gate(GateStandIn):
    """A gate that numbers its attaches, and keeps what its users said of themselves."""

    def __init__(self, name, channel):
        super().__init__(name, channel)
        self.statuses = {}
        self.refs = {}

    async def attach(self, room="general", **people):
        for client in people:
            self.refs[client] = self.refs.get(client, 0) + 1
        return await super().attach(room, **people)

    async def die(self):
        """Neither beat nor hear anything more."""
        await self.fall_silent()
        await self._channel.close()

    async def detach_late(self, client, user, ref):
        """A detach of an earlier attach, which was held up on its way."""
        await self._say("detach", "general", [self._session(client, user) | {"attach_ref": ref}])

    def presence(self):
        """What was said of whom, in order."""
        return [change for signal in self.presence_signals() for change in changes_of(signal)]

    def presence_signals(self):
        bodies = [json.loads(body) for _, body in self.of_kind(FanoutKind.SIGNAL)]
        return [body for body in bodies if body["signal"] == "presence"]

    async def hears(self, change):
        """Wait until a change was said."""
        await eventually(lambda: change in self.presence(), PATIENCE_SECONDS)

    async def _command(self, verb, room, people):
        await self._say(verb, room, [self._session(client, user) for client, user in people.items()])

    def _session(self, client, user):
        status = {"status": self.statuses[user]} if user in self.statuses else {}
        return {"client": f"{self.name}/{client}", "user": user, "attach_ref": self.refs[client], **status}

    async def _say(self, verb, room, sessions):
        body = {"type": verb, "room": room, "actor": self.name, "command_id": f"{verb}-{len(self.arrived)}"}
        command = COMMAND.validate_python({**body, "sessions": sessions})
        key = routes.command_key(room, verb)
        await self._channel.basic_publish(command.to_json(), exchange=routes.COMMANDS, routing_key=key)


def changes_of(signal):
    named = ("user", "state", "mood", "text", "reason")
    return [" ".join(change[name] for name in named if name in change) for change in signal["changes"]]


@pytest.fixture
async def open_gate(link):
    """`await open_gate("g1")`: a gate that numbers its attaches."""
    async with AsyncExitStack() as stack:

        async def start(name):
            gate = Gate(name, await open_channel(link, confirms=True))
            await gate.start()
            stack.push_async_callback(gate.fall_silent)
            return gate

        yield start


@pytest.fixture
async def settled_worker(start_worker, history, open_gate, sender):
    """`gate = await settled_worker(...)`: a worker that has heard of every gate, and one gate where olga looks on."""

    async def start(members=("mia", "rita"), **settings):
        await start_worker(presence_grace_seconds=GRACE_SECONDS, **settings)
        await sender.make_room(members=members)
        gate = await open_gate("g1")
        await gate.attach(a="olga")
        await gate.hears("olga online")
        return gate

    return start


async def test_presence_tells_the_first_and_the_last_session_and_the_loss_of_a_gate(settled_worker, open_gate):
    watcher = await settled_worker()
    other = await open_gate("g2")
    await other.attach(b="mia", c="rita")
    await other.attach(d="mia")
    await other.detach("general", b="mia")
    await other.detach("general", d="mia")
    await watcher.hears("mia offline")
    await other.fall_silent()
    await watcher.hears("rita offline gate_lost")
    assert watcher.presence() == ["olga online", "mia online", "rita online", "mia offline", "rita offline gate_lost"]
    assert watcher.presence_signals()[-1]["online_count"] == 1


async def test_a_late_detach_does_not_undo_a_newer_attach(settled_worker, sender, open_gate):
    watcher = await settled_worker()
    other = await open_gate("g2")
    await other.attach(b="mia")
    await other.attach(b="mia")
    await other.detach_late("b", "mia", ref=1)
    await other.attach(c="rita")
    await other.detach("general", c="rita")
    await watcher.hears("rita offline")
    assert watcher.presence() == ["olga online", "mia online", "rita online", "rita offline"]
    await sender.ask("send", "olga", text="still heard")
    await eventually(lambda: other.seqs()[-1:] == [2], PATIENCE_SECONDS)


async def test_who_comes_back_within_the_grace_by_another_gate_was_never_away(settled_worker, sender, open_gate):
    watcher = await settled_worker()
    leaving, other = await open_gate("g2"), await open_gate("g3")
    await leaving.attach(b="mia", c="rita")
    await leaving.fall_silent()
    await leaving.tell(GateGone(gate="g2"))
    await other.attach(b="mia")
    await watcher.hears("rita offline")
    assert watcher.presence() == ["olga online", "mia online", "rita online", "rita offline"]
    await sender.ask("send", "olga", text="hi")
    await eventually(lambda: watcher.seqs() == [2])
    assert 2 not in leaving.seqs()


async def test_a_status_is_told_shown_and_hides_and_is_never_logged(settled_worker, sender, history, open_gate):
    watcher = await settled_worker()
    await watcher.attach(b="mia")
    answer = await sender.ask("set_status", "mia", state="away", mood="tired", text="at lunch")
    assert (answer.type, answer.seq) == ("accepted", 1)
    await watcher.hears("mia away tired at lunch")
    other = await open_gate("g2")
    shown = {member.user: member for member in (await other.attach(c="rita")).members}
    assert (shown["mia"].status.text, shown["olga"].status) == ("at lunch", None)
    await sender.ask("set_status", "mia", state="offline")
    await watcher.hears("mia offline")
    await sender.ask("send", "olga", text="the log's next entry")
    await eventually(lambda: history.seqs("general") == [1, 2])


async def test_many_who_come_and_go_are_few_signals_and_those_who_only_passed_are_not_named(settled_worker, open_gate):
    crowd = [f"u{number}" for number in range(60)]
    watcher = await settled_worker(members=crowd)
    other = await open_gate("g2")
    loop = asyncio.get_running_loop()
    began = loop.time()
    for user in crowd:
        await other.attach(**{user: user})
    for user in crowd[:30]:
        await other.detach("general", **{user: user})
    await other.attach(**{user: user for user in crowd[:30]})
    await other.detach("general", u59="u59")
    await watcher.hears("u59 offline")
    took = loop.time() - began
    assert sorted(watcher.presence()) == sorted(["olga online", *(f"{user} online" for user in crowd), "u59 offline"])
    assert len(watcher.presence_signals()) <= 10 * took + 2


async def test_where_many_are_only_their_number_is_told_and_all_names_when_they_are_fewer_again(
    settled_worker, open_gate
):
    watcher = await settled_worker(presence_limit=2)
    other = await open_gate("g2")
    await other.attach(b="mia", c="rita")
    await eventually(lambda: watcher.presence_signals()[-1]["online_count"] == 3, PATIENCE_SECONDS)
    assert watcher.presence() == ["olga online"]
    await other.detach("general", b="mia")
    await watcher.hears("rita online")
    last = watcher.presence_signals()[-1]
    assert (last["anew"], changes_of(last)) == (True, ["olga online", "rita online"])


async def test_after_a_takeover_a_status_is_what_it_was_and_whose_gate_died_meanwhile_is_there_no_more(
    start_process, history, sender, open_gate
):
    first = await start_process()
    watcher, dying = await open_gate("g1"), await open_gate("g2")
    await sender.make_room()
    await watcher.attach(a="olga", b="mia")
    await dying.attach(c="rita")
    watcher.statuses["mia"] = {"state": "dnd", "text": "writing"}
    await sender.ask("set_status", "mia", state="dnd", text="writing")
    await watcher.hears("mia dnd writing")
    await watcher.hears("rita online")
    before = len(watcher.presence_signals())
    await first.kill()
    await dying.die()
    await start_process()
    await sender.ask("send", "olga", text="wakes the room up")
    [anew, *_] = await eventually(lambda: watcher.presence_signals()[before:], PATIENCE_SECONDS)
    assert (anew["anew"], anew["online_count"]) == (True, 2)
    assert sorted(changes_of(anew)) == ["mia dnd writing", "olga online"]


async def test_the_same_typing_again_is_accepted_and_told_once(settled_worker, sender):
    watcher = await settled_worker()
    for _ in range(3):
        assert (await sender.ask("typing", "mia")).type == "accepted"
    assert (await sender.ask("typing", "mia", active=False)).type == "accepted"
    await eventually(lambda: typing(watcher)[-1:] == [False])
    assert typing(watcher) == [True, False]


def typing(gate):
    return [signal["active"] for signal in gate.signals() if signal["signal"] == "typing"]
