// What the page knows, as a pure reducer: step(state, input) gives the next state and the frames to send.
// No clock, no socket, no document: `input.now` (milliseconds) and new command ids come from outside.
// The order of a room is the order on the page; nothing is shown twice and nothing missing goes unnoticed.

import { changeDeed, giveUpDeed, onDelete, onEdit, onReact, sendDeed, settleDeed } from "./deeds.js";
import { holeStays, loadOlder, onEvent, onPage, place, see, watchHole } from "./events.js";
import { changePending, dropPending, onAgain, onSay, ownerOf, sendDue } from "./sending.js";
import { AGAIN_MS, answered, ask, change, changeRoom, newRoom, online, roomOf, tell } from "./work.js";

export const TYPING_EVERY_MS = 3_000;
export const LISTS_EVERY_MS = 30_000;
export const ROOMS_ATTACHED = 100;

export function initial() {
  return {
    link: { state: "connecting" },
    user: null,
    rooms: {},
    current: null,
    visible: true,
    available: true,
    listsAt: 0,
    listed: false,
    newest: null,
    marks: true,
    questions: {},
    nextId: 1,
    told: null,
  };
}

/** The whole reducer. Never changes `state`; gives {state, frames}. */
export function step(state, input) {
  const work = { state, frames: [], now: input.now };
  inputs[input.kind](work, input);
  return { state: work.state, frames: work.frames };
}

const inputs = {
  opened: onOpened,
  closed: onClosed,
  frame: (work, input) => frames[input.frame.type]?.(work, input.frame),
  select: onSelect,
  say: onSay,
  again: onAgain,
  discard: (work, input) => dropPending(work, input.room, input.commandId),
  edit: onEdit,
  delete: onDelete,
  react: onReact,
  editing: onEditing,
  join: onJoin,
  older: (work, input) => loadOlder(work, input.room),
  writing: onWriting,
  visible: onVisible,
  tick: onTick,
};

const frames = {
  event: onEvent,
  signal: (work, frame) => signals[frame.signal]?.(work, frame),
  accepted: onAccepted,
  refused: onRefusedFrame,
  attached: onAttached,
  detached: onDetached,
  page: onPage,
  rooms: onRooms,
  reset: onReset,
  lagged: (work) => tell(work, "Catching up with what was missed."),
};

// The connection

function onOpened(work, { user }) {
  change(work, { link: { state: "online" }, user, available: true, listsAt: work.now + LISTS_EVERY_MS });
  askLists(work);
  for (const room of Object.values(work.state.rooms)) {
    if (room.join) sendJoin(work, room.id);
    else if (room.member) attach(work, room.id);
  }
}

function onClosed(work, { link }) {
  const since = work.state.link.since ?? work.now;
  change(work, { link: { ...link, since }, questions: {} });
  for (const room of Object.values(work.state.rooms)) {
    changeRoom(work, room.id, {
      phase: "away",
      attachAt: null,
      hole: null,
      typing: {},
      older: room.older?.state === "asked" ? { ...room.older, state: "due", at: work.now } : room.older,
      pending: room.pending.map((each) => ({ ...each, due: each.problem ? each.due : 0 })),
      deeds: room.deeds.map((each) => ({ ...each, due: 0 })),
    });
  }
}

function askLists(work) {
  ask(work, "mine", { type: "rooms", limit: 200 });
  ask(work, "directory", { type: "rooms", directory: true, limit: 200 });
}

function onRooms(work, frame) {
  const question = answered(work, frame.id);
  if (!question) return;
  const mine = question.wish === "mine";
  for (const view of frame.rooms) {
    if (mine || !roomOf(work, view.room)?.member) describeRoom(work, view, mine);
  }
  if (!mine) return;
  change(work, { listed: true, newest: work.state.newest ?? frame.rooms[0]?.room ?? null });
  const attached = Object.values(work.state.rooms).filter((room) => room.phase !== "away").length;
  const fresh = frame.rooms.filter((view) => roomOf(work, view.room).phase === "away" && !view.closed);
  for (const view of fresh.slice(0, Math.max(0, ROOMS_ATTACHED - attached))) attach(work, view.room);
}

function describeRoom(work, view, member) {
  const known = roomOf(work, view.room);
  const live = known?.seq != null && known.phase === "here";
  changeRoom(work, view.room, {
    title: view.title,
    topic: view.topic ?? "",
    visibility: view.visibility,
    closed: view.closed ?? false,
    memberCount: live ? known.memberCount : view.member_count,
    role: view.role ?? known?.role ?? null,
    member: member || (known?.member ?? false),
    unread: live || view.room === work.state.current ? (known?.unread ?? 0) : (view.unread ?? 0),
    preview: live && known.preview ? known.preview : (view.preview ?? ""),
  });
}

