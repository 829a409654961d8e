// The page's own part: who one is, what one does, and the clock. Ties the state to the connection and the view.

import { Connection } from "./connection.js";
import { initial, step } from "./state.js";
import { element, noteJump, paintAvatar, render } from "./view.js";

const USERS = ["alice", "bob", "charlie"];
const KEPT = "gatehouse.user";
const TICK_MS = 500;
const TOLD_MS = 4_000;
const TEXT_BYTES = 16 * 1024;
const OLDER_PX = 120;
const byId = (id) => document.getElementById(id);
// crypto.randomUUID exists only in secure contexts; a gate on a plain address of the local network is none.
const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

let state = initial();
let connection = null;
let drawing = false;

function put(input) {
  const next = step(state, { now: Date.now(), ...input });
  state = next.state;
  for (const frame of next.frames) connection?.send(frame);
  draw();
}

/** Many changes in one frame of the screen are drawn once. A hidden page is not drawn by the screen at all. */
function draw() {
  if (drawing) return;
  drawing = true;
  const now = () => {
    drawing = false;
    render(state, on);
    showTold();
    chooseFirstRoom();
  };
  if (document.hidden) setTimeout(now, 100);
  else requestAnimationFrame(now);
}

const on = {
  select(room) {
    if (room !== state.current) stopEditing();
    location.hash = room;
    byId("chat").dataset.pane = "talk";
    if (room !== state.current) put({ kind: "select", room });
    focusText();
  },
  older: (room) => put({ kind: "older", room }),
  again: (room, commandId) => put({ kind: "again", room, commandId, newId: newId() }),
  react: (room, seq, emoji) => put({ kind: "react", room, seq, emoji, commandId: newId() }),
  remove: (room, seq) => put({ kind: "delete", room, seq, commandId: newId() }),
  editing(room, seq) {
    put({ kind: "editing", room, seq });
    const item = state.rooms[room].items.find((each) => each.seq === seq);
    if (state.rooms[room].editing === seq) writeInstead(item.text);
  },
  discard: (room, commandId) => put({ kind: "discard", room, commandId }),
};

// Entering

async function enterAs(user) {
  byId("login-problem").textContent = "";
  try {
    const answer = await fetch("/demo/login", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ user }),
    });
    if (!answer.ok) throw new Error(`this gate does not log in demo users (HTTP ${answer.status})`);
    const { token } = await answer.json();
    sessionStorage.setItem(KEPT, user);
    start(token);
  } catch (problem) {
    showLogin(`Cannot enter as ${user}: ${problem.message}.`);
  }
}

