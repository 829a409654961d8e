// How events become what stands in a conversation: messages as they read now, and notices. Pure.

export const ITEMS_KEPT = 600;

/** What an event is in words, for those that are no message; null for what a reader need not see. */
export function describe(event) {
  return words[event.event]?.(event) ?? null;
}

const because = (text) => (text ? `: ${text}` : "");
const day = (moment) => (moment ? ` until ${moment.slice(0, 16).replace("T", " ")} UTC` : "");

const words = {
  room_created: ({ actor }) => `${actor} created this room`,
  room_updated({ actor, title, topic }) {
    if (title) return `${actor} named this room ${title}`;
    return topic ? `${actor} set the topic: ${topic}` : `${actor} changed this room`;
  },
  room_closed: ({ actor }) => `${actor} closed this room`,
  member_joined: ({ actor, user }) => (actor === user ? `${user} joined` : `${actor} added ${user}`),
  member_left({ actor, user, reason, text, successor }) {
    if (reason === "kicked") return `${user} was removed by ${actor}${because(text)}`;
    return `${user} left${successor ? `; ${successor} is owner now` : ""}`;
  },
  member_banned: ({ actor, user, text, until }) => `${user} was banned by ${actor}${day(until)}${because(text)}`,
  member_unbanned: ({ actor, user }) => `${user} was unbanned by ${actor}`,
  member_changed: ({ actor, user, role, muted, until }) =>
    role ? `${user} is now ${role}` : `${user} was ${muted ? "muted" : "unmuted"} by ${actor}${day(until)}`,
  invite_created: ({ actor, invite, role }) => `${actor} made an invite for a ${role}: ${invite}`,
  invite_revoked: ({ actor, invite }) => `${actor} revoked the invite ${invite}`,
};

/** `through`: the seq up to which a message's reactions are counted already. */
function itemOf(event, through) {
  const { seq, at } = event;
  if (event.event === "message_posted") return messageOf(event, through);
  const text = describe(event);
  return text ? { seq, at, kind: "notice", text } : null;
}

function messageOf(event, through) {
  const reactions = Object.fromEntries((event.reactions ?? []).map(({ emoji, count }) => [emoji, { count, mine: false }]));
  return {
    seq: event.seq,
    at: event.at,
    kind: "said",
    user: event.actor,
    commandId: event.command_id,
    text: event.text ?? "",
    editedSeq: event.edited_seq ?? 0,
    deleted: Boolean(event.deleted) || event.text == null,
    replyTo: event.reply_to ?? null,
    reactions,
    through,
  };
}

/** What an event does to the text of a message before it: [target, fields], or null. */
function changeOf(event) {
  const { target, seq, text } = event;
  if (event.event === "message_edited" && text != null) return [target, { text, editedSeq: seq }];
  if (event.event === "message_deleted") return [target, { text: "", deleted: true, reactions: {} }];
  return null;
}

/** The later of two changes; nothing is said again of what was deleted. */
function changed(before, fields) {
  if (before?.deleted || !fields) return before;
  if (fields.editedSeq && fields.editedSeq <= (before?.editedSeq ?? 0)) return before;
  return { ...before, ...fields };
}

const withChange = (items, [target, fields]) =>
  items.map((item) => (item.seq === target && item.kind === "said" ? changed(item, fields) : item));

/** A message with a reaction more or less; one that was counted before it was read stays as it is. */
function reacted(item, { event, seq, actor, emoji }, user) {
  if (seq <= item.through || item.deleted) return item;
  const { [emoji]: before = { count: 0, mine: false }, ...others } = item.reactions;
  const count = before.count + (event === "reaction_added" ? 1 : -1);
  const mine = actor === user ? event === "reaction_added" : before.mine;
  return { ...item, through: seq, reactions: count > 0 ? { ...item.reactions, [emoji]: { count, mine } } : others };
}

function withReaction(items, event, user) {
  if (event.event !== "reaction_added" && event.event !== "reaction_removed") return items;
  return items.map((item) => (item.seq === event.target && item.kind === "said" ? reacted(item, event, user) : item));
}

/** The items after one's own reaction was accepted, whether it made an event or stood there before. */
export function withMine(items, { seq, emoji }, mine) {
  const own = (item) => ({ ...item, reactions: { ...item.reactions, [emoji]: { ...item.reactions[emoji], mine } } });
  return items.map((item) => (item.seq === seq && item.reactions?.[emoji] ? own(item) : item));
}

/** The fields of a room after its next event. A room nobody looks at keeps only its latest items. */
export function append(room, event, open, user) {
  const change = changeOf(event);
  const item = itemOf(event, event.reactions ? Math.max(room.top, event.seq) : event.seq);
  const told = item ? [...room.items, item] : room.items;
  const items = withReaction(change ? withChange(told, change) : told, event, user);
  const changes = change ? { ...room.changes, [change[0]]: changed(room.changes[change[0]], change[1]) } : room.changes;
  if (open || items.length <= ITEMS_KEPT) return { items, changes };
  const kept = items.slice(-ITEMS_KEPT / 2);
  return { items: kept, changes, oldest: kept[0].seq, atStart: false };
}

/** The fields of a room after a page of older events, stored as far as `head`. */
export function prepend(room, events, head) {
  const older = events.filter((event) => room.oldest === null || event.seq < room.oldest);
  const through = Math.max(head, room.seq ?? 0);
  const changes = { ...room.changes };
  for (const [target, fields] of older.map(changeOf).filter(Boolean)) changes[target] = changed(fields, changes[target]);
  let items = [...older.map((event) => itemOf(event, through)).filter(Boolean), ...room.items];
  for (const [target, fields] of Object.entries(changes)) items = withChange(items, [Number(target), fields]);
  const oldest = older[0]?.seq ?? room.oldest;
  return { items, changes, oldest, atStart: older.length === 0 || oldest <= 1 };
}
