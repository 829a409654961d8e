// The gate's side of a page, played by a test.

import { initial, step } from "../../../services/gateway/web/state.js";

export const AT = "2026-11-20T10:42:00Z";

export const posted = (seq, fields = {}) => ({
  type: "event",
  event: "message_posted",
  room: "general",
  epoch: "e1",
  seq,
  at: AT,
  actor: "bob",
  command_id: `theirs-${seq}`,
  message_id: `msg_${seq}`,
  text: `text ${seq}`,
  ...fields,
});

export const posts = (from, to) => Array.from({ length: to - from + 1 }, (_, index) => posted(from + index));

export const view = (room, fields = {}) => ({
  room,
  epoch: "e1",
  seq: 0,
  title: room,
  visibility: "public",
  capacity: 10,
  member_count: 2,
  created_at: AT,
  updated_at: AT,
  role: "member",
  unread: 0,
  ...fields,
});

export class Page {
  now = 1_000_000;
  state = initial();
  sent = [];

  put(kind, fields = {}) {
    const before = JSON.stringify(this.state);
    const next = step(this.state, { kind, now: this.now, ...fields });
    if (JSON.stringify(this.state) !== before) throw new Error(`${kind} changed the state it was given`);
    this.state = next.state;
    this.sent.push(...next.frames);
    return this;
  }

  frame(type, fields = {}) {
    return this.put("frame", { frame: { type, ...fields } });
  }

  event(...events) {
    for (const frame of events) this.put("frame", { frame });
    return this;
  }

  presence(onlineCount, ...changes) {
    return this.frame("signal", { signal: "presence", room: "general", online_count: onlineCount, changes });
  }

  open() {
    return this.put("opened", { user: "alice" });
  }

  close() {
    this.sent = [];
    return this.put("closed", { link: { state: "waiting", until: this.now } });
  }

  wait(ms) {
    this.now += ms;
    return this.put("tick");
  }

  /** The oldest frame of this type not looked at yet. */
  take(type) {
    const index = this.sent.findIndex((frame) => frame.type === type);
    return index < 0 ? undefined : this.sent.splice(index, 1)[0];
  }

  rooms(...views) {
    const mine = this.take("rooms").id;
    this.frame("rooms", { id: mine, rooms: views, total: views.length });
    const directory = this.take("rooms").id;
    return this.frame("rooms", { id: directory, rooms: views, total: views.length });
  }

  attached(seq, fields = {}) {
    const { id, room } = this.take("attach");
    const members = [
      { user: "alice", role: "owner", online: true },
      { user: "bob", role: "member", online: false },
    ];
    const about = { title: room, visibility: "public", role: "owner", member_count: 2, members };
    return this.frame("attached", { id, room, epoch: "e1", seq, ...about, ...fields });
  }

  page(events, fields = {}) {
    const { id, room } = this.take("history");
    const head = Math.max(0, ...events.map((event) => event.seq));
    return this.frame("page", { id, room, epoch: "e1", head, events, ...fields });
  }

  accept(frame, seq) {
    const { id, room, command_id } = frame;
    return this.frame("accepted", { id, room, command_id, epoch: "e1", seq, at: AT });
  }

  refuse(frame, code, fields = {}) {
    return this.frame("refused", { id: frame.id, code, message: `sentence of ${code}`, definite: true, retry: false, ...fields });
  }

  say(text, commandId, room = "general") {
    return this.put("say", { room, text, commandId });
  }

  room(id = "general") {
    return this.state.rooms[id];
  }

  texts(id) {
    return this.room(id).items.map((item) => item.text);
  }
}

/** In the room `general`, which is open, at seq 2. */
export function inRoom() {
  const page = new Page().open().rooms(view("general")).attached(2).put("select", { room: "general" });
  page.page(posts(1, 2));
  page.sent = [];
  return page;
}
