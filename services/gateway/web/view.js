// The document from the state. Everything anybody wrote goes in as text, never as markup.

const byId = (id) => document.getElementById(id);
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const GROUP_MS = 5 * 60_000;
const AT_END_PX = 60;
const PATIENCE_MS = 1_200;
const REACTIONS = ["👍", "❤️", "😂", "🎉", "👀"];
const MODERATES = ["owner", "admin", "moderator"];
const WRITES = [...MODERATES, "member"];

/** Make an element: class, text and attributes by name. */
export function element(tag, fields = {}, ...children) {
  const { className, text, ...attributes } = fields;
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.filter(Boolean));
  return made;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Names that differ by little get colours that differ by much. */
function hueOf(user) {
  let sum = 0;
  for (const character of user) sum += character.codePointAt(0);
  return Math.round((sum * 137.508) % 360);
}

export function paintAvatar(node, user) {
  setText(node, [...user][0]?.toUpperCase() ?? "?");
  node.style.setProperty("--hue", hueOf(user));
  return node;
}

const avatar = (user) => paintAvatar(element("span", { className: "avatar", "aria-hidden": "true" }), user);

const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

// Lists of rows that keep their elements: what did not change is not touched, so reading and focus are not disturbed

/** rows: [{key, make() -> element, update?(element)}]. */
function reconcile(list, rows) {
  const known = (list.known ??= new Map());
  const wanted = new Set(rows.map((row) => row.key));
  for (const [key, node] of known) {
    if (wanted.has(key)) continue;
    node.remove();
    known.delete(key);
  }
  let place = list.firstChild;
  for (const row of rows) {
    let node = known.get(row.key);
    if (!node) known.set(row.key, (node = row.make()));
    row.update?.(node);
    if (node === place) place = place.nextSibling;
    else list.insertBefore(node, place);
  }
}

function forget(list) {
  list.known = new Map();
  list.replaceChildren();
}

// The whole page

let shownRoom = null;
let firstSeq = null;

export function render(state, on) {
  renderLink(state.link, state.available);
  renderLists(state, on);
  const room = state.rooms[state.current];
  byId("chat").classList.toggle("empty", !room);
  if (room) renderRoom(state, room, on);
  else renderNoRoom(state);
  renderTitle(state);
}

function renderTitle(state) {
  const unread = Object.values(state.rooms).reduce((sum, room) => sum + (room.member ? room.unread : 0), 0);
  const name = state.rooms[state.current]?.title;
  document.title = (unread ? `(${unread}) ` : "") + (name ? `${name} · Gatehouse` : "Gatehouse");
  const elsewhere = byId("elsewhere");
  elsewhere.hidden = unread === 0;
  setText(elsewhere, String(unread));
}

function renderLink(link, available) {
  const seconds = Math.max(0, Math.ceil(((link.until ?? 0) - Date.now()) / 1000));
  const words = {
    connecting: "Connecting",
    online: available ? "Connected" : "Connected, waiting",
    waiting: seconds > 1 ? `Back in ${seconds} s` : "Reconnecting",
    ended: "Disconnected",
  };
  const node = byId("link");
  node.dataset.state = link.state === "online" && !available ? "waiting" : link.state;
  setText(node, words[link.state]);
  const banner = byId("banner");
  const text = bannerText(link, available);
  banner.hidden = !text;
  setText(banner, text);
}

function bannerText(link, available) {
  if (link.state === "ended") return `The connection was ended: ${link.text}.`;
  if (link.state === "waiting" && Date.now() - link.since < PATIENCE_MS) return "";
  if (link.state === "waiting") return "The connection is gone for a moment. What you write is kept and sent once.";
  if (link.state === "online" && !available) return "The service is away for a moment. What you write is kept and sent once.";
  return "";
}

function renderLists(state, on) {
  const rooms = Object.values(state.rooms).sort((one, other) => one.title.localeCompare(other.title));
  const mine = rooms.filter((room) => room.member);
  const open = rooms.filter((room) => !room.member && room.visibility === "public" && !room.closed);
  const row = (room) => roomRow(state, room, on);
  reconcile(byId("mine"), mine.length || !state.listed ? mine.map(row) : [emptyRow("You are in no room yet.")]);
  reconcile(byId("open"), open.map(row));
  byId("open-title").hidden = open.length === 0;
}

