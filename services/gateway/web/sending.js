// Messages on their way: one at a time in each room, so that their order is the order they were written in. Pure.
// A message keeps its command id until its answer: sent again with `retry` it is applied at most once.

import { ask, changeRoom, roomOf } from "./work.js";

export const PENDING_LIMIT = 100;

export function onSay(work, { room: id, text, commandId }) {
  const room = roomOf(work, id);
  if (!room || !text.trim() || room.pending.length >= PENDING_LIMIT) return;
  const entry = { commandId, text, at: new Date(work.now).toISOString(), sent: 0, due: 0, problem: null, placed: null };
  changeRoom(work, id, { pending: [...room.pending, entry], typingSaidAt: -Infinity });
  sendDue(work, id);
}

/** A message that was refused for good is tried anew, under an id of its own. */
export function onAgain(work, { room: id, commandId, newId }) {
  const entry = roomOf(work, id)?.pending.find((each) => each.commandId === commandId);
  if (!entry) return;
  dropPending(work, id, commandId);
  onSay(work, { room: id, text: entry.text, commandId: newId });
}

export function sendDue(work, id) {
  const room = roomOf(work, id);
  if (room.phase !== "here") return;
  const first = room.pending.find((each) => !each.problem && each.placed === null);
  if (!first || work.now < first.due) return;
  changePending(work, id, first.commandId, { sent: first.sent + 1, due: Infinity });
  const again = first.sent ? { retry: true } : {};
  const frame = { type: "send", room: id, text: first.text, command_id: first.commandId, ...again };
  ask(work, "send", frame, { commandId: first.commandId });
}

export function changePending(work, id, commandId, fields) {
  const pending = roomOf(work, id).pending.map((each) => (each.commandId === commandId ? { ...each, ...fields } : each));
  changeRoom(work, id, { pending });
}

export function dropPending(work, id, commandId) {
  changeRoom(work, id, { pending: roomOf(work, id).pending.filter((each) => each.commandId !== commandId) });
}

/** One's own message as an event is its answer. */
export function settleOwn(work, room, event) {
  if (event.actor !== work.state.user) return;
  const entry = room.pending.find((each) => each.commandId === event.command_id);
  if (!entry) return;
  if (event.seq <= room.seq) dropPending(work, room.id, entry.commandId);
  else changePending(work, room.id, entry.commandId, { placed: event.seq, problem: null });
}

export function ownerOf(work, commandId) {
  const rooms = commandId ? Object.values(work.state.rooms) : [];
  const within = (list) => rooms.find((room) => room[list].some((each) => each.commandId === commandId));
  const [saying, doing] = [within("pending"), within("deeds")];
  if (saying) return { wish: "send", room: saying.id, commandId };
  return doing ? { wish: "deed", room: doing.id, commandId } : null;
}
