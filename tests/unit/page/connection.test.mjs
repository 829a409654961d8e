import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { comesBack, Connection, delayMs, FIRST_MS, LONGEST_MS, PING_MS, SILENCE_MS, WELCOME_MS } from "../../../services/gateway/web/connection.js";
import { Clock } from "./clock.mjs";

class Socket {
  static OPEN = 1;
  static all = [];
  readyState = 0;
  sent = [];

  constructor(url) {
    this.url = url;
    Socket.all.push(this);
  }

  open() {
    this.readyState = 1;
    this.onopen();
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  give(frame) {
    this.onmessage({ data: typeof frame === "string" ? frame : JSON.stringify(frame) });
  }

  close() {
    this.readyState = 3;
  }
}

let clock;
let told;
let connection;

beforeEach(() => {
  globalThis.WebSocket = Socket;
  Socket.all = [];
  told = [];
  clock = new Clock();
  clock.start();
  connection = new Connection("ws://gate/ws", "the-token", {
    opened: (user) => told.push(["opened", user]),
    frame: (frame) => told.push(["frame", frame.type]),
    closed: (link) => told.push(["closed", link.state]),
  });
  connection.open();
});

afterEach(() => {
  connection.close();
  clock.stop();
});

const socket = () => Socket.all.at(-1);

function welcome() {
  socket().open();
  socket().give({ type: "welcome", user: "alice" });
}

test("the range of a code says whether to come back", () => {
  for (const code of [1000, 1001, 1006, 1011, 4000, 4001, 4499]) assert.ok(comesBack(code), String(code));
  for (const code of [1008, 4500, 4501, 4999]) assert.ok(!comesBack(code), String(code));
});

test("delays grow to a bound, are spread, and heed the gate", () => {
  assert.equal(delayMs(1, 0), FIRST_MS / 2);
  assert.equal(delayMs(1000, 1), LONGEST_MS);
  assert.equal(delayMs(1, 0, 7), 7000);
});

test("hello comes first, and the welcome opens", () => {
  socket().open();
  assert.deepEqual(socket().sent, [{ type: "hello", token: "the-token" }]);
  socket().give({ type: "welcome", user: "alice" });
  socket().give({ type: "pong" });
  assert.deepEqual(told, [["opened", "alice"], ["frame", "pong"]]);
});

test("what is no JSON object is passed over", () => {
  welcome();
  for (const text of ["", "{", "7", "null"]) socket().give(text);
  assert.deepEqual(told, [["opened", "alice"]]);
});

test("a lost connection is tried again", () => {
  welcome();
  socket().onclose({ code: 1006, reason: "" });
  assert.deepEqual(told.at(-1), ["closed", "waiting"]);
  clock.tick(FIRST_MS);
  assert.equal(Socket.all.length, 2);
});

test("a draining gate is given the time it asks for", () => {
  welcome();
  socket().give({ type: "bye", code: 4000, reason: "draining", retry_after_seconds: 2 });
  socket().onclose({ code: 4000, reason: "" });
  clock.tick(1_999);
  assert.equal(Socket.all.length, 1);
  clock.tick(1);
  assert.equal(Socket.all.length, 2);
});

test("a final code is final", () => {
  welcome();
  socket().onclose({ code: 4500, reason: "expired" });
  clock.tick(60_000);
  connection.hurry();
  assert.deepEqual([told.at(-1)[1], Socket.all.length], ["ended", 1]);
});

test("a hello that is refused for good ends it, one that is put off does not", () => {
  socket().open();
  socket().give({ type: "refused", code: "overloaded", message: "later", retry: true });
  assert.deepEqual(told.at(-1), ["closed", "waiting"]);
  clock.tick(FIRST_MS);
  socket().open();
  socket().give({ type: "refused", code: "unauthenticated", message: "no", retry: false });
  assert.deepEqual(told.at(-1), ["closed", "ended"]);
});

test("a gate that never says welcome is left", () => {
  socket().open();
  clock.tick(WELCOME_MS);
  assert.deepEqual(told.at(-1), ["closed", "waiting"]);
});

test("a silent gate is asked, and left when it stays silent", () => {
  welcome();
  clock.tick(PING_MS);
  assert.equal(socket().sent.at(-1).type, "ping");
  socket().give({ type: "pong" });
  clock.tick(PING_MS);
  clock.tick(SILENCE_MS);
  assert.deepEqual(told.at(-1), ["closed", "waiting"]);
});

test("the person may hurry a return", () => {
  welcome();
  socket().onclose({ code: 1006, reason: "" });
  connection.hurry();
  assert.equal(Socket.all.length, 2);
  connection.hurry();
  assert.equal(Socket.all.length, 2);
});