const emptyRow = (text) => ({ key: "empty", make: () => element("li", { className: "more", text }) });

function roomRow(state, room, on) {
  return {
    key: room.id,
    make() {
      const badge = element("span", { className: "badge" });
      const names = element("span", { className: "names" }, element("b"), element("small"));
      const button = element("button", { type: "button" }, names, badge);
      button.addEventListener("click", () => on.select(room.id));
      return element("li", {}, button);
    },
    update(node) {
      const [button] = node.children;
      const [names, badge] = button.children;
      setText(names.firstChild, room.title);
      setText(names.lastChild, room.preview || plural(room.memberCount, "member"));
      setText(badge, room.unread > 99 ? "99+" : String(room.unread));
      badge.hidden = room.unread === 0;
      badge.setAttribute("aria-label", `${room.unread} unread`);
      node.classList.toggle("unread", room.unread > 0);
      if (room.id === state.current) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    },
  };
}

function renderNoRoom(state) {
  setText(byId("title"), "Gatehouse");
  setText(byId("topic"), state.listed ? "Choose a room." : "");
  forget(byId("log"));
  shownRoom = null;
}

// One room

function renderRoom(state, room, on) {
  renderHead(room);
  renderLog(state, room, on);
  renderTyping(room);
  renderComposer(room);
  renderPeople(state, room);
}

function renderHead(room) {
  setText(byId("title"), room.title);
  setText(byId("topic"), room.topic || `${{ public: "Public", private: "Private", direct: "Direct" }[room.visibility]} room`);
  const known = Object.keys(room.members).length > 0;
  setText(byId("count"), known ? `${room.onlineCount} of ${room.memberCount} here` : plural(room.memberCount, "member"));
}

function renderComposer(room) {
  const visitor = !room.member;
  byId("composer").hidden = visitor || room.closed || room.role === "reader";
  byId("visitor").hidden = !visitor || room.closed;
  setText(byId("visitor-text"), `You are looking at ${room.title} from outside.`);
  byId("join").disabled = room.join !== null;
  setText(byId("join"), room.join ? "Joining" : "Join this room");
  const closed = room.closed ? "This room is closed; it can still be read." : "";
  const reading = room.member && room.role === "reader" ? "You may read here, not write." : "";
  setText(byId("problem"), room.problem ?? (closed || reading));
  byId("editing").hidden = room.editing === null;
  setText(byId("send"), room.editing === null ? "Send" : "Save");
}

function renderTyping(room) {
  const users = Object.keys(room.typing).sort();
  const many = users.length > 3 ? "Several people are writing" : `${users.join(", ")} ${users.length === 1 ? "is" : "are"} writing`;
  const node = byId("typing");
  setText(node, users.length ? many : "");
  node.classList.toggle("active", users.length > 0);
}

function renderPeople(state, room) {
  const rank = ([user, member]) => [member.online ? 0 : 1, user.toLowerCase()];
  const people = Object.entries(room.members).sort((one, other) => (rank(one) < rank(other) ? -1 : 1));
  reconcile(byId("members"), people.map(([user, member]) => personRow(state, user, member)));
  const more = room.memberCount - people.length;
  setText(byId("members-more"), more > 0 ? (people.length ? `and ${more} more` : plural(room.memberCount, "member")) : "");
}

function personRow(state, user, member) {
  return {
    key: user,
    make() {
      const names = element("span", { className: "names" }, element("span", { className: "name" }), element("small"));
      return element("li", {}, avatar(user), names);
    },
    update(node) {
      const [name, note] = node.lastChild.children;
      node.classList.toggle("online", member.online);
      node.classList.toggle("busy", member.online && ["away", "dnd"].includes(member.status?.state));
      setText(name, user);
      const role = ["owner", "admin", "moderator", "reader"].includes(member.role) ? member.role : "";
      setText(note, [user === state.user ? "you" : "", role, statusText(member)].filter(Boolean).join(" · "));
    },
  };
}

function statusText({ online, status }) {
  if (!online) return "not here";
  const state = { away: "away", dnd: "do not disturb" }[status?.state];
  return [state, status?.mood, status?.text].filter(Boolean).join(" ");
}

// The messages

