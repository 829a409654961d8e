"""Whatever happens between a gate and one client of a conversation, in whatever order: the client has every message of
the conversation once (I3), and each in its place."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import MessagePosted
from services.gateway.doors.conversation.script import Reload, Stage
from tests.unit.gateway.conversations import ME, Client, accepted, attached, event, newest, page, posted, reset


class Model:
    """A room, history that lags behind it, and a gate that serves one client as the protocol says, with accidents."""

    def __init__(self, events_before):
        self.log = []
        self.epoch = "e1"
        for _ in range(events_before):
            self.append("bob")
        self.client = Client(*self.messages(len(self.log)), head=len(self.log))
        self.attached = False
        self.has: set[int] = set()

    def append(self, actor, name=None):
        seq = len(self.log) + 1
        made = posted(seq, actor, epoch=self.epoch) if name is None else event(name, seq, epoch=self.epoch, user="x")
        self.log.append(made)
        return made

    def messages(self, through, after=0):
        return [one for one in self.log[:through] if isinstance(one, MessagePosted) and one.seq > after]

    def head(self, lag):
        return max(0, len(self.log) - lag)

    @property
    def connected(self):
        return any(frame["type"] == "connected" for frame in self.client.told)

    def told(self, frames):
        """A client of conversations keeps what it is told; the same sequence id never comes to it twice."""
        for frame in frames:
            if frame["type"] == "sync":
                found = [one["sequence_id"] for one in frame["messages"]]
                assert found == sorted(set(found))
                self.has = set(found) if frame.get("reset") else self.has | set(found)
            elif frame["type"] in ("message", "message_ack"):
                assert frame["sequence_id"] not in self.has
                self.has.add(frame["sequence_id"])

    def push(self, *frames):
        self.told(self.client.hear(*frames))

    # What may happen. `number` is any small number: how far behind something is, or how many.

    def another_posts(self, _):
        self._live(self.append("bob"))

    def something_else_happens(self, _):
        self._live(self.append("bob", "member_unbanned"))

    def the_client_posts(self, _):
        if self.connected:
            made = self.append(ME)
            self.push(accepted(made.seq, epoch=self.epoch, id="message"))

    def the_answer_comes_by_reply_before_the_event(self, _):
        if self.connected:
            made = self.append(ME)
            self.push(accepted(made.seq, epoch=self.epoch, id="message"))
            self._live(made)

    def an_event_is_lost(self, _):
        self.append("bob")

    def an_event_comes_again(self, number):
        if self.attached and self.log:
            self.push(self.log[-1 - number % len(self.log)])

    def the_gate_resets(self, _):
        if self.attached:
            self.push(reset(len(self.log), self.epoch))

    def the_gate_tells_what_the_room_is(self, _):
        if self.attached:
            self.push(attached(len(self.log), epoch=self.epoch).model_copy(update={"id": None}))

    def the_numbering_begins_anew(self, _):
        self.epoch, self.log, self.has = f"e{int(self.epoch[1:]) + 1}", [], set()
        if self.attached:
            self.push(reset(0, self.epoch))

    def the_gate_answers_an_attach(self, number, *, resets=True):
        wish = next((one for one in self.client.wished if one["type"] == "attach"), None)
        if wish is None:
            return
        self.client.wished.remove(wish)
        position, top = wish["position"], len(self.log)
        self.attached = True
        if position["epoch"] != self.epoch or position["seq"] > top or (resets and number == 3):
            self.push(reset(top, self.epoch), attached(top, epoch=self.epoch))
        else:
            self.push(attached(position["seq"], epoch=self.epoch), *self.log[position["seq"] :])

    def history_answers_the_newest_page(self, number):
        if self.client.reloading:
            self.client.others.remove(Reload())
            head = self.head(number)
            self.told(self.client.reloaded(newest(*self.messages(head), head=head, epoch=self.epoch)))
            self.attached = False if self.client.wished else self.attached

    def the_client_asks_for_a_sync(self, _):
        if self.client.script.stage is Stage.LIVE:
            self.told(self.client.say(type="sync", last_sequence_id=max(self.has, default=0)))

    def history_answers_the_sync(self, number):
        wish = next((one for one in self.client.wished if one["type"] == "history"), None)
        if wish is not None:
            self.client.wished.remove(wish)
            head = max(wish["after"], self.head(number))
            self.push(page(*self.messages(head, wish["after"]), head=head, epoch=self.epoch))

    def _live(self, made):
        if self.attached:
            self.push(made)

    def settle(self):
        """Everything that is on its way arrives, and one more message shows what was lost."""
        for _ in range(12):
            self.the_gate_answers_an_attach(0, resets=False)
            self.history_answers_the_newest_page(0)
            self.history_answers_the_sync(0)
            self.another_posts(0)


ACCIDENTS = (
    Model.another_posts,
    Model.something_else_happens,
    Model.the_client_posts,
    Model.the_answer_comes_by_reply_before_the_event,
    Model.an_event_is_lost,
    Model.an_event_comes_again,
    Model.the_gate_resets,
    Model.the_gate_tells_what_the_room_is,
    Model.the_gate_answers_an_attach,
    Model.history_answers_the_newest_page,
    Model.the_client_asks_for_a_sync,
    Model.history_answers_the_sync,
)
STEPS = st.lists(st.tuples(st.sampled_from(ACCIDENTS), st.integers(0, 4)), max_size=30)


@given(st.integers(0, 5), STEPS)
def test_i3_no_message_is_repeated_and_none_is_missing(before, steps):
    model = Model(before)
    for happens, number in steps:
        happens(model, number)
        if model.client.script.stage is Stage.ENDED:
            return
    model.settle()
    assert model.client.script.stage is Stage.LIVE
    assert model.has == {one.seq for one in model.messages(len(model.log))}


@given(st.integers(0, 5), STEPS, STEPS)
def test_i3_also_where_the_numbering_begins_anew(before, steps, later):
    model = Model(before)
    for happens, number in [*steps, (Model.the_numbering_begins_anew, 0), *later]:
        happens(model, number)
    if model.client.script.stage is Stage.ENDED:
        return
    model.settle()
    assert model.has == {one.seq for one in model.messages(len(model.log))}
