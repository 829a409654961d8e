// What one does to messages: edit, delete, react. One at a time in each room, under an id kept until the answer. Pure.

import { withMine } from "./items.js";
import { ask, changeRoom, roomOf, tell } from "./work.js";

export const DEEDS_LIMIT = 20;

export function onEdit(work, { room: id, seq, text, commandId }) {
  const item = messageAt(work, id, seq);
  if (item && text.trim() && text !== item.text) doIt(work, id, { type: "edit", seq, text }, commandId);
  if (roomOf(work, id)) changeRoom(work, id, { editing: null });
}

export function onDelete(work, { room: id, seq, commandId }) {
  if (messageAt(work, id, seq)) doIt(work, id, { type: "delete", seq }, commandId);
}

/** One's own reaction is taken back; any other kind is added. */
export function onReact(work, { room: id, seq, emoji, commandId }) {
  const item = messageAt(work, id, seq);
  if (item) doIt(work, id, { type: item.reactions[emoji]?.mine ? "unreact" : "react", seq, emoji }, commandId);
}

function messageAt(work, id, seq) {
  return roomOf(work, id)?.items.find((item) => item.seq === seq && item.kind === "said" && !item.deleted);
}

function doIt(work, id, frame, commandId) {
  const room = roomOf(work, id);
  if (room.deeds.length >= DEEDS_LIMIT) return;
  changeRoom(work, id, { deeds: [...room.deeds, { commandId, frame, sent: 0, due: 0 }] });
  sendDeed(work, id);
}

/** Send the first one when it is due. */
export function sendDeed(work, id) {
  const room = roomOf(work, id);
  const [first] = room.deeds;
  if (room.phase !== "here" || !first || work.now < first.due) return;
  changeDeed(work, id, first.commandId, { sent: first.sent + 1, due: Infinity });
  const again = first.sent ? { retry: true } : {};
  ask(work, "deed", { ...first.frame, room: id, command_id: first.commandId, ...again }, { commandId: first.commandId });
}

export function changeDeed(work, id, commandId, fields) {
  const deeds = roomOf(work, id).deeds.map((each) => (each.commandId === commandId ? { ...each, ...fields } : each));
  changeRoom(work, id, { deeds });
}

/** It was accepted: what it changed comes as an event, at the latest at the seq of the answer. */
export function settleDeed(work, room, { command_id: commandId, epoch, seq }) {
  const deed = room.deeds.find((each) => each.commandId === commandId);
  if (!deed) return;
  const { frame } = deed;
  const items = frame.emoji ? withMine(room.items, frame, frame.type === "react") : room.items;
  const top = epoch === room.epoch ? Math.max(room.top, seq) : room.top;
  changeRoom(work, room.id, { items, top, deeds: room.deeds.filter((each) => each !== deed) });
  sendDeed(work, room.id);
}

export function giveUpDeed(work, id, commandId, problem) {
  const { deeds } = roomOf(work, id);
  changeRoom(work, id, { deeds: deeds.filter((each) => each.commandId !== commandId) });
  tell(work, `That was not done: ${problem}.`);
  sendDeed(work, id);
}
