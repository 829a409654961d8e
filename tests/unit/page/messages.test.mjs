import assert from "node:assert/strict";
import { test } from "node:test";

import { DEEDS_LIMIT } from "../../../services/gateway/web/deeds.js";
import { HOLE_MS, MARK_EVERY_MS } from "../../../services/gateway/web/events.js";
import { ANSWER_MS, AGAIN_MS } from "../../../services/gateway/web/work.js";
import { AT, inRoom, Page, posted, posts, view } from "./gate.mjs";

const fact = (seq, event, fields) => ({
  type: "event",
  event,
  room: "general",
  epoch: "e1",
  seq,
  at: AT,
  actor: "bob",
  command_id: `theirs-${seq}`,
  ...fields,
});
const edited = (seq, target, text, fields) => fact(seq, "message_edited", { target, text, ...fields });
const deleted = (seq, target) => fact(seq, "message_deleted", { target });
const reacted = (seq, target, emoji, fields) => fact(seq, "reaction_added", { target, emoji, ...fields });
const unreacted = (seq, target, emoji, fields) => fact(seq, "reaction_removed", { target, emoji, ...fields });
const mine = (seq) => posted(seq, { actor: "alice" });
const item = (page, seq) => page.room().items.find((each) => each.seq === seq);
const counts = (page, seq) => Object.fromEntries(Object.entries(item(page, seq).reactions).map(([emoji, { count }]) => [emoji, count]));

const deed = (kind, fields) => [kind, { room: "general", commandId: "mine-1", ...fields }];

test("an edited message reads as it does now, also when an older edit comes late", () => {
  const page = inRoom().event(edited(3, 1, "better"), edited(4, 1, "best"));
  assert.deepEqual([item(page, 1).text, item(page, 1).editedSeq], ["best", 4]);
});

test("a deleted message keeps its place and loses its text, its reactions and every later word on it", () => {
  const page = inRoom().event(reacted(3, 1, "+"), deleted(4, 1), edited(5, 1, "zombie"), reacted(6, 1, "+"));
  assert.deepEqual([item(page, 1).deleted, item(page, 1).text, counts(page, 1)], [true, "", {}]);
});

test("stored messages come as their later events left them", () => {
  const page = new Page().open().rooms(view("general")).attached(9).put("select", { room: "general" });
  const gone = { ...posted(1, { deleted: true }), text: undefined };
  const kept = posted(2, { text: "newest", edited_seq: 5, reactions: [{ emoji: "+", count: 2 }] });
  page.page([gone, kept, fact(3, "message_edited", { target: 2 }), edited(5, 2, "newest"), reacted(6, 2, "+")], { head: 9 });
  assert.deepEqual([item(page, 1).deleted, item(page, 1).text], [true, ""]);
  assert.deepEqual([item(page, 2).text, item(page, 2).editedSeq, counts(page, 2)], ["newest", 5, { "+": 2 }]);
});

test("a reaction counted in a page is not counted again, a later one is", () => {
  const page = new Page().open().rooms(view("general")).attached(2).put("select", { room: "general" });
  page.page([posted(1, { reactions: [{ emoji: "+", count: 1 }] }), posted(2)], { head: 3 });
  page.event(reacted(3, 1, "+"));
  assert.deepEqual(counts(page, 1), { "+": 1 });
  page.event(reacted(4, 1, "+"));
  assert.deepEqual(counts(page, 1), { "+": 2 });
});

test("a replay after a pause does not count its reactions twice", () => {
  const page = inRoom().close().open().attached(4);
  page.event(posted(3, { reactions: [{ emoji: "+", count: 1 }] }), reacted(4, 3, "+"), reacted(5, 3, "!"));
  assert.deepEqual(counts(page, 3), { "+": 1, "!": 1 });
});

test("an edit that came before its message was loaded reaches it", () => {
  const page = new Page().open().rooms(view("general")).attached(4).put("select", { room: "general" });
  page.event(edited(5, 1, "better"));
  page.page([posted(1)], { head: 4 });
  assert.equal(item(page, 1).text, "better");
});

test("reactions are counted by kind, one's own is known, and none is left at zero", () => {
  const page = inRoom().event(reacted(3, 1, "+"), reacted(4, 1, "+", { actor: "alice" }), reacted(5, 1, "!"));
  assert.deepEqual(item(page, 1).reactions, { "+": { count: 2, mine: true }, "!": { count: 1, mine: false } });
  page.event(unreacted(6, 1, "+", { actor: "alice" }), unreacted(7, 1, "!"));
  assert.deepEqual(item(page, 1).reactions, { "+": { count: 1, mine: false } });
});

test("a press on a reaction adds one's own, and a second press takes it back", () => {
  const page = inRoom().put(...deed("react", { seq: 1, emoji: "+" }));
  const frame = page.take("react");
  assert.deepEqual([frame.seq, frame.emoji, frame.command_id], [1, "+", "mine-1"]);
  page.accept(frame, 3).event(reacted(3, 1, "+", { actor: "alice", command_id: "mine-1" }));
  page.put(...deed("react", { seq: 1, emoji: "+" }));
  assert.equal(page.take("unreact").emoji, "+");
});

test("a reaction that stood there before is known as one's own from its answer on", () => {
  const page = inRoom().event(reacted(3, 1, "+")).put(...deed("react", { seq: 1, emoji: "+" }));
  page.accept(page.take("react"), 3);
  assert.deepEqual(item(page, 1).reactions, { "+": { count: 1, mine: true } });
});

test("one's own events are asked for, and what an answer promises is waited for like any hole", () => {
  const page = new Page().open().rooms(view("general"));
  assert.equal(page.take("attach").echo, true);
  const room = inRoom().put(...deed("delete", { seq: 1 }));
  room.accept(room.take("delete"), 3);
  room.wait(0).wait(HOLE_MS);
  assert.equal(room.take("history").after, 2);
});

