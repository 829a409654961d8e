import assert from "node:assert/strict";
import { test } from "node:test";

import { AHEAD_LIMIT, HOLE_MS, HOLE_TRIES, MARK_EVERY_MS } from "../../../services/gateway/web/events.js";
import { ITEMS_KEPT } from "../../../services/gateway/web/items.js";
import { LISTS_EVERY_MS, TYPING_EVERY_MS } from "../../../services/gateway/web/state.js";
import { AGAIN_MS, ANSWER_MS } from "../../../services/gateway/web/work.js";
import { AT, inRoom, Page, posted, posts, view } from "./gate.mjs";

test("the rooms one is in are attached, the others only listed", () => {
  const page = new Page().open();
  page.frame("rooms", { id: page.take("rooms").id, rooms: [view("general")], total: 1 });
  page.frame("rooms", { id: page.take("rooms").id, rooms: [view("general"), view("garden", { role: null })], total: 2 });
  assert.equal(page.take("attach").room, "general");
  assert.equal(page.take("attach"), undefined);
  assert.equal(page.room("garden").member, false);
});

test("opening a room asks for what came before, and shows it in order", () => {
  const page = inRoom();
  assert.deepEqual(page.texts(), ["text 1", "text 2"]);
  assert.equal(page.room().atStart, true);
});

test("a first page behind the room is asked for again", () => {
  const page = new Page().open().rooms(view("general")).attached(2).put("select", { room: "general" });
  page.page(posts(1, 1));
  assert.deepEqual(page.texts(), []);
  page.wait(AGAIN_MS).page(posts(1, 2));
  assert.deepEqual(page.texts(), ["text 1", "text 2"]);
});

test("older pages stand above, and edits made later reach them", () => {
  const page = new Page().open().rooms(view("general")).attached(4).put("select", { room: "general" });
  page.page([posted(3), { ...posted(4), event: "message_edited", target: 1, text: "better" }]);
  page.put("older", { room: "general" });
  assert.equal(page.sent.at(-1).before, 3);
  page.page(posts(1, 2), { head: 4 });
  assert.deepEqual(page.texts(), ["better", "text 2", "text 3"]);
  assert.equal(page.room().items[0].editedSeq, 4);
});

test("a page that overlaps what is there repeats nothing", () => {
  const page = new Page().open().rooms(view("general")).attached(4).put("select", { room: "general" });
  page.page(posts(3, 4)).put("older", { room: "general" }).page(posts(1, 4));
  assert.deepEqual(page.texts(), ["text 1", "text 2", "text 3", "text 4"]);
});

test("older messages are not asked for twice at once, nor beyond the beginning", () => {
  const page = new Page().open().rooms(view("general")).attached(60).put("select", { room: "general" });
  page.put("older", { room: "general" });
  assert.equal(page.sent.filter((frame) => frame.type === "history").length, 1);
  page.page(posts(1, 60));
  page.put("older", { room: "general" });
  assert.equal(page.take("history"), undefined);
});

test("a room whose history cannot be had is live all the same", () => {
  const page = new Page().open().rooms(view("general")).attached(2).put("select", { room: "general" });
  page.refuse(page.take("history"), "overloaded", { retry: true });
  assert.equal(page.room().older.problem, "sentence of overloaded");
  assert.deepEqual(page.event(posted(3)).texts(), ["text 3"]);
});

test("events in any order and any number come out in order and once", () => {
  const page = inRoom().event(posted(5), posted(3), posted(3), posted(4), posted(5), posted(1));
  assert.deepEqual(page.texts().slice(2), ["text 3", "text 4", "text 5"]);
  assert.deepEqual(page.room().ahead, {}, "nothing is kept that was shown");
});

test("a message shows at once and becomes definite where its answer places it", () => {
  const page = inRoom().say("hello", "mine-1");
  assert.deepEqual(page.room().pending.map(({ text }) => text), ["hello"]);
  page.accept(page.take("send"), 4);
  assert.equal(page.room().pending.length, 1, "it stays in sight until its turn");
  page.event(posted(3));
  assert.deepEqual(page.texts().slice(2), ["text 3", "hello"]);
  assert.equal(page.room().pending.length, 0);
});

test("messages go one at a time, in their order", () => {
  const page = inRoom().say("one", "mine-1").say("two", "mine-2");
  const first = page.take("send");
  assert.equal(page.take("send"), undefined);
  page.accept(first, 3);
  assert.equal(page.take("send").command_id, "mine-2");
});

test("an unanswered message is sent again under its command id after a reconnect, and shown once", () => {
  const page = inRoom().say("hello", "mine-1");
  page.take("send");
  page.close().open();
  assert.deepEqual(page.sent.find((frame) => frame.type === "attach").position, { epoch: "e1", seq: 2 });
  page.attached(3);
  const again = page.take("send");
  assert.deepEqual([again.command_id, again.retry], ["mine-1", true]);
  page.event(posted(3, { actor: "alice", command_id: "mine-1", text: "hello" }));
  page.accept(again, 3);
  assert.deepEqual(page.texts().slice(2), ["hello"]);
  assert.equal(page.room().pending.length, 0);
});

