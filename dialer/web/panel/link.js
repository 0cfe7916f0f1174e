// The agent's WebSocket (docs/api.md): says hello, answers pings, connects again, carries commands.

const RETRY_MS = [500, 1000, 2000, 5000, 10000]; // between attempts to connect
const ANSWER_LIMIT_MS = 10000;
const GONE = new Set([4401, 4403]); // the token is good no more

export class Link {
  // `socket(url)` opens one; `now` and timers are those of the page unless a test brings its own.
  constructor(url, token, { onPicture, onState, onGone, socket = (u) => new WebSocket(u), timers = globalThis }) {
    Object.assign(this, { url, token, onPicture, onState, onGone, socket, timers });
    this.epoch = "";
    this.seq = 0;
    this.failures = 0;
    this.lastId = 0;
    this.waiting = new Map(); // command id -> {resolve, reject, timer}
    this.closed = false;
  }

  open() {
    this.ws = this.socket(this.url);
    this.ws.onopen = () =>
      this.write({ type: "hello", token: this.token, epoch: this.epoch, seq: this.seq });
    this.ws.onmessage = (frame) => this.heard(JSON.parse(frame.data));
    this.ws.onclose = (event) => this.lost(event.code);
  }

  close() {
    this.closed = true;
    this.ws?.close();
  }

  // The promise ends with the server's ack, or fails with its words.
  command(message) {
    const id = String(++this.lastId);
    return new Promise((resolve, reject) => {
      if (this.ws?.readyState !== 1) {
        reject(new Error("The connection is lost."));
        return;
      }
      const timer = this.timers.setTimeout(() => this.settle(id, false, "No answer came."), ANSWER_LIMIT_MS);
      this.waiting.set(id, { resolve, reject, timer });
      this.write({ ...message, id });
    });
  }

  write(message) {
    this.ws.send(JSON.stringify(message));
  }

  heard(message) {
    switch (message.type) {
      case "welcome":
        this.failures = 0;
        this.onState(true);
        break;
      case "ping":
        this.write({ type: "pong" });
        break;
      case "ack":
        this.settle(message.id, true);
        break;
      case "refused":
        this.settle(
          message.id,
          false,
          [message.detail, message.mend].filter(Boolean).join(" "),
          message.status,
        );
        break;
      case "agent":
        if (message.epoch === this.epoch && message.seq < this.seq) break;
        this.epoch = message.epoch;
        this.seq = message.seq;
        this.onPicture(message.agent);
        break;
    }
  }

  settle(id, well, words = "", status = 0) {
    const one = this.waiting.get(id);
    if (!one) return;
    this.waiting.delete(id);
    this.timers.clearTimeout(one.timer);
    if (well) one.resolve();
    else one.reject(Object.assign(new Error(words), { status }));
  }

  lost(code) {
    for (const id of [...this.waiting.keys()]) this.settle(id, false, "The connection is lost.");
    if (this.closed) return;
    this.onState(false);
    if (GONE.has(code)) {
      this.onGone();
      return;
    }
    const wait = RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)];
    this.timers.setTimeout(() => this.closed || this.open(), wait);
  }
}