test("an edit changes the text once its event is there, and ends the editing", () => {
  const page = inRoom().event(mine(3)).put("editing", { room: "general", seq: 3 });
  assert.equal(page.room().editing, 3);
  page.put(...deed("edit", { seq: 3, text: "better" }));
  const frame = page.take("edit");
  assert.deepEqual([frame.text, page.room().editing, item(page, 3).text], ["better", null, "text 3"]);
  page.accept(frame, 4).event(edited(4, 3, "better", { actor: "alice", command_id: "mine-1" }));
  assert.equal(item(page, 3).text, "better");
});

test("only one's own messages that are still there are edited, and only to another text", () => {
  const page = inRoom().event(mine(3), mine(4), deleted(5, 4));
  for (const seq of [1, 4, 99]) assert.equal(page.put("editing", { room: "general", seq }).room().editing, null);
  page.put(...deed("edit", { seq: 3, text: "text 3" })).put(...deed("edit", { seq: 3, text: " " }));
  page.put(...deed("delete", { seq: 4 })).put(...deed("react", { seq: 99, emoji: "+" }));
  assert.deepEqual(page.sent.filter(({ type }) => ["edit", "delete", "react"].includes(type)), []);
});

test("editing ends when another room is opened", () => {
  const page = inRoom().event(mine(3)).put("editing", { room: "general", seq: 3 });
  assert.equal(page.put("select", { room: "nowhere" }).room().editing, null);
});

test("what one does goes one at a time, and again under its id after a pause", () => {
  const page = inRoom().put(...deed("delete", { seq: 1 })).put("delete", { room: "general", seq: 2, commandId: "mine-2" });
  page.take("delete");
  assert.equal(page.take("delete"), undefined);
  page.close().open().attached(2);
  const again = page.take("delete");
  assert.deepEqual([again.command_id, again.retry], ["mine-1", true]);
  page.accept(again, 3);
  assert.equal(page.take("delete").command_id, "mine-2");
});

test("what is not done is said, what is put off is done later", () => {
  const page = inRoom().put(...deed("delete", { seq: 1 }));
  page.refuse(page.take("delete"), "overloaded", { retry: true });
  page.wait(AGAIN_MS);
  page.refuse(page.take("delete"), "not_allowed", { command_id: "mine-1" });
  assert.equal(page.state.told.text, "That was not done: sentence of not_allowed.");
  assert.deepEqual(page.room().deeds, []);
});

test("an answer that does not come is asked for again, and a refusal without an id finds its deed", () => {
  const page = inRoom().put(...deed("delete", { seq: 1 }));
  page.take("delete");
  page.wait(ANSWER_MS).wait(AGAIN_MS);
  assert.equal(page.take("delete").retry, true);
  page.frame("refused", { command_id: "mine-1", code: "internal", message: "broken", retry: false });
  assert.deepEqual(page.room().deeds, []);
});

test("what waits to be done is bounded", () => {
  const page = inRoom().close();
  for (let n = 0; n < DEEDS_LIMIT + 5; n += 1) page.put("delete", { room: "general", seq: 1, commandId: `mine-${n}` });
  assert.equal(page.room().deeds.length, DEEDS_LIMIT);
});

test("many changes of presence come at once, with what people say of themselves", () => {
  const page = inRoom();
  page.presence(3, { user: "bob", state: "away", mood: "🌴" }, { user: "carol", state: "online" });
  assert.deepEqual(page.room().members.bob.status, { state: "away", mood: "🌴", text: "" });
  assert.deepEqual([page.room().members.carol.online, page.room().onlineCount], [true, 3]);
  page.presence(2, { user: "bob", state: "offline", reason: "gate_lost" });
  assert.deepEqual([page.room().members.bob.online, page.room().members.bob.status], [false, null]);
});

test("presence that begins anew forgets whoever is not named", () => {
  const page = inRoom().presence(2, { user: "bob", state: "online" });
  const changes = [{ user: "alice", state: "online" }];
  page.frame("signal", { signal: "presence", room: "general", online_count: 1, changes, anew: true });
  assert.deepEqual([page.room().members.bob.online, page.room().members.alice.online], [false, true]);
});

test("of a crowd only the count is known", () => {
  const page = inRoom().presence(700);
  assert.deepEqual([page.room().onlineCount, page.room().members.bob.online], [700, false]);
});

test("how far one has read is told once in a while, and the last of it in the end", () => {
  const page = inRoom().wait(MARK_EVERY_MS);
  page.sent = [];
  page.event(...posts(3, 30));
  page.wait(MARK_EVERY_MS).wait(MARK_EVERY_MS);
  assert.deepEqual(page.sent.filter(({ type }) => type === "mark_read").map(({ seq }) => seq), [3, 30]);
});

test("nothing is marked as read that nobody looks at", () => {
  const page = inRoom().wait(MARK_EVERY_MS).put("visible", { visible: false });
  page.sent = [];
  page.event(posted(3)).wait(MARK_EVERY_MS);
  assert.equal(page.take("mark_read"), undefined);
  page.put("visible", { visible: true });
  assert.equal(page.take("mark_read").seq, 3);
});

test("the list of rooms shows no text that is gone", () => {
  const page = inRoom().event(posted(3));
  assert.equal(page.room().preview, "bob: text 3");
  assert.equal(page.event(edited(4, 3, "better")).room().preview, "bob: better");
  assert.equal(page.event(deleted(5, 3)).room().preview, "bob: deleted");
  assert.equal(page.event(posted(6), deleted(7, 1)).room().preview, "bob: text 6");
});