test("the answer to a retry before the replay shows nothing twice", () => {
  const page = inRoom().say("hello", "mine-1");
  page.take("send");
  page.close().open().attached(4);
  page.accept(page.take("send"), 4);
  page.event(posted(3), posted(4, { actor: "alice", command_id: "mine-1", text: "hello" }));
  assert.deepEqual(page.texts().slice(2), ["text 3", "hello"]);
});

test("somebody else's command of the same id does not take mine away", () => {
  const page = inRoom().say("hello", "same");
  page.event(posted(3, { command_id: "same" }));
  assert.equal(page.room().pending.length, 1);
});

test("an answer that does not come is asked for again", () => {
  const page = inRoom().say("hello", "mine-1");
  page.take("send");
  page.wait(ANSWER_MS).wait(AGAIN_MS);
  assert.equal(page.take("send").retry, true);
});

test("a message not taken now waits as long as the gate says", () => {
  const page = inRoom().say("hello", "mine-1");
  page.refuse(page.take("send"), "rate_limited", { retry: true, retry_after_seconds: 3, command_id: "mine-1" });
  assert.equal(page.wait(2_000).take("send"), undefined);
  assert.equal(page.wait(1_000).take("send").retry, true);
});

test("a refused message keeps its sentence, lets the next one go, and can be tried anew or dropped", () => {
  const page = inRoom().say("one", "mine-1").say("two", "mine-2");
  page.refuse(page.take("send"), "muted", { command_id: "mine-1" });
  assert.equal(page.room().pending[0].problem, "sentence of muted");
  page.accept(page.take("send"), 3);
  page.put("again", { room: "general", commandId: "mine-1", newId: "mine-3" });
  const again = page.take("send");
  assert.deepEqual([again.command_id, again.text, "retry" in again], ["mine-3", "one", false]);
  page.refuse(again, "muted", { command_id: "mine-3" });
  page.put("discard", { room: "general", commandId: "mine-3" });
  assert.equal(page.room().pending.length, 0);
});

test("what is written while away is kept and sent on return", () => {
  const page = inRoom().close().say("hello", "mine-1");
  assert.equal(page.take("send"), undefined);
  page.open().attached(2);
  assert.equal(page.take("send").text, "hello");
});

test("a hole that stays is asked for and filled", () => {
  const page = inRoom().event(posted(4)).wait(0).wait(HOLE_MS);
  assert.equal(page.sent.find((frame) => frame.type === "history").after, 2);
  page.page(posts(3, 4));
  assert.deepEqual(page.texts().slice(2), ["text 3", "text 4"]);
});

test("a hole that cannot be filled is said, and the room goes on", () => {
  const page = inRoom().event(posted(5)).wait(0);
  for (let tries = 0; tries < HOLE_TRIES; tries += 1) {
    page.wait(HOLE_MS);
    page.refuse(page.take("history"), "overloaded", { retry: true });
  }
  assert.deepEqual(page.texts().slice(2), ["2 events could not be loaded", "text 5"]);
});

test("a fresh attach that tells of more than came is completed", () => {
  const page = inRoom().close().open().attached(4).wait(0).wait(HOLE_MS);
  page.page(posts(3, 4));
  assert.deepEqual(page.texts().slice(2), ["text 3", "text 4"]);
});

test("what waits behind a hole is bounded", () => {
  const page = inRoom().event(...posts(4, 4 + AHEAD_LIMIT));
  assert.equal(Object.keys(page.room().ahead).length, AHEAD_LIMIT);
});

test("a reset begins anew without repeating a message", () => {
  const page = inRoom().frame("reset", { room: "general", epoch: "e1", seq: 9 });
  page.page(posts(1, 9));
  assert.deepEqual(page.texts(), posts(1, 9).map(({ text }) => text));
  assert.deepEqual(page.event(posted(9), posted(10)).texts().at(-1), "text 10");
});

test("events of another epoch are none of this room", () => {
  assert.deepEqual(inRoom().event(posted(3, { epoch: "e0" })).texts(), ["text 1", "text 2"]);
});

test("messages in a room that is not open are counted until it is, and then divided off", () => {
  const page = inRoom();
  page.put("select", { room: "nowhere" });
  page.put("visible", { visible: false }).event(posted(3), posted(4, { actor: "alice" }));
  assert.equal(page.room().unread, 1);
  page.put("visible", { visible: true });
  assert.deepEqual([page.room().unread, page.room().divider], [0, 2]);
});

test("how far one has read is told, unless the service does not know of it", () => {
  const page = inRoom().wait(MARK_EVERY_MS).event(posted(3));
  page.refuse(page.take("mark_read"), "unknown_command");
  page.wait(MARK_EVERY_MS).event(posted(4));
  assert.equal(page.take("mark_read"), undefined);
});

