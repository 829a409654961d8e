// How events become what stands in a conversation: messages as they read now, and notices. Pure.

export const ITEMS_KEPT = 600;

/** What an event is in words, for those that are no message; null for what a reader need not see. */
export function describe(event) {
  return words[event.event]?.(event) ?? null;
}

const because = (text) => (text ? `: ${text}` : "");

const words = {
  room_created: ({ actor }) => `${actor} created this room`,
  room_updated: ({ actor, title }) => (title ? `${actor} named this room ${title}` : `${actor} changed this room`),
  room_closed: ({ actor }) => `${actor} closed this room`,
  member_joined: ({ actor, user }) => (actor === user ? `${user} joined` : `${actor} added ${user}`),
  member_left: ({ actor, user, reason, text }) =>
    reason === "kicked" ? `${user} was removed by ${actor}${because(text)}` : `${user} left`,
  member_banned: ({ actor, user, text }) => `${user} was banned by ${actor}${because(text)}`,
  member_changed: ({ actor, user, role, muted }) =>
    role ? `${user} is now ${role}` : `${user} was ${muted ? "muted" : "unmuted"} by ${actor}`,
};

function itemOf(event) {
  const { seq, at } = event;
  if (event.event === "message_posted") {
    const said = { seq, at, kind: "said", user: event.actor, edited: false, deleted: false };
    return { ...said, commandId: event.command_id, text: event.text };
  }
  const text = describe(event);
  return text ? { seq, at, kind: "notice", text } : null;
}

/** What an event does to a message before it: {target: fields}, or nothing. */
function changeOf(event) {
  if (event.event === "message_edited") return { [event.target]: { text: event.text, edited: true } };
  if (event.event === "message_deleted") return { [event.target]: { text: "", deleted: true } };
  return {};
}

const changed = (items, changes) =>
  Object.keys(changes).length ? items.map((item) => (changes[item.seq] ? { ...item, ...changes[item.seq] } : item)) : items;

/** The fields of a room after its next event. A room nobody looks at keeps only its latest items. */
export function append(room, event, open) {
  const change = changeOf(event);
  const item = itemOf(event);
  const items = changed(item ? [...room.items, item] : room.items, change);
  const changes = { ...room.changes, ...change };
  if (open || items.length <= ITEMS_KEPT) return { items, changes };
  const kept = items.slice(-ITEMS_KEPT / 2);
  return { items: kept, changes, oldest: kept[0].seq, atStart: false };
}

/** The fields of a room after a page of older events. */
export function prepend(room, events) {
  const older = events.filter((event) => room.oldest === null || event.seq < room.oldest);
  const changes = Object.assign({}, ...older.map(changeOf), room.changes);
  const items = changed([...older.map(itemOf).filter(Boolean), ...room.items], changes);
  const oldest = older[0]?.seq ?? room.oldest;
  return { items, changes, oldest, atStart: older.length === 0 || oldest <= 1 };
}
