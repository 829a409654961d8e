"""One person in one room: frames in, lines to show and frames to send out. Pure: the moment is always an argument.

The order of the room is the order on the screen: an own message appears where its `accepted` puts it. What was not
answered is sent again under its command_id; what is missing is asked for; what was shown is not shown twice.
"""

from __future__ import annotations

from typing import Any

from clients.cli.company import Company
from clients.cli.entrance import AGAIN_SECONDS, Entrance, Phase
from clients.cli.lines import Line, notice, problem, room_line, said, status
from clients.cli.pending import Pending
from clients.cli.questions import Question, Questions, Wish
from clients.cli.telling import messages_of
from clients.cli.timeline import Entry, Timeline
from clients.cli.typists import Typists
from clients.cli.wire import AnyEvent, EventsPage, Received, UnknownEvent
from schemas import limits
from schemas.answers import Accepted, Refused
from schemas.errors import Code
from schemas.events import EventBase, MemberBanned, MemberLeft, MessagePosted
from schemas.frames import Attached, Detached, Lagged, Reset, Rooms
from schemas.signals import PresenceSignal, ReceiptSignal, ServiceSignal, TypingSignal


class Conversation:
    """Drive it with `link_made`, `link_lost`, `receive`, `say`, `tick`; after each, take `frames_to_send` and
    `lines_to_show`.

    Attributes:
        user: who one is, as the gate says at every `link_made`.
        company: the people of the room.
    """

    def __init__(self, room: str, *, join_id: str, invite: str | None = None) -> None:
        self.user = ""
        self.room = room
        self.company = Company()
        self._questions = Questions()
        self._entrance = Entrance(room, self._questions, join_id=join_id, invite=invite)
        self._timeline = Timeline(room, self._questions)
        self._pending = Pending()
        self._typists = Typists()
        self._status: dict[str, Any] | None = None  # Any: a JSON object
        self._lines: list[Line] = []

    # What the shell takes

    def frames_to_send(self) -> list[dict[str, Any]]:  # Any: JSON objects
        """The frames to send, in order; each is given once."""
        return self._questions.frames_to_send()

    def lines_to_show(self) -> list[Line]:
        """The lines to show, in order; each is given once."""
        lines, self._lines = self._lines, []
        return lines

    @property
    def phase(self) -> Phase:
        """Where it stands."""
        return self._entrance.phase

    @property
    def ending(self) -> str | None:
        """Why it is over, as a sentence; None where the person wanted it."""
        return self._entrance.ending

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
        all_shown = not self._timeline.missing
        return self.phase is Phase.HERE and not self._pending and self._questions.none and all_shown

    def writers(self, now: float) -> list[str]:
        """Who is writing at the moment."""
        return self._typists.at(now)

    # The connection

    def link_made(self, user: str, now: float) -> None:
        """A connection stands and the gate knows that `user` speaks."""
        self.user = user
        if self.phase is not Phase.OVER:
            self._attach(now)

    def link_lost(self) -> None:
        """The connection is gone, and with it every question on its way."""
        self._entrance.link_lost()
        self._questions.forget_all()
        self._typists.forget_all()
        self._timeline.pause()
        self._pending.link_lost()

    # The person

    def say(self, text: str, command_id: str, now: float) -> None:
        """Send a message, now or as soon as it can be."""
        if not text.strip():
            return
        if len(text.encode()) > limits.TEXT_BYTES:
            self._lines.append(problem(f"not sent: a message has at most {limits.TEXT_BYTES} bytes"))
        else:
            self._typists.said()
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
        if self.phase is Phase.HERE and self._typists.may_say(now):
            self._questions.ask(Wish.TYPING, {"type": "typing", "room": self.room, "active": True}, now)

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
        if self._entrance.is_due(now):
            self._attach(now)
        if self.phase is Phase.HERE:
            self._timeline.watch_hole(now)
            self._send_due(now)
            self._timeline.mark_read(now)
        else:
            self._timeline.pause()

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
                self._timeline.reload(frame.epoch, frame.seq, now)
            case Detached(room=self.room):
                self._entrance.detached(frame)
            case Rooms():
                self._questions.answered(frame.id)
                self._lines += [notice(room_line(view)) for view in frame.rooms] or [notice("no rooms yet")]
            case Lagged(room=self.room):
                self._lines.append(status(f"catching up with {frame.to_seq - frame.from_seq} events"))
            case _:
                pass

    # Getting in

    def _attach(self, now: float) -> None:
        self._entrance.attach(self._timeline.position, now)

    def _on_attached(self, frame: Attached, now: float) -> None:
        self._questions.answered(frame.id)
        self._entrance.attached()
        self._meet(frame)
        self._timeline.attached(frame.epoch, frame.seq, now)
        if self._status is not None:
            self._questions.ask(Wish.STATUS, {"room": self.room, **self._status}, now)
        self._send_due(now)

    def _meet(self, frame: Attached) -> None:
        first = self._timeline.untouched and not self.company.known
        self.company.meet(frame)
        if first:
            people = f"{_people(frame.member_count)}, {self.company.online_count} here"
            self._lines.append(notice(f"{frame.title}: {people}"))

    # Events and pages

    def _on_event(self, event: AnyEvent) -> None:
        if event.room == self.room and self._timeline.is_of(event.epoch):
            self._settle_own(event)
            self._show(self._timeline.receive(event))

    def _settle_own(self, event: AnyEvent) -> None:
        """An event of one's own answers the command that made it."""
        if isinstance(event, EventBase) and event.actor == self.user:
            self._pending.settle(event.command_id)

    def _show(self, entries: list[Entry]) -> None:
        for entry in entries:
            if entry.event is not None:
                self._note_people(entry.event)
            if entry.line is not None:
                self._lines.append(entry.line)

    def _note_people(self, event: AnyEvent) -> None:
        self.company.receive_event(event)
        if isinstance(event, MessagePosted) and event.actor == self.user:
            self.company.receive_own(event.seq)
        self._typists.done(event.user if isinstance(event, MemberLeft | MemberBanned) else getattr(event, "actor", ""))

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
        if not self._timeline.is_of(page.epoch):
            self._timeline.forget()
            self._attach(now)
            return
        for event in page.events:
            self._settle_own(event)
        self._show(self._timeline.open_with(page))

    def _fill_with(self, page: EventsPage, now: float) -> None:
        if self._timeline.is_of(page.epoch):
            for event in page.events:
                self._settle_own(event)
        self._show(self._timeline.fill_with(page, now))

    # Answers

    def _on_accepted(self, frame: Accepted, now: float) -> None:
        question = self._questions.answered(frame.id)
        command = self._pending.settle(frame.command_id)
        if question is not None and question.wish is Wish.JOIN:
            self._entrance.joined(self._timeline.position, now)
        elif command is not None:
            self._on_done(command.fields, frame)
        self._send_due(now)

    def _on_done(self, fields: dict[str, Any], frame: Accepted) -> None:  # Any: a JSON object
        """A message is placed by its answer; what else one did comes as an event (`echo`) at the seq of the answer."""
        here = frame.room == self.room and self._timeline.is_of(frame.epoch)
        if fields["type"] == "send" and here:
            words = f"(to #{fields['reply_to']}) {fields['text']}" if "reply_to" in fields else fields["text"]
            self.company.receive_own(frame.seq)
            self._show(self._timeline.put(frame.seq, Entry(said(frame.at, frame.seq, self.user, words))))
        elif here:
            self._timeline.reach(frame.seq)
        elif fields["type"] == "join":
            self._lines.append(notice(f"you are a member of {frame.room}: gatehouse chat --room {frame.room}"))
        if fields["type"] == "leave":
            self._entrance.leave()

    def _on_refusal(self, frame: Refused, now: float) -> None:
        question = self._questions.answered(frame.id)
        if question is None and frame.command_id is not None:
            question = Question(Wish.SEND, now, command_id=frame.command_id)
        if question is not None:
            self._on_refused(question, frame, now)

    def _on_refused(self, question: Question, frame: Refused, now: float) -> None:
        match question.wish:
            case Wish.ATTACH | Wish.JOIN:
                self._entrance.refused(question.wish, frame, self._timeline.position, now)
            case Wish.SEND:
                self._not_sent(question.command_id or "", frame, now)
            case Wish.OPENING:
                self._show(self._timeline.open_without(frame.message))
            case Wish.HOLE:
                self._show(self._timeline.hole_stays(now))
            case Wish.HISTORY | Wish.ROOMS:
                self._lines.append(problem(frame.message))
            case Wish.TYPING | Wish.MARK | Wish.STATUS:
                pass

    def _not_sent(self, command_id: str, frame: Refused, now: float) -> None:
        if frame.retry:
            self._pending.put_off(command_id, now + (frame.retry_after_seconds or AGAIN_SECONDS))
        elif (command := self._pending.settle(command_id)) is not None:
            self._lines.append(problem(_not_done(frame.message, command.fields)))
        self._send_due(now)

    # Signals

    def _on_signal(self, signal: TypingSignal | PresenceSignal | ServiceSignal | ReceiptSignal, now: float) -> None:
        match signal:
            case TypingSignal(room=self.room) if signal.user != self.user:
                self._typists.receive(signal, now)
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
            self._questions.ask(Wish.SEND, fields, now)

    def _ask_if_here(self, wish: Wish, fields: dict[str, Any], now: float, count: int = 0) -> None:  # Any: as above
        if self.phase is Phase.HERE:
            self._questions.ask(wish, fields, now, count)
        else:
            self._lines.append(problem("not connected at the moment"))


def _people(count: int) -> str:
    return "1 member" if count == 1 else f"{count} members"


def _not_done(message: str, fields: dict[str, Any]) -> str:  # Any: a JSON object
    if fields["type"] == "send":
        return f"not sent: {message}: {fields['text']}"
    return f"not done ({fields['type'].replace('_', ' ')}): {message}"