test("a visitor reads, joins, and is attached", () => {
  const page = new Page().open();
  page.frame("rooms", { id: page.take("rooms").id, rooms: [], total: 0 });
  page.frame("rooms", { id: page.take("rooms").id, rooms: [view("garden", { role: null })], total: 1 });
  page.put("select", { room: "garden" });
  page.page([posted(1, { room: "garden" })]);
  assert.deepEqual(page.texts("garden"), ["text 1"]);
  page.put("join", { room: "garden", commandId: "join-1" });
  page.accept(page.take("join"), 2);
  page.attached(2);
  assert.deepEqual([page.room("garden").member, page.room("garden").phase], [true, "here"]);
});

test("a join cut off by the connection is repeated under its command id", () => {
  const page = new Page().open();
  page.frame("rooms", { id: page.take("rooms").id, rooms: [], total: 0 });
  page.frame("rooms", { id: page.take("rooms").id, rooms: [view("garden", { role: null })], total: 1 });
  page.put("join", { room: "garden", commandId: "join-1" });
  page.close().open();
  const again = page.take("join");
  assert.deepEqual([again.command_id, again.retry], ["join-1", true]);
  page.refuse(again, "room_full", { command_id: "join-1" });
  assert.deepEqual([page.room("garden").problem, page.room("garden").join], ["sentence of room_full", null]);
});

test("an attach that is put off is asked again, one that is refused says why", () => {
  const page = new Page().open().rooms(view("general"));
  page.refuse(page.take("attach"), "overloaded", { retry: true });
  page.wait(AGAIN_MS);
  page.refuse(page.take("attach"), "banned");
  assert.equal(page.wait(AGAIN_MS).take("attach"), undefined);
  assert.equal(page.room().problem, "sentence of banned");
});

test("who comes and goes is known, and who joins and leaves is said", () => {
  const page = inRoom();
  page.presence(2, { user: "bob", state: "online" });
  assert.equal(page.room().members.bob.online, true);
  const base = { type: "event", room: "general", epoch: "e1", at: AT, command_id: "x" };
  page.event({ ...base, seq: 3, event: "member_joined", actor: "carol", user: "carol", role: "member" });
  assert.equal(page.room().memberCount, 3);
  page.event({ ...base, seq: 4, event: "member_left", actor: "alice", user: "carol", reason: "kicked" });
  assert.deepEqual([page.room().memberCount, "carol" in page.room().members], [2, false]);
  assert.deepEqual(page.texts().slice(2), ["carol joined", "carol was removed by alice"]);
});

test("being removed oneself makes one a visitor", () => {
  const page = inRoom();
  const base = { type: "event", room: "general", epoch: "e1", at: AT, command_id: "x" };
  page.event({ ...base, seq: 3, event: "member_left", actor: "bob", user: "alice", reason: "kicked" });
  page.frame("detached", { room: "general", code: "kicked" });
  assert.equal(page.room().member, false);
});

test("writing shows until it expires or the message is there", () => {
  const page = inRoom();
  const typing = { signal: "typing", room: "general", active: true, expires_seconds: 6 };
  page.frame("signal", { ...typing, user: "bob" }).frame("signal", { ...typing, user: "carol" });
  page.frame("signal", { ...typing, user: "alice" });
  assert.deepEqual(Object.keys(page.room().typing), ["bob", "carol"]);
  assert.deepEqual(Object.keys(page.event(posted(3)).room().typing), ["carol"]);
  assert.deepEqual(Object.keys(page.wait(6_000).room().typing), []);
});

test("one's own writing is told, but seldom", () => {
  const page = inRoom().put("writing", { room: "general" }).put("writing", { room: "general" });
  assert.equal(page.sent.filter((frame) => frame.type === "typing").length, 1);
  page.now += TYPING_EVERY_MS;
  page.put("writing", { room: "general" });
  assert.equal(page.sent.filter((frame) => frame.type === "typing").length, 2);
});

test("a room nobody looks at keeps only its latest messages", () => {
  const page = inRoom().put("visible", { visible: false });
  page.state = { ...page.state, current: null };
  page.event(...posts(3, ITEMS_KEPT + 10));
  const { items, oldest, atStart } = page.room();
  assert.ok(items.length <= ITEMS_KEPT);
  assert.deepEqual([items[0].seq, atStart], [oldest, false]);
});

test("the lists are asked for again from time to time", () => {
  const page = inRoom().wait(LISTS_EVERY_MS);
  assert.equal(page.sent.filter((frame) => frame.type === "rooms").length, 2);
});

test("frames of unknown types and answers to nothing are no harm", () => {
  const page = inRoom();
  const before = page.state.rooms;
  page.frame("from_the_future").frame("page", { id: 99, room: "general", epoch: "e1", head: 1, events: [] });
  page.frame("refused", { code: "internal", message: "?" }).frame("signal", { signal: "new" });
  assert.equal(page.state.rooms, before);
});

test("a room that is being attached is read once, and one that is not let in is read all the same", () => {
  const page = new Page().open().rooms(view("general")).put("select", { room: "general" });
  assert.equal(page.take("history"), undefined);
  page.refuse(page.take("attach"), "overloaded", { retry: true });
  assert.equal(page.take("history").room, "general");
});
