// The events of a room in the order of the room, each once: live ones, one's own by their answers, pages and holes. Pure.

import { append, prepend } from "./items.js";
import { changePending, dropPending, sendDue, settleOwn } from "./sending.js";
import { AGAIN_MS, answered, ask, changeRoom, online, roomOf, wanted } from "./work.js";

export const PAGE = 50;
export const AHEAD_LIMIT = 1_000;
export const HOLE_MS = 1_000;
export const HOLE_TRIES = 5;
export const MARK_EVERY_MS = 1_500;

export function onEvent(work, event) {
  const room = roomOf(work, event.room);
  if (!room || room.seq === null || room.epoch !== event.epoch) return;
  settleOwn(work, room, event);
  put(work, event.room, event);
}

function put(work, id, event) {
  const room = roomOf(work, id);
  const { seq } = event;
  const top = Math.max(room.top, seq);
  const full = Object.keys(room.ahead).length >= AHEAD_LIMIT && seq !== room.seq + 1;
  const known = seq <= room.seq || seq in room.ahead;
  changeRoom(work, id, known || full ? { top } : { top, ahead: { ...room.ahead, [seq]: event } });
  drain(work, id);
}

function drain(work, id) {
  let room = roomOf(work, id);
  while (room.ahead[room.seq + 1]) {
    const { [room.seq + 1]: event, ...ahead } = room.ahead;
    changeRoom(work, id, { ahead, seq: event.seq });
    happen(work, id, event);
    room = roomOf(work, id);
  }
  if (work.state.current === id) see(work);
  sendDue(work, id);
}

/** An event takes effect: it is its turn. */
function happen(work, id, event) {
  const room = roomOf(work, id);
  const { [event.actor]: _, ...typing } = room.typing;
  changeRoom(work, id, { ...append(room, event, work.state.current === id, work.state.user), typing });
  if (event.actor === work.state.user) dropPending(work, id, event.command_id);
  facts[event.event]?.(work, roomOf(work, id), event);
}

const facts = {
  message_posted(work, room, event) {
    const away = work.state.current !== room.id || !work.state.visible;
    const unread = room.unread + (away && event.actor !== work.state.user ? 1 : 0);
    changeRoom(work, room.id, { unread, ...previewOf(event.seq, event.actor, event.text) });
  },
  message_edited: (work, room, event) => renewPreview(work, room, event.target),
  message_deleted: (work, room, event) => renewPreview(work, room, event.target),
  room_updated(work, room, event) {
    const { title = room.title, topic = room.topic, visibility = room.visibility } = event;
    changeRoom(work, room.id, { title, topic, visibility });
  },
  room_closed: (work, room) => changeRoom(work, room.id, { closed: true }),
  member_joined(work, room, { user, role }) {
    const memberCount = room.memberCount + (user in room.members ? 0 : 1);
    const online = room.members[user]?.online ?? false;
    changeRoom(work, room.id, { memberCount, members: { ...room.members, [user]: { role, online } } });
  },
  member_left: dropMember,
  member_banned: dropMember,
  member_changed(work, room, { user, role, muted }) {
    if (user === work.state.user && muted !== undefined) changeRoom(work, room.id, { muted });
    const member = room.members[user];
    if (member && role) changeRoom(work, room.id, { members: { ...room.members, [user]: { ...member, role } } });
    if (user === work.state.user && role) changeRoom(work, room.id, { role });
  },
};

const previewOf = (seq, user, text) => ({ preview: `${user}: ${text ?? "deleted"}`, previewSeq: seq });

/** The list of rooms shows no text that is gone. */
function renewPreview(work, room, target) {
  const item = room.items.findLast((each) => each.seq === target);
  if (target !== room.previewSeq || !item) return;
  changeRoom(work, room.id, previewOf(target, item.user, item.deleted ? null : item.text));
}

function dropMember(work, room, { user }) {
  const { [user]: gone, ...members } = room.members;
  changeRoom(work, room.id, { members, memberCount: Math.max(0, room.memberCount - 1) });
  if (user === work.state.user) changeRoom(work, room.id, { member: false, role: null, phase: "away" });
}

