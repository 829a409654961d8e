"""One person in one room: frames in, lines to show and frames to send out. Pure: the moment is always an argument.

The order of the room is the order on the screen: an own message appears where its `accepted` puts it. What was not
answered is sent again under its command_id; what is missing is asked for; what was shown is not shown twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from clients.cli.company import Company
from clients.cli.lines import Line, notice, problem, room_line, said, status
from clients.cli.pending import Pending
from clients.cli.questions import Question, Questions, Wish
from clients.cli.sequence import Sequence
from clients.cli.telling import line_of, messages_of
from clients.cli.wire import AnyEvent, EventsPage, Received, UnknownEvent
from schemas import limits
from schemas.answers import Accepted, Refused
from schemas.errors import Code
from schemas.events import Event, EventBase, MemberBanned, MemberLeft, MessagePosted
from schemas.frames import Attached, Detached, Lagged, Reset, Rooms
from schemas.signals import PresenceSignal, ReceiptSignal, ServiceSignal, TypingSignal

SHOWN_AT_FIRST: Final = 20
FIRST_PAGE: Final = 100
HOLE_SECONDS: Final = 1.0
"""The gate fills holes itself; one that stays this long is asked for."""
HOLE_TRIES: Final = 5
AGAIN_SECONDS: Final = 1.0
"""The pause before asking again where the refusal names none."""
TYPING_EVERY_SECONDS: Final = 3.0
MARK_EVERY_SECONDS: Final = 2.0


class Phase(Enum):
    """Where the conversation stands. AWAY: no connection. WAITING: attach was put off. OVER: see `ending`."""

    AWAY = auto()
    WAITING = auto()
    ATTACHING = auto()
    JOINING = auto()
    HERE = auto()
    OVER = auto()


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands at one seq: an event, or one's own message as its answer placed it."""

    line: Line | None
    event: AnyEvent | None = None


