// The working copy of one step: reading and changing it, and the questions that want an answer. Pure.

export const ANSWER_MS = 10_000;
export const AGAIN_MS = 1_000;

export function newRoom(id) {
  return {
    id,
    title: id,
    topic: "",
    visibility: "public",
    closed: false,
    member: false,
    role: null,
    memberCount: 0,
    members: {},
    typing: {},
    typingSaidAt: -Infinity,
    unread: 0,
    preview: "",
    previewSeq: null,
    onlineCount: 0,
    muted: false,
    phase: "away", // away | attaching | here
    attachAt: null,
    problem: null,
    join: null,
    epoch: null,
    seq: null,
    top: 0,
    ahead: {},
    hole: null,
    items: [],
    changes: {},
    oldest: null,
    atStart: false,
    loaded: false,
    older: null, // null | {state: "asked" | "due" | "failed", at, tries, problem}
    pending: [],
    deeds: [],
    editing: null, // the seq of one's own message that is being given another text
    seen: null,
    divider: null,
    marked: 0,
    markedAt: -Infinity,
  };
}

export const roomOf = (work, id) => work.state.rooms[id];

export function change(work, fields) {
  work.state = { ...work.state, ...fields };
}

export function changeRoom(work, id, fields) {
  const room = { ...(roomOf(work, id) ?? newRoom(id)), ...fields };
  change(work, { rooms: { ...work.state.rooms, [id]: room } });
  return room;
}

export function tell(work, text) {
  change(work, { told: { text, at: work.now } });
}

export function ask(work, wish, frame, known = {}) {
  const id = work.state.nextId;
  const question = { wish, room: frame.room, until: work.now + ANSWER_MS, ...known };
  change(work, { nextId: id + 1, questions: { ...work.state.questions, [id]: question } });
  work.frames.push({ id, ...frame });
}

export function answered(work, id) {
  const { [id]: question, ...others } = work.state.questions;
  if (question) change(work, { questions: others });
  return question ?? null;
}

export const wanted = (work, wish, room) =>
  Object.values(work.state.questions).some((each) => each.wish === wish && each.room === room);

export const online = (work) => work.state.link.state === "online";