function start(token) {
  byId("login").hidden = true;
  byId("chat").hidden = false;
  state = initial();
  const url = new URL("/ws", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  connection = new Connection(url.href, token, {
    opened(user) {
      paintAvatar(byId("self-avatar"), user);
      byId("self-name").textContent = user;
      put({ kind: "opened", user });
    },
    frame: (frame) => put({ kind: "frame", frame }),
    closed: (link) => put({ kind: "closed", link }),
  });
  connection.open();
  draw();
}

function showLogin(problem = "") {
  connection?.close();
  connection = null;
  sessionStorage.removeItem(KEPT);
  byId("chat").hidden = true;
  byId("login").hidden = false;
  byId("login-problem").textContent = problem;
  document.title = "Gatehouse";
}

function listUsers() {
  for (const user of USERS) {
    const avatar = paintAvatar(element("span", { className: "avatar", "aria-hidden": "true" }), user);
    const button = element("button", { type: "button" }, avatar, element("span", { text: user }));
    button.addEventListener("click", () => enterAs(user));
    byId("users").append(button);
  }
}

function chooseFirstRoom() {
  if (state.current || !state.listed) return;
  const named = decodeURIComponent(location.hash.slice(1));
  const chosen = state.rooms[named] ?? state.rooms[state.newest];
  if (chosen) put({ kind: "select", room: chosen.id });
}

// Writing

function sayWhatIsWritten() {
  const text = byId("text").value;
  if (!text.trim() || !state.current) return;
  if (new TextEncoder().encode(text).length > TEXT_BYTES) {
    tell("That is too long for one message.");
    return;
  }
  const { editing } = state.rooms[state.current];
  const written = { room: state.current, text: text.trim(), commandId: newId() };
  if (editing === null) put({ kind: "say", ...written });
  else put({ kind: "edit", seq: editing, ...written });
  writeInstead("");
  if (editing === null) byId("scroll").scrollTop = byId("scroll").scrollHeight;
}

function writeInstead(text) {
  byId("text").value = text;
  fitText();
  byId("text").focus();
}

function stopEditing() {
  if (!state.current || state.rooms[state.current].editing === null) return;
  put({ kind: "editing", room: state.current });
  writeInstead("");
}

function fitText() {
  const text = byId("text");
  text.style.setProperty("height", "auto");
  text.style.setProperty("height", `${Math.min(text.scrollHeight + 2, 180)}px`);
}

function focusText() {
  if (matchMedia("(hover: hover)").matches) byId("text").focus();
}

// What the page says for a moment

let toldUntil = 0;

function tell(text) {
  byId("told").textContent = text;
  toldUntil = Date.now() + TOLD_MS;
  byId("told").classList.add("shown");
}

let lastTold = null;

function showTold() {
  if (state.told && state.told !== lastTold) tell(state.told.text);
  lastTold = state.told;
}

// Listening

function listen() {
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    sayWhatIsWritten();
    focusText();
  });
  byId("text").addEventListener("keydown", (event) => {
    if (event.key === "Escape") stopEditing();
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    sayWhatIsWritten();
  });
  byId("text").addEventListener("input", () => {
    fitText();
    if (byId("text").value.trim()) put({ kind: "writing", room: state.current });
  });
  byId("scroll").addEventListener("scroll", onScroll, { passive: true });
  byId("jump").addEventListener("click", () => {
    byId("scroll").scrollTop = byId("scroll").scrollHeight;
    focusText();
  });
  byId("join").addEventListener("click", () => put({ kind: "join", room: state.current, commandId: newId() }));
  byId("stop-editing").addEventListener("click", stopEditing);
  byId("leave").addEventListener("click", () => showLogin());
  byId("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    start(byId("token").value.trim());
    byId("token").value = "";
  });
  listenToPanes();
  listenToTheWorld();
}

function onScroll() {
  const scroll = byId("scroll");
  noteJump(scroll);
  const room = state.rooms[state.current];
  if (room?.loaded && !room.older && !room.atStart && scroll.scrollTop < OLDER_PX) on.older(room.id);
}

function listenToPanes() {
  const showPane = (pane) => {
    byId("chat").dataset.pane = pane;
    byId("show-people").setAttribute("aria-expanded", String(pane === "people"));
  };
  byId("show-rooms").addEventListener("click", () => showPane("rooms"));
  byId("show-people").addEventListener("click", () => showPane(byId("chat").dataset.pane === "people" ? "talk" : "people"));
  byId("hide-people").addEventListener("click", () => showPane("talk"));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") showPane("talk");
  });
}

function listenToTheWorld() {
  addEventListener("online", () => connection?.hurry());
  addEventListener("hashchange", () => {
    const room = decodeURIComponent(location.hash.slice(1));
    if (state.rooms[room] && room !== state.current) put({ kind: "select", room });
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) connection?.hurry();
    put({ kind: "visible", visible: !document.hidden });
  });
  setInterval(() => {
    if (Date.now() > toldUntil) byId("told").classList.remove("shown");
    if (connection) put({ kind: "tick" });
  }, TICK_MS);
}

listUsers();
listen();
const kept = sessionStorage.getItem(KEPT);
if (USERS.includes(kept)) enterAs(kept);
else showLogin();