function renderLog(state, room, on) {
  const log = byId("log");
  const scroll = byId("scroll");
  const changedRoom = shownRoom !== room.id;
  if (changedRoom) {
    forget(log);
    byId("live").setAttribute("aria-live", "off");
    firstSeq = null;
  }
  const fromEnd = scroll.scrollHeight - scroll.scrollTop;
  const atEnd = changedRoom || fromEnd - scroll.clientHeight <= AT_END_PX;
  const rows = rowsOf(state, room, on);
  renderOlder(room, on);
  reconcile(log, rows);
  const first = room.items[0]?.seq ?? null;
  const grewAbove = firstSeq !== null && first < firstSeq;
  if (atEnd) scroll.scrollTop = scroll.scrollHeight;
  else if (grewAbove) scroll.scrollTop = scroll.scrollHeight - fromEnd;
  firstSeq = first;
  shownRoom = room.id;
  if (changedRoom) requestAnimationFrame(() => byId("live").setAttribute("aria-live", "polite"));
  noteJump(scroll);
}

/** Whether the end of the conversation is in sight; the way there is offered when it is not. */
export function noteJump(scroll) {
  byId("jump").hidden = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight <= 200;
}

function renderOlder(room, on) {
  const node = byId("older");
  const state = room.older?.state ?? (room.atStart ? "start" : "more");
  if (node.dataset.state === `${room.id} ${state}`) return;
  node.dataset.state = `${room.id} ${state}`;
  node.replaceChildren();
  if (state === "asked" || state === "due") node.append(element("p", { text: "Loading" }));
  if (state === "start") node.append(element("p", { text: `This is the beginning of ${room.title}.` }));
  if (state === "failed") node.append(element("p", { text: `Older messages cannot be loaded: ${room.older.problem}.` }));
  if (state === "failed" || state === "more") {
    const button = element("button", { className: "quiet", type: "button", text: "Older messages" });
    button.addEventListener("click", () => on.older(room.id));
    node.append(button);
  }
}

function rowsOf(state, room, on) {
  const rows = [];
  const pending = room.pending.map((each) => ({ ...each, kind: "said", user: state.user, pending: true }));
  let before = null;
  let isNew = false;
  for (const item of [...room.items, ...pending]) {
    const day = item.at && new Date(item.at).toDateString();
    if (day && day !== (before?.at && new Date(before.at).toDateString())) rows.push(dayRow(day, item.at));
    if (!isNew && room.divider !== null && item.seq > room.divider && item.user !== state.user) {
      isNew = true;
      rows.push(newRow());
      before = null;
    }
    rows.push(item.kind === "said" ? messageRow(state, room, item, before, on) : noticeRow(item));
    before = item.at ? item : before;
  }
  return rows;
}

const dayRow = (day, at) => ({
  key: `day ${day}`,
  make: () => element("li", { className: "day" }, element("span", { text: calendar.format(new Date(at)) })),
});

const newRow = () => ({
  key: "new",
  make: () => element("li", { className: "day new" }, element("span", { text: "New" })),
});

const noticeRow = (item) => ({
  key: `n${item.seq}`,
  make: () => element("li", { className: "notice", text: item.text }),
});

const keyOf = (item, own) => (own && item.commandId ? `c${item.commandId}` : `s${item.seq}`);

function messageRow(state, room, item, before, on) {
  const own = item.user === state.user;
  const near = before && new Date(item.at) - new Date(before.at) < GROUP_MS;
  const continued = Boolean(near && before.kind === "said" && before.user === item.user);
  return {
    key: keyOf(item, own),
    make: () => makeMessage(item, own),
    update(node) {
      node.classList.toggle("continued", continued);
      node.classList.toggle("sending", Boolean(item.pending) && !item.problem && item.placed === null);
      node.classList.toggle("failed", Boolean(item.problem));
      node.classList.toggle("deleted", Boolean(item.deleted));
      setText(node.querySelector(".text"), item.deleted ? "This message was deleted." : item.text);
      setText(node.querySelector("time"), timeText(item));
      setText(node.querySelector(".edited"), item.editedSeq && !item.deleted ? "edited" : "");
      renderActions(node.querySelector(".actions"), state, room, item, on);
      renderReactions(node.querySelector(".reactions"), room, item, on);
      renderProblem(node.querySelector(".trouble"), room, item, on);
    },
  };
}

