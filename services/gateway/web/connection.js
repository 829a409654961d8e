// The WebSocket to the gate: it comes back by itself, by the rules of the close codes. Knows nothing of rooms.

export const FIRST_MS = 250;
export const LONGEST_MS = 15_000;
export const STEADY_MS = 5_000;
export const PING_MS = 20_000;
export const SILENCE_MS = 10_000;
export const WELCOME_MS = 10_000;

/** 4500-4999 and a policy violation are final; everything else means: come back. */
export const comesBack = (code) => !(code >= 4500 && code <= 4999) && code !== 1008;

/** How long to wait after so many failures in a row; `draw` is uniform in 0..1; never less than the gate asks for. */
export function delayMs(failures, draw, retryAfterSeconds = 0) {
  const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 16));
  return Math.max(ceiling * (0.5 + draw / 2), (retryAfterSeconds ?? 0) * 1000);
}

/** One connection after the other. Calls on.opened(user), on.frame(frame), on.closed(link), link as in the state. */
export class Connection {
  #url;
  #token;
  #on;
  #socket = null;
  #timers = {};
  #failures = 0;
  #openedAt = 0;
  #bye = null;
  #ended = false;

  constructor(url, token, on) {
    this.#url = url;
    this.#token = token;
    this.#on = on;
  }

  open() {
    this.#clear();
    this.#bye = null;
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.onopen = () => this.send({ type: "hello", token: this.#token });
    socket.onmessage = (message) => this.#receive(message.data);
    socket.onclose = (event) => this.#lost(event.code, event.reason);
    this.#timers.welcome = setTimeout(() => this.#lost(1006, "the gate does not answer"), WELCOME_MS);
  }

  /** False when there is no open connection; the state sends again what matters. */
  send(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** Try now instead of later: the network is back, or the person wants it. */
  hurry() {
    if (!this.#socket && !this.#ended) this.open();
  }

  close() {
    this.#ended = true;
    this.#drop();
  }

  #receive(data) {
    const frame = parsed(data);
    if (!frame) return;
    this.#heard();
    if (frame.type === "welcome") this.#welcomed(frame);
    else if (frame.type === "bye") this.#bye = frame;
    else if (frame.type === "refused" && !this.#openedAt) this.#lost(frame.retry ? 1006 : 4500, frame.message);
    else this.#on.frame(frame);
  }

  #welcomed(frame) {
    clearTimeout(this.#timers.welcome);
    this.#openedAt = performance.now();
    this.#on.opened(frame.user);
  }

  /** A gate that has been silent for a while is asked whether it lives. */
  #heard() {
    clearTimeout(this.#timers.ping);
    clearTimeout(this.#timers.silence);
    this.#timers.ping = setTimeout(() => {
      this.send({ type: "ping" });
      this.#timers.silence = setTimeout(() => this.#lost(1006, "the gate has gone silent"), SILENCE_MS);
    }, PING_MS);
  }

  #lost(code, reason) {
    const steady = this.#openedAt && performance.now() - this.#openedAt >= STEADY_MS;
    const bye = this.#bye;
    this.#drop();
    if (!comesBack(code)) {
      this.#ended = true;
      this.#on.closed({ state: "ended", text: reason || bye?.reason || `closed with code ${code}` });
      return;
    }
    this.#failures = steady ? 1 : this.#failures + 1;
    const wait = delayMs(this.#failures, Math.random(), bye?.retry_after_seconds);
    this.#timers.again = setTimeout(() => this.open(), wait);
    this.#on.closed({ state: "waiting", text: reason || bye?.reason || "", until: Date.now() + wait });
  }

  #drop() {
    this.#clear();
    this.#openedAt = 0;
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #clear() {
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    this.#timers = {};
  }
}

function parsed(data) {
  try {
    const frame = JSON.parse(data);
    return frame && typeof frame === "object" ? frame : null;
  } catch {
    return null;
  }
}