// Attaching

function attach(work, id) {
  const room = roomOf(work, id);
  if (!online(work) || room.phase !== "away") return;
  const position = room.seq === null ? {} : { position: { epoch: room.epoch, seq: room.seq } };
  changeRoom(work, id, { phase: "attaching", attachAt: null });
  ask(work, "attach", { type: "attach", room: id, echo: true, ...position });
}

function onAttached(work, frame) {
  answered(work, frame.id);
  const room = roomOf(work, frame.room) ?? newRoom(frame.room);
  const person = ({ user, role, online: here, status = null }) => [user, { role, online: here, status }];
  const members = Object.fromEntries(frame.members.map(person));
  changeRoom(work, frame.room, {
    phase: "here",
    member: true,
    title: frame.title,
    topic: frame.topic ?? room.topic,
    visibility: frame.visibility,
    closed: frame.closed ?? false,
    role: frame.role ?? room.role,
    memberCount: frame.member_count,
    members,
    onlineCount: frame.members.filter((member) => member.online).length,
    problem: null,
  });
  if (room.seq === null || room.epoch !== frame.epoch) begin(work, frame.room, frame.epoch, frame.seq);
  else changeRoom(work, frame.room, { top: Math.max(room.top, frame.seq) });
  sendDue(work, frame.room);
  sendDeed(work, frame.room);
}

/** Start a numbering: everything after `seq` comes live, everything up to it is asked for when wanted. */
function begin(work, id, epoch, seq) {
  changeRoom(work, id, {
    epoch,
    seq,
    top: seq,
    ahead: {},
    hole: null,
    items: [],
    changes: {},
    oldest: seq + 1,
    atStart: seq === 0,
    loaded: seq === 0,
    older: null,
    divider: null,
    editing: null,
    marked: 0,
  });
  if (work.state.current === id) loadOlder(work, id);
}

function onReset(work, frame) {
  if (!roomOf(work, frame.room)) return;
  begin(work, frame.room, frame.epoch, frame.seq);
  tell(work, "The conversation was loaded again.");
}

function onDetached(work, frame) {
  answered(work, frame.id);
  if (!roomOf(work, frame.room)) return;
  changeRoom(work, frame.room, { phase: "away", member: false, role: null, typing: {} });
  if (frame.code) changeRoom(work, frame.room, { problem: `You are no longer in this room (${frame.code}).` });
}

// The person

function onSelect(work, { room: id }) {
  leave(work);
  const room = roomOf(work, id);
  if (!room) return;
  change(work, { current: id });
  changeRoom(work, id, { divider: room.unread > 0 && room.seen !== null ? room.seen : null, problem: null });
  if (room.member) attach(work, id);
  if (!room.loaded && roomOf(work, id).phase !== "attaching") loadOlder(work, id);
  see(work);
}

function leave(work) {
  const { current } = work.state;
  if (current) changeRoom(work, current, { divider: null, editing: null });
}

/** One begins to give a message of one's own another text, or (without `seq`) gives up on it. */
function onEditing(work, { room: id, seq = null }) {
  const item = roomOf(work, id)?.items.find((each) => each.seq === seq);
  const own = item?.kind === "said" && item.user === work.state.user && !item.deleted;
  if (roomOf(work, id)) changeRoom(work, id, { editing: own ? seq : null });
}

function onVisible(work, { visible }) {
  const returning = visible && !work.state.visible;
  change(work, { visible });
  const room = roomOf(work, work.state.current);
  if (returning && room?.unread > 0) changeRoom(work, room.id, { divider: room.seen });
  see(work);
}

function onJoin(work, { room: id, commandId }) {
  if (!roomOf(work, id) || roomOf(work, id).join) return;
  changeRoom(work, id, { join: { commandId, sent: 0 }, problem: null });
  sendJoin(work, id);
}

function sendJoin(work, id) {
  if (!online(work)) return;
  const { join } = roomOf(work, id);
  changeRoom(work, id, { join: { ...join, sent: join.sent + 1 } });
  ask(work, "join", { type: "join", room: id, command_id: join.commandId, ...(join.sent ? { retry: true } : {}) });
}

function onWriting(work, { room: id }) {
  const room = roomOf(work, id);
  if (room?.phase !== "here" || work.now - room.typingSaidAt < TYPING_EVERY_MS) return;
  changeRoom(work, id, { typingSaidAt: work.now });
  ask(work, "typing", { type: "typing", room: id, active: true });
}