function makeMessage(item, own) {
  const name = element("span", { className: "name", text: own ? "You" : item.user });
  const time = element("time", { datetime: item.at });
  const text = element("p", { className: "text", dir: "auto" });
  const bubble = element("div", { className: "bubble" }, text, element("small", { className: "edited" }));
  bubble.append(element("div", { className: "actions", role: "group", "aria-label": `Message of ${item.user}` }));
  bubble.addEventListener("click", () => toggleChosen(bubble));
  const body = element("div", { className: "body" }, element("div", { className: "meta" }, name, time), bubble);
  body.append(element("div", { className: "reactions" }), element("div", { className: "trouble" }));
  return element("li", { className: own ? "message own" : "message" }, avatar(item.user), body);
}

/** Where nothing hovers, a touch shows what can be done to a message, and hides it again. */
function toggleChosen(bubble) {
  if (matchMedia("(hover: hover)").matches || !getSelection().isCollapsed) return;
  const chosen = bubble.classList.contains("chosen");
  for (const other of document.querySelectorAll(".bubble.chosen")) other.classList.remove("chosen");
  bubble.classList.toggle("chosen", !chosen);
}

/** What this person may do to this message, as far as the page can tell; the room decides. */
function deedsFor(state, room, item) {
  const lives = item.kind === "said" && !item.pending && !item.deleted && room.member && !room.closed;
  if (!lives || !WRITES.includes(room.role ?? "member")) return { react: false, edit: false, remove: false };
  const own = item.user === state.user;
  return { react: true, edit: own, remove: own || MODERATES.includes(room.role) };
}

function renderActions(node, state, room, item, on) {
  const may = deedsFor(state, room, item);
  const key = JSON.stringify([may, item.seq]);
  if (node.dataset.key === key) return;
  node.dataset.key = key;
  node.replaceChildren();
  if (may.react) node.append(...REACTIONS.map((emoji) => reactionButton(emoji, () => on.react(room.id, item.seq, emoji))));
  if (may.edit) node.append(actionButton("Edit", () => on.editing(room.id, item.seq)));
  if (may.remove) node.append(deleteButton(() => on.remove(room.id, item.seq)));
}

function actionButton(text, act) {
  const button = element("button", { className: "quiet", type: "button", text });
  button.addEventListener("click", (event) => {
    event.stopPropagation();
    act(button);
  });
  return button;
}

function reactionButton(emoji, act) {
  const button = actionButton(emoji, act);
  button.setAttribute("aria-label", `React with ${emoji}`);
  return button;
}

/** Deleting is for good: it takes two presses. */
function deleteButton(act) {
  const button = actionButton("Delete", () => {
    if (button.classList.contains("armed")) act();
    button.classList.toggle("armed");
    setText(button, button.classList.contains("armed") ? "Really delete?" : "Delete");
  });
  button.addEventListener("blur", () => {
    button.classList.remove("armed");
    setText(button, "Delete");
  });
  return button;
}

function renderReactions(node, room, item, on) {
  reconcile(
    node,
    Object.entries(item.deleted ? {} : (item.reactions ?? {})).map(([emoji, { count, mine }]) => ({
      key: emoji,
      make: () => element("button", { className: "chip", type: "button" }),
      update(chip) {
        setText(chip, `${emoji} ${count}`);
        chip.setAttribute("aria-pressed", String(mine));
        chip.setAttribute("aria-label", `${emoji}, ${plural(count, "reaction")}`);
        chip.disabled = !room.member || room.closed;
        chip.onclick = () => on.react(room.id, item.seq, emoji);
      },
    })),
  );
}

function timeText(item) {
  if (item.pending && !item.problem && item.placed === null) return item.sent > 1 ? "trying again" : "sending";
  return clock.format(new Date(item.at));
}

function renderProblem(node, room, item, on) {
  const text = item.problem ? `Not sent: ${item.problem}.` : "";
  if (node.dataset.text === text) return;
  node.dataset.text = text;
  node.replaceChildren();
  if (!text) return;
  const again = element("button", { className: "quiet", type: "button", text: "Try again" });
  again.addEventListener("click", () => on.again(room.id, item.commandId));
  const remove = element("button", { className: "quiet", type: "button", text: "Remove" });
  remove.addEventListener("click", () => on.discard(room.id, item.commandId));
  node.append(element("span", { text, role: "alert" }), again, remove);
}
