"""A room's log, written event by event: what the tests of history feed to folds, stores and writers."""

from datetime import UTC, datetime, timedelta

from schemas.events import EVENTS, ReactionCount, Receipt, decode_logged, encode_logged

BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Chronicle:
    """Makes the events of one room in their order, a second apart, each by a command of its own."""

    def __init__(self, room="general", *, epoch="e1", fence=1):
        self.room = room
        self.epoch = epoch
        self.fence = fence
        self.seq = 0
        self.log = []

    @property
    def now(self):
        return BEGAN + timedelta(seconds=self.seq)

    def event(self, name, *, actor="alice", command_id=None, **fields):
        """The next event, as the log holds it."""
        self.seq += 1
        made = EVENTS[name](
            room=self.room,
            epoch=self.epoch,
            seq=self.seq,
            at=self.now,
            actor=actor,
            command_id=command_id or f"c{self.seq}",
            **fields,
        )
        return self._logged(made)

    def receipt(self, user, *, read=0, delivered=0):
        return self._logged(
            Receipt(room=self.room, epoch=self.epoch, user=user, read=read, delivered=delivered, at=self.now)
        )

    def created(self, *, members=("alice",), visibility="public", title="General", **fields):
        first = [{"user": user, "role": "owner" if user == members[0] else "member"} for user in members]
        return self.event(
            "room_created",
            actor=members[0],
            title=title,
            visibility=visibility,
            capacity=fields.pop("capacity", 100),
            members=first,
            **fields,
        )

    def joined(self, user, **fields):
        return self.event("member_joined", actor=user, user=user, role=fields.pop("role", "member"), **fields)

    def left(self, user, **fields):
        return self.event("member_left", actor=user, user=user, reason=fields.pop("reason", "left"), **fields)

    def said(self, text="hello", *, actor="alice", **fields):
        return self.event("message_posted", actor=actor, message_id=f"msg_{self.seq + 1:019d}", text=text, **fields)

    def chat(self, count):
        return [self.said(f"message {number}") for number in range(count)]

    def _logged(self, entry):
        logged = decode_logged(encode_logged(entry.to_json(), self.fence))
        self.log.append(logged)
        return logged


def as_told(log):
    """The events of a log as history tells them once all of it is stored: a plain, slow second opinion."""
    events = [logged.entry for logged in log if logged.entry.type == "event"]
    edits, deleted, put = {}, set(), {}
    for event in events:
        match event.event:
            case "message_edited" if event.target not in deleted:
                edits[event.target] = event
            case "message_deleted":
                deleted.add(event.target)
            case "reaction_added" if event.target not in deleted:
                put.setdefault(event.target, {}).setdefault(event.emoji, set()).add(event.actor)
            case "reaction_removed" if event.target not in deleted:
                kinds = put.get(event.target, {})
                kinds.get(event.emoji, set()).discard(event.actor)
                if not kinds.get(event.emoji):
                    kinds.pop(event.emoji, None)
    return [_as_told(event, edits, deleted, put) for event in events]


def _as_told(event, edits, deleted, put):
    if event.event == "message_edited" and (event.target in deleted or edits[event.target] is not event):
        return event.model_copy(update={"text": None})
    if event.event != "message_posted":
        return event
    if event.seq in deleted:
        return event.model_copy(update={"text": None, "metadata": {}, "mentions": (), "deleted": True})
    told = {}
    if event.seq in edits:
        told = {"text": edits[event.seq].text, "edited_seq": edits[event.seq].seq}
    if kinds := put.get(event.seq):
        told["reactions"] = tuple(ReactionCount(emoji=emoji, count=len(users)) for emoji, users in kinds.items())
    return event.model_copy(update=told)


def whole_story(chronicle):
    """Every event type and the record, each in a room where it changes something, in the order of a room's life."""
    at = BEGAN + timedelta(days=1)
    invite = {"invite": "invite-0001"}
    chronicle.created(members=("alice", "bob", "zoë"), topic="All", metadata={"$k.e.y": [1, {"a": None}]})
    chronicle.event("room_updated", title="Renamed", capacity=50, metadata={"b": 2.5})
    chronicle.event("invite_created", **invite, role="moderator", expires_at=at, max_uses=3)
    chronicle.event("invite_created", invite="invite-0002", role="member", expires_at=at)
    chronicle.event("member_joined", actor="carol", user="carol", role="moderator", **invite)
    chronicle.joined("dave")
    chronicle.said("the first", actor="carol", metadata={"x": [True]}, mentions=["bob"])
    chronicle.receipt("bob", read=6, delivered=7)
    chronicle.said("the second", actor="bob", reply_to=7)
    chronicle.event("message_edited", target=8, text="the second, better", actor="bob")
    chronicle.event("reaction_added", target=7, emoji="👍", actor="bob")
    chronicle.event("reaction_added", target=8, emoji="👍", actor="bob")
    chronicle.event("reaction_added", target=8, emoji="👍", actor="carol")
    chronicle.event("reaction_added", target=8, emoji="🎉", actor="carol")
    chronicle.event("reaction_removed", target=8, emoji="👍", actor="bob")
    chronicle.event("message_deleted", target=7, actor="carol")
    chronicle.event("member_changed", user="bob", role="admin")
    chronicle.event("member_changed", user="dave", muted=True, until=at)
    chronicle.event("member_changed", user="zoë", muted=True)
    chronicle.event("member_changed", user="zoë", muted=False)
    chronicle.receipt("bob", read=3, delivered=12)
    chronicle.event("member_banned", user="dave", text="spam", until=at)
    chronicle.event("member_banned", user="mallory", text="unseen")
    chronicle.event("member_unbanned", user="dave")
    chronicle.event("member_banned", user="trudy", swept=["mallory"])
    chronicle.joined("dave")
    chronicle.receipt("dave", read=20, delivered=20)
    chronicle.left("dave", reason="kicked", text="bye")
    chronicle.joined("dave")
    chronicle.joined("erin", role="reader")
    chronicle.left("erin", kept=True)
    chronicle.joined("erin", role="reader", muted=True, until=at)
    chronicle.left("erin", reason="kicked", kept=True)
    chronicle.joined("finn", role="reader", muted=True)
    chronicle.event("member_banned", user="finn", kept=True)
    chronicle.event("invite_revoked", **invite)
    chronicle.left("alice", successor="bob")
    chronicle.said("the last", actor="bob")
    chronicle.event("room_closed", actor="bob")
    return chronicle
