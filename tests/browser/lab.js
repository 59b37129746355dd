// The script's parts without page, socket and clock. Evaluated in a page of the site, where it makes `window.lab`.
// `lab()` starts a page's life with the same stored entries, as a reload does.

(async () => {
  const [{ Presser }, { Visitor }, { hear }, timing, tally, { isSaved }] = await Promise.all(
    ["presser", "visitor", "answers", "timing", "tally", "saving"].map((name) => import(`/static/${name}.js`)),
  );
  const stored = new Map();
  const turn = () => new Promise((resolve) => setTimeout(resolve));

  class Lab {
    sent = [];
    now = 0;
    timers = [];
    store = {
      token: "",
      locked: async (run) => run(),
      inherit() {},
      tellToken() {},
      forget() {
        this.token = "";
        stored.clear();
      },
      change: (item, tab, change) => {
        const key = `${item} ${tab}`;
        const kept = change(stored.get(key) ?? null);
        if (kept.n === 0) stored.delete(key);
        else stored.set(key, kept);
      },
      stored: () => [...stored].map(([key, kept]) => ({ item: key.split(" ")[0], tab: key.split(" ")[1], kept })),
    };

    constructor(item, { gen = 0, count = 0, n = 0, token = "" } = {}) {
      const send = (message) => this.sent.push(message);
      this.item = item;
      this.store.token = token;
      this.visitor = new Visitor(this.store, send);
      this.presser = new Presser({
        store: this.store,
        visitor: this.visitor,
        send,
        now: () => this.now,
        later: (run, ms) => this.timers.push([this.now + ms, run]),
        onChange: () => {},
      });
      this.presser.tallies.watch({ item, gen, count, n });
      this.presser.adopt();
    }

    // A connection opens, and the node answers every hello it is sent.
    async connect() {
      this.visitor.open();
      await this.hello("fresh");
      for (let asked = this.sent.filter(({ type }) => type === "hello").length; asked > 0; asked--) await this.hello();
    }

    async hello(token = this.store.token) {
      await this.hear({ type: "hello", node: "node1", token });
    }

    // The node refuses the last hello; with `erased`, it erased whom this connection was.
    async refuse(more = {}) {
      await this.hear({ type: "error", code: "bad_token", ...more });
    }

    async press(liked = true) {
      this.presser.press(this.item, liked);
      await turn();
    }

    async hear(message) {
      hear(this.presser, { item: this.item, gen: 0, copies: 1, wanted: 1, ...message });
      await turn();
    }

    async wait(ms) {
      this.now += ms;
      const due = this.timers.filter(([at]) => at <= this.now);
      this.timers = this.timers.filter(([at]) => at > this.now);
      for (const [, run] of due) run();
      await turn();
    }

    // As whom hellos were said since the last look.
    get said() {
      return this.sent.filter(({ type }) => type === "hello").map(({ token }) => token);
    }

    // What was sent since the last look, presses as [gen, n].
    get pressed() {
      const presses = this.sent.filter(({ type }) => type === "press").map(({ gen, n }) => [gen, n]);
      this.lastId = Math.max(0, ...this.sent.map(({ id }) => id ?? 0)) || this.lastId;
      this.sent = [];
      return presses;
    }

    get shown() {
      return this.presser.tallies.shown(this.item, this.now);
    }

    get kept() {
      return this.presser.current(this.item).kept;
    }

    get waiting() {
      return this.presser.tallies.waiting;
    }

    get isSaved() {
      return isSaved(this.presser.tallies);
    }
  }

  window.lab = async (item, rendered) => {
    const started = new Lab(item, rendered);
    return started;
  };
  window.timing = timing;
  window.tally = tally;
})();