/** What stands in the open room is seen: no unread marks, and the others may know how far one has read. */
export function see(work) {
  const room = roomOf(work, work.state.current);
  if (!room || !work.state.visible) return;
  if (room.unread !== 0 || room.seen !== room.seq) changeRoom(work, room.id, { unread: 0, seen: room.seq });
  const last = room.items.at(-1)?.seq ?? 0;
  const due = work.now - room.markedAt >= MARK_EVERY_MS;
  if (work.state.marks && room.phase === "here" && last > room.marked && due) {
    changeRoom(work, room.id, { marked: last, markedAt: work.now });
    ask(work, "mark", { type: "mark_read", room: room.id, seq: last });
  }
}

// One's own messages

export function place(work, room, entry, frame) {
  if (room.epoch !== frame.epoch || frame.seq <= room.seq) {
    dropPending(work, room.id, entry.commandId);
    return;
  }
  changePending(work, room.id, entry.commandId, { placed: frame.seq, problem: null });
  const { user } = work.state;
  const own = { event: "message_posted", seq: frame.seq, at: frame.at, actor: user, text: entry.text };
  put(work, room.id, { ...own, command_id: entry.commandId });
}

// Pages: older messages, and holes

export function loadOlder(work, id) {
  const room = roomOf(work, id);
  if (!room || !online(work) || room.atStart || wanted(work, "older", id)) return;
  const tries = room.older?.state === "due" ? room.older.tries : 0;
  changeRoom(work, id, { older: { state: "asked", tries } });
  const before = room.oldest === null ? {} : { before: room.oldest };
  ask(work, "older", { type: "history", room: id, limit: PAGE, ...before });
}

export function onPage(work, frame) {
  const question = answered(work, frame.id);
  if (question?.wish === "older") onOlder(work, frame);
  else if (question?.wish === "hole") onFill(work, frame);
}

function onOlder(work, frame) {
  const room = roomOf(work, frame.room);
  if (room.epoch !== null && room.epoch !== frame.epoch) {
    changeRoom(work, room.id, { older: null });
    return;
  }
  const { tries } = room.older ?? { tries: 0 };
  const behind = room.oldest !== null && frame.head < room.oldest - 1;
  if (behind && tries < HOLE_TRIES) {
    changeRoom(work, room.id, { older: { state: "due", at: work.now + AGAIN_MS, tries: tries + 1 } });
    return;
  }
  changeRoom(work, room.id, { ...prepend(room, frame.events, frame.head), older: null, loaded: true });
  if (work.state.current === room.id) see(work);
}

function onFill(work, frame) {
  const before = roomOf(work, frame.room);
  if (before.epoch !== frame.epoch) return;
  changeRoom(work, frame.room, { top: Math.max(before.top, frame.head) });
  for (const event of frame.events) onEvent(work, event);
  if (roomOf(work, frame.room).seq === before.seq) holeStays(work, frame.room);
  else changeRoom(work, frame.room, { hole: null });
}

/** The gate fills holes itself; one that stays a while is asked for. */
export function watchHole(work, room) {
  if (room.phase !== "here" || room.seq === null || room.seq >= room.top) {
    if (room.hole) changeRoom(work, room.id, { hole: null });
  } else if (room.hole?.seq !== room.seq) {
    changeRoom(work, room.id, { hole: { seq: room.seq, since: work.now, tries: 0 } });
  } else if (work.now - room.hole.since >= HOLE_MS && !wanted(work, "hole", room.id)) {
    ask(work, "hole", { type: "history", room: room.id, after: room.seq, limit: 200 });
  }
}

export function holeStays(work, id) {
  const room = roomOf(work, id);
  if (!room.hole) return;
  const tries = room.hole.tries + 1;
  changeRoom(work, id, { hole: { ...room.hole, since: work.now, tries } });
  if (tries >= HOLE_TRIES) giveUp(work, roomOf(work, id));
}

function giveUp(work, room) {
  const next = Math.min(room.top + 1, ...Object.keys(room.ahead).map(Number));
  const lost = { seq: next - 1, kind: "notice", text: `${next - 1 - room.seq} events could not be loaded` };
  changeRoom(work, room.id, { seq: next - 1, hole: null, items: [...room.items, lost] });
  drain(work, room.id);
}
