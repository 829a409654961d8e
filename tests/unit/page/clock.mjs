// A clock of the test's own: timers run when the test says that time passes.

const REAL = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };

export class Clock {
  #now = 0;
  #made = 0;
  #timers = new Map();

  start() {
    globalThis.setTimeout = (run, ms) => {
      this.#made += 1;
      this.#timers.set(this.#made, { at: this.#now + ms, run });
      return this.#made;
    };
    globalThis.clearTimeout = (id) => this.#timers.delete(id);
  }

  stop() {
    Object.assign(globalThis, REAL);
  }

  tick(ms) {
    const end = this.#now + ms;
    for (let next = this.#due(end); next; next = this.#due(end)) {
      const [id, { at, run }] = next;
      this.#timers.delete(id);
      this.#now = at;
      run();
    }
    this.#now = end;
  }

  #due(end) {
    return [...this.#timers].filter(([, timer]) => timer.at <= end).sort((one, other) => one[1].at - other[1].at)[0];
  }
}