class Conversation:
    """Drive it with `link_made`, `link_lost`, `receive`, `say`, `tick`; after each, take `frames_to_send` and
    `lines_to_show`.

    Attributes:
        user: who one is, as the gate says at every `link_made`.
        phase: where it stands.
        ending: why it is over, as a sentence; None where the person wanted it.
        company: the people of the room.
    """

    def __init__(self, room: str, *, join_id: str, invite: str | None = None) -> None:
        self.user = ""
        self.room = room
        self.phase = Phase.AWAY
        self.ending: str | None = None
        self.company = Company()
        self._join_id = join_id
        self._invite = invite
        self._leaves = False
        self._status: dict[str, Any] | None = None  # Any: a JSON object
        self._marked = 0
        self._marked_at = float("-inf")
        self._joins = 0
        self._was_in = False
        self._pending = Pending()
        self._sequence: Sequence[Entry] | None = None
        self._shown: tuple[str, int] | None = None
        self._questions = Questions()
        self._again_at = 0.0
        self._hole: tuple[int, float, int] | None = None
        self._typing: dict[str, float] = {}
        self._typing_said_at = float("-inf")
        self._frames: list[dict[str, Any]] = []  # Any: JSON objects
        self._lines: list[Line] = []

    # What the shell takes

    def frames_to_send(self) -> list[dict[str, Any]]:  # Any: JSON objects
        """The frames to send, in order; each is given once."""
        frames, self._frames = self._frames, []
        return frames

    def lines_to_show(self) -> list[Line]:
        """The lines to show, in order; each is given once."""
        lines, self._lines = self._lines, []
        return lines

    @property
    def unanswered(self) -> int:
        """How many messages and commands have no answer yet."""
        return len(self._pending)

    @property
    def takes_more(self) -> bool:
        """Whether another message may be said; a caller that can wait does."""
        return not self._pending.full

    @property
    def at_rest(self) -> bool:
        """Whether everything asked for and said has its answer, and all that is known to have happened was shown."""
        behind = self._sequence is not None and self._sequence.missing
        return self.phase is Phase.HERE and not self._pending and self._questions.none and not behind

    def writers(self, now: float) -> list[str]:
        """Who is writing at the moment."""
        return sorted(user for user, until in self._typing.items() if until > now)

    # The connection

    def link_made(self, user: str, now: float) -> None:
        """A connection stands and the gate knows that `user` speaks."""
        self.user = user
        if self.phase is not Phase.OVER:
            self._attach(now)

    def link_lost(self) -> None:
        """The connection is gone, and with it every question on its way."""
        if self.phase is not Phase.OVER:
            self.phase = Phase.AWAY
        self._questions.forget_all()
        self._frames.clear()
        self._typing.clear()
        self._hole = None
        self._pending.link_lost()

    # The person

    def say(self, text: str, command_id: str, now: float) -> None:
        """Send a message, now or as soon as it can be."""
        if not text.strip():
            return
        if len(text.encode()) > limits.TEXT_BYTES:
            self._lines.append(problem(f"not sent: a message has at most {limits.TEXT_BYTES} bytes"))
        else:
            self._typing_said_at = float("-inf")
            self.wish({"type": "send", "text": text}, command_id, now)

    def wish(self, fields: dict[str, Any], command_id: str, now: float) -> None:  # Any: a JSON object
        """Send a command, of this room unless it names another, now or as soon as it can be."""
        if self._pending.full:
            self._lines.append(problem("not sent: too many messages wait for their answer"))
            return
        if fields["type"] == "set_status":
            self._status = fields
        self._pending.add(command_id, {"room": self.room, **fields})
        self._send_due(now)

    def write(self, now: float) -> None:
        """The person is writing: tell the others, but not too often."""
        if self.phase is Phase.HERE and now - self._typing_said_at >= TYPING_EVERY_SECONDS:
            self._typing_said_at = now
            self._ask(Wish.TYPING, {"type": "typing", "room": self.room, "active": True}, now)

    def ask_history(self, count: int, now: float) -> None:
        """Show the last messages again."""
        bounded = max(1, min(count, limits.PAGE_EVENTS))
        frame = {"type": "history", "room": self.room, "limit": limits.PAGE_EVENTS}
        self._ask_if_here(Wish.HISTORY, frame, now, bounded)

    def ask_rooms(self, now: float) -> None:
        """Show the rooms one is in."""
        self._ask_if_here(Wish.ROOMS, {"type": "rooms"}, now)

    def show_members(self) -> None:
        """Show who is a member, those here now first."""
        self._lines.append(self.company.line())

    # Time

    def tick(self, now: float) -> None:
        """Do what has become due."""
        for question in self._questions.overdue(now):
            self._on_refused(question, Refused.of(Code.NO_ANSWER, command_id=question.command_id), now)
        if self.phase is Phase.WAITING and now >= self._again_at:
            self._attach(now)
        self._watch_hole(now)
        self._send_due(now)
        self._mark_read(now)

    # Frames

    def receive(self, frame: Received, now: float) -> None:
        """Take in one frame of the gate."""
        match frame:
            case EventBase() | UnknownEvent():
                self._on_event(frame)
            case Accepted():
                self._on_accepted(frame, now)
            case Refused():
                self._on_refusal(frame, now)
            case Attached():
                self._on_attached(frame, now)
            case EventsPage():
                self._on_page(frame, now)
            case TypingSignal() | PresenceSignal() | ServiceSignal() | ReceiptSignal():
                self._on_signal(frame, now)
            case _:
                self._receive_rare(frame, now)

    def _receive_rare(self, frame: Received, now: float) -> None:
        match frame:
            case Reset(room=self.room):
                self._reload(frame.epoch, frame.seq, now)
            case Detached(room=self.room):
                self._on_detached(frame)
            case Rooms():
                self._questions.answered(frame.id)
                self._lines += [notice(room_line(view)) for view in frame.rooms] or [notice("no rooms yet")]
            case Lagged(room=self.room):
                self._lines.append(status(f"catching up with {frame.to_seq - frame.from_seq} events"))
            case _:
                pass

    # Getting in

    def _attach(self, now: float) -> None:
        frame: dict[str, Any] = {"type": "attach", "room": self.room, "echo": True}  # Any: a JSON object
        if self._sequence is not None and self._sequence.seq is not None:
            frame["position"] = {"epoch": self._sequence.epoch, "seq": self._sequence.seq}
        self.phase = Phase.ATTACHING
        self._ask(Wish.ATTACH, frame, now)

    def _join(self, now: float) -> None:
        self.phase = Phase.JOINING
        self._joins += 1
        more: dict[str, Any] = {"retry": True} if self._joins > 1 else {}  # Any: a JSON object
        if self._invite is not None:
            more["invite"] = self._invite
        self._ask(Wish.JOIN, {"type": "join", "room": self.room, "command_id": self._join_id, **more}, now)

    def _on_attached(self, frame: Attached, now: float) -> None:
        self._questions.answered(frame.id)
        self.phase = Phase.HERE
        self._was_in = True
        self._meet(frame)
        sequence = self._sequence
        if sequence is None or sequence.seq is None or sequence.epoch != frame.epoch:
            self._reload(frame.epoch, frame.seq, now)
        else:
            sequence.reach(frame.seq)
        if self._status is not None:
            self._ask(Wish.STATUS, {"room": self.room, **self._status}, now)
        self._send_due(now)

    def _meet(self, frame: Attached) -> None:
        first = self._shown is None and not self.company.known
        self.company.meet(frame)
        if first:
            people = f"{_people(frame.member_count)}, {self.company.online_count} here"
            self._lines.append(notice(f"{frame.title}: {people}"))

    def _reload(self, epoch: str, seq: int, now: float) -> None:
        """Begin the numbering anew: ask for the latest, and hold what comes meanwhile."""
        if self._questions.wants(Wish.OPENING) and self._sequence is not None and self._sequence.epoch == epoch:
            self._sequence.reach(seq)
            return
        self._questions.forget(Wish.OPENING, Wish.HOLE)
        self._hole = None
        self._marked = 0
        self._sequence = Sequence(epoch, seq)
        self._ask(Wish.OPENING, {"type": "history", "room": self.room, "limit": FIRST_PAGE}, now)

    def _on_detached(self, frame: Detached) -> None:
        code = f" ({frame.code})" if frame.code else ""
        self._end(None if self._leaves else f"you are no longer in {self.room}{code}")

    def _end(self, sentence: str | None) -> None:
        self.phase = Phase.OVER
        self.ending = sentence

    # Events and pages

    def _on_event(self, event: Event | UnknownEvent) -> None:
        if event.room == self.room and self._sequence is not None and self._sequence.epoch == event.epoch:
            self._show(self._sequence.put(event.seq, self._entry_of(event)))

    def _entry_of(self, event: AnyEvent) -> Entry:
        if isinstance(event, EventBase) and event.actor == self.user:
            self._pending.settle(event.command_id)
        return Entry(line_of(event), event)

    def _show(self, entries: list[Entry]) -> None:
        for entry in entries:
            self._note_people(entry)
            if entry.line is not None:
                self._lines.append(entry.line)
        self._note_shown()

    def _note_shown(self) -> None:
        if self._sequence is not None and self._sequence.seq is not None:
            self._shown = (self._sequence.epoch, self._sequence.seq)

    def _note_people(self, entry: Entry) -> None:
        event = entry.event
        self.company.receive_event(event)
        if isinstance(event, MessagePosted) and event.actor == self.user:
            self.company.receive_own(event.seq)
        gone = event.user if isinstance(event, MemberLeft | MemberBanned) else getattr(event, "actor", "")
        self._typing.pop(gone, None)

    def _on_page(self, page: EventsPage, now: float) -> None:
        match self._questions.answered(page.id):
            case Question(wish=Wish.OPENING):
                self._open_with(page, now)
            case Question(wish=Wish.HOLE):
                self._fill_with(page, now)
            case Question(wish=Wish.HISTORY, count=count):
                messages = [line for _, line in messages_of(page.events)][-count:]
                self._lines += [notice(f"the last {len(messages)} messages"), *messages, notice("end of these")]
            case _:
                pass

    def _open_with(self, page: EventsPage, now: float) -> None:
        sequence = self._sequence
        if sequence is None or sequence.epoch != page.epoch:
            self._attach_afresh(now)
            return
        for event in page.events:
            self._entry_of(event)
        last = max((event.seq for event in page.events), default=page.head)
        if self._shown is not None and self._shown[0] == page.epoch:
            last = max(last, self._shown[1])
        self._show_latest(page, last)
        self._show(sequence.start(last))

    def _show_latest(self, page: EventsPage, last: int) -> None:
        epoch, seen = self._shown or (page.epoch, 0)
        seen = seen if epoch == page.epoch else 0
        fresh = [(seq, line) for seq, line in messages_of(page.events) if seq > seen]
        if self._shown is not None:
            self._lines.append(status(_reloaded(page, seen, last, len(fresh))))
        self._lines += [line for _, line in fresh[-SHOWN_AT_FIRST:]]

    def _attach_afresh(self, now: float) -> None:
        self._sequence = None
        self._attach(now)

    def _fill_with(self, page: EventsPage, now: float) -> None:
        if self._sequence is None or self._sequence.epoch != page.epoch:
            return
        before = self._sequence.seq
        for event in page.events:
            self._on_event(event)
        if self._sequence.seq == before:
            self._hole_stays(now)
        else:
            self._hole = None

    def _watch_hole(self, now: float) -> None:
        """A hole that nothing has filled for a while is asked for."""
        sequence = self._sequence
        if self.phase is not Phase.HERE or sequence is None or sequence.seq is None or not sequence.missing:
            self._hole = None
        elif self._hole is None or self._hole[0] != sequence.seq:
            self._hole = (sequence.seq, now, 0)
        elif now - self._hole[1] >= HOLE_SECONDS and not self._questions.wants(Wish.HOLE):
            frame = {"type": "history", "room": self.room, "after": sequence.seq, "limit": limits.PAGE_EVENTS}
            self._ask(Wish.HOLE, frame, now)

    def _hole_stays(self, now: float) -> None:
        if self._hole is None or self._sequence is None:
            return
        seq, _, tries = self._hole
        self._hole = (seq, now, tries + 1)
        if tries + 1 >= HOLE_TRIES:
            lost, entries = self._sequence.give_up()
            self._lines.append(problem(f"{lost} events could not be loaded"))
            self._show(entries)

    # Answers

    def _on_accepted(self, frame: Accepted, now: float) -> None:
        question = self._questions.answered(frame.id)
        command = self._pending.settle(frame.command_id)
        if question is not None and question.wish is Wish.JOIN:
            self._was_in = True
            self._attach(now)
        elif command is not None:
            self._on_done(command.fields, frame)
        self._send_due(now)

    def _on_done(self, fields: dict[str, Any], frame: Accepted) -> None:  # Any: a JSON object
        """A message is placed by its answer; what else one did comes as an event (`echo`) at the seq of the answer."""
        here = frame.room == self.room and self._sequence is not None and self._sequence.epoch == frame.epoch
        if fields["type"] == "send" and here and self._sequence is not None:
            words = f"(to #{fields['reply_to']}) {fields['text']}" if "reply_to" in fields else fields["text"]
            self.company.receive_own(frame.seq)
            self._show(self._sequence.put(frame.seq, Entry(said(frame.at, frame.seq, self.user, words))))
        elif here and self._sequence is not None:
            self._sequence.reach(frame.seq)
        elif fields["type"] == "join":
            self._lines.append(notice(f"you are a member of {frame.room}: gatehouse chat --room {frame.room}"))
        self._leaves = self._leaves or fields["type"] == "leave"

    def _on_refusal(self, frame: Refused, now: float) -> None:
        question = self._questions.answered(frame.id)
        if question is None and frame.command_id is not None:
            question = Question(Wish.SEND, now, command_id=frame.command_id)
        if question is not None:
            self._on_refused(question, frame, now)

    def _on_refused(self, question: Question, frame: Refused, now: float) -> None:
        match question.wish:
            case Wish.ATTACH | Wish.JOIN:
                self._not_in(question.wish, frame, now)
            case Wish.SEND:
                self._not_sent(question.command_id or "", frame, now)
            case Wish.OPENING:
                self._open_without(frame)
            case Wish.HOLE:
                self._hole_stays(now)
            case Wish.HISTORY | Wish.ROOMS:
                self._lines.append(problem(frame.message))
            case Wish.TYPING | Wish.MARK | Wish.STATUS:
                pass

    def _not_in(self, wish: Wish, frame: Refused, now: float) -> None:
        outside = frame.code is Code.NOT_A_MEMBER or (frame.code is Code.ROOM_NOT_FOUND and self._invite is not None)
        if outside and wish is Wish.ATTACH and not self._was_in:
            self._join(now)
        elif frame.code is Code.ALREADY_A_MEMBER:
            self._attach(now)
        elif frame.retry:
            self.phase = Phase.WAITING
            self._again_at = now + (frame.retry_after_seconds or AGAIN_SECONDS)
        else:
            self._end(f"cannot enter {self.room}: {frame.message}")

    def _not_sent(self, command_id: str, frame: Refused, now: float) -> None:
        if frame.retry:
            self._pending.put_off(command_id, now + (frame.retry_after_seconds or AGAIN_SECONDS))
        elif (command := self._pending.settle(command_id)) is not None:
            self._lines.append(problem(_not_done(frame.message, command.fields)))
        self._send_due(now)

    def _open_without(self, frame: Refused) -> None:
        if self._sequence is not None:
            self._lines.append(problem(f"earlier messages cannot be shown: {frame.message}"))
            self._show(self._sequence.start(self._sequence.top))

    # Signals

    def _on_signal(self, signal: TypingSignal | PresenceSignal | ServiceSignal | ReceiptSignal, now: float) -> None:
        match signal:
            case TypingSignal(room=self.room) if signal.user != self.user:
                self._typing[signal.user] = now + signal.expires_seconds if signal.active else now
            case PresenceSignal(room=self.room):
                self._lines += self.company.receive_presence(signal, self.user)
            case ReceiptSignal(room=self.room):
                self._lines += self.company.receive_receipt(signal, self.user)
            case ServiceSignal():
                words = "is back" if signal.available else "is away for a moment; what you say is kept"
                self._lines.append(status(f"the service {words}"))
            case _:
                pass

    # Frames out

    def _send_due(self, now: float) -> None:
        if self.phase is Phase.HERE and (fields := self._pending.due_to_send(now)) is not None:
            self._ask(Wish.SEND, fields, now)

    def _mark_read(self, now: float) -> None:
        """What was shown was read; the others may know, but not at once for each."""
        seq = self._shown[1] if self._shown is not None else 0
        if self.phase is Phase.HERE and seq > self._marked and now - self._marked_at >= MARK_EVERY_SECONDS:
            self._marked, self._marked_at = seq, now
            self._ask(Wish.MARK, {"type": "mark_read", "room": self.room, "seq": seq}, now)

    def _ask(self, wish: Wish, fields: dict[str, Any], now: float, count: int = 0) -> None:  # Any: a JSON object
        self._frames.append(self._questions.ask(wish, fields, now, count))

    def _ask_if_here(self, wish: Wish, fields: dict[str, Any], now: float, count: int = 0) -> None:  # Any: as above
        if self.phase is Phase.HERE:
            self._ask(wish, fields, now, count)
        else:
            self._lines.append(problem("not connected at the moment"))


def _people(count: int) -> str:
    return "1 member" if count == 1 else f"{count} members"


def _not_done(message: str, fields: dict[str, Any]) -> str:  # Any: a JSON object
    if fields["type"] == "send":
        return f"not sent: {message}: {fields['text']}"
    return f"not done ({fields['type'].replace('_', ' ')}): {message}"


def _reloaded(page: EventsPage, seen: int, last: int, fresh: int) -> str:
    if last <= seen:
        return "the conversation was loaded again"
    skipped = (bool(page.events) and page.events[0].seq > seen + 1) or fresh > SHOWN_AT_FIRST
    return "the conversation was loaded again" + ("; older messages in between: /history" if skipped else "")