function onAccepted(work, frame) {
  const question = answered(work, frame.id);
  const room = roomOf(work, frame.room);
  if (!room) return;
  if (room.join?.commandId === frame.command_id) onJoined(work, room.id);
  const entry = room.pending.find((each) => each.commandId === frame.command_id);
  if (entry) place(work, room, entry, frame);
  else if (question?.wish === "send") dropPending(work, room.id, frame.command_id);
  settleDeed(work, roomOf(work, room.id), frame);
  sendDue(work, frame.room);
}

function onJoined(work, id) {
  changeRoom(work, id, { join: null, member: true });
  attach(work, id);
  askLists(work);
}

function onRefusedFrame(work, frame) {
  const question = answered(work, frame.id) ?? ownerOf(work, frame.command_id);
  if (question) onRefused(work, question, frame);
}

function onRefused(work, question, frame) {
  refusals[question.wish]?.(work, question, frame);
}

const againAt = (work, frame) => work.now + (frame.retry_after_seconds ? frame.retry_after_seconds * 1000 : AGAIN_MS);

const refusals = {
  send(work, { room, commandId }, frame) {
    if (frame.retry) changePending(work, room, commandId, { due: againAt(work, frame) });
    else changePending(work, room, commandId, { problem: frame.message, due: Infinity });
    sendDue(work, room);
  },
  deed(work, { room, commandId }, frame) {
    if (frame.retry) changeDeed(work, room, commandId, { due: againAt(work, frame) });
    else giveUpDeed(work, room, commandId, frame.message);
  },
  attach(work, { room }, frame) {
    changeRoom(work, room, { phase: "away" });
    if (frame.retry) changeRoom(work, room, { attachAt: againAt(work, frame) });
    else if (frame.code === "not_a_member") changeRoom(work, room, { member: false, role: null });
    else changeRoom(work, room, { problem: frame.message });
    if (work.state.current === room && !roomOf(work, room).loaded) loadOlder(work, room);
  },
  join(work, { room }, frame) {
    if (frame.code === "already_a_member") onJoined(work, room);
    else if (frame.retry) changeRoom(work, room, { attachAt: againAt(work, frame) });
    else changeRoom(work, room, { join: null, problem: frame.message });
  },
  older(work, { room }, frame) {
    changeRoom(work, room, { older: { state: "failed", tries: 0, problem: frame.message }, loaded: true });
  },
  hole: (work, { room }) => holeStays(work, room),
  mark(work, _, frame) {
    if (frame.code === "unknown_command") change(work, { marks: false });
  },
  mine: (work, _, frame) => tell(work, `The rooms cannot be listed: ${frame.message}.`),
};

// Signals

const signals = {
  typing(work, { room: id, user, active, expires_seconds: seconds }) {
    const room = roomOf(work, id);
    if (!room || user === work.state.user) return;
    const { [user]: _, ...others } = room.typing;
    changeRoom(work, id, { typing: active ? { ...others, [user]: work.now + seconds * 1000 } : others });
  },
  presence(work, { room: id, changes = [], online_count: onlineCount, anew }) {
    const room = roomOf(work, id);
    if (!room) return;
    const members = anew ? allAway(room.members) : { ...room.members };
    for (const { user, state, mood = "", text = "" } of changes) {
      const here = state !== "offline";
      const status = here ? { state, mood, text } : null;
      members[user] = { ...(members[user] ?? { role: "member" }), online: here, status };
    }
    changeRoom(work, id, { members, onlineCount });
  },
  service: (work, { available }) => change(work, { available }),
};

const allAway = (members) =>
  Object.fromEntries(Object.entries(members).map(([user, member]) => [user, { ...member, online: false, status: null }]));

// Time

function onTick(work) {
  for (const [id, question] of Object.entries(work.state.questions)) {
    if (question.until > work.now) continue;
    answered(work, id);
    onRefused(work, question, { code: "no_answer", message: "no answer came in time", retry: true });
  }
  for (const { id } of Object.values(work.state.rooms)) tickRoom(work, id);
  if (online(work) && work.now >= work.state.listsAt) {
    change(work, { listsAt: work.now + LISTS_EVERY_MS });
    askLists(work);
  }
}

function tickRoom(work, id) {
  const room = roomOf(work, id);
  if (Object.values(room.typing).some((until) => until <= work.now)) {
    const typing = Object.entries(room.typing).filter(([, until]) => until > work.now);
    changeRoom(work, id, { typing: Object.fromEntries(typing) });
  }
  if (room.attachAt !== null && work.now >= room.attachAt) {
    changeRoom(work, id, { attachAt: null });
    if (room.join) sendJoin(work, id);
    else attach(work, id);
  }
  if (room.older?.state === "due" && work.now >= room.older.at) loadOlder(work, id);
  watchHole(work, roomOf(work, id));
  sendDue(work, id);
  sendDeed(work, id);
  if (work.state.current === id) see(work);
}
