// The WebSocket of docs/api.md: hello, resume, heartbeat, commands. The server is the authority.

const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 8000;

// The server's clock: `now` moves on by itself at the server's speed.
export class ServerClock {
  constructor() {
    this.base = 0;
    this.at = performance.now();
    this.speed = 1;
  }
  set(now, speed = this.speed) {
    this.base = now;
    this.at = performance.now();
    this.speed = speed;
  }
  now() {
    return this.base + ((performance.now() - this.at) / 1000) * this.speed;
  }
}

export class Link {
  // on: {picture(message), connected(boolean), ended(reason)}
  constructor(path, token, on) {
    this.url = location.origin.replace(/^http/, "ws") + path;
    this.token = token;
    this.on = on;
    this.clock = new ServerClock();
    this.epoch = "";
    this.seq = 0;
    this.number = 0;
    this.waiting = new Map();
    this.attempt = 0;
    this.done = false;
    this.lostAfter = 10_000;
    this.heard = performance.now();
    this.watch = setInterval(() => this.check(), 1000);
    addEventListener("online", () => this.retryNow());
    document.addEventListener("visibilitychange", () => document.hidden || this.retryNow());
    this.open();
  }

  open() {
    clearTimeout(this.timer);
    this.timer = null;
    this.heard = performance.now();
    const socket = (this.socket = new WebSocket(this.url));
    socket.onopen = () =>
      socket.send(
        JSON.stringify({ type: "hello", token: this.token, epoch: this.epoch, seq: this.seq }),
      );
    socket.onmessage = (event) => socket === this.socket && this.take(JSON.parse(event.data));
    socket.onclose = (event) => socket === this.socket && this.closed(event);
  }

  take(message) {
    this.heard = performance.now();
    switch (message.type) {
      case "welcome":
        this.attempt = 0;
        this.lostAfter = message.lost_after_s * 1000;
        this.clock.set(message.clock.now, message.clock.speed);
        this.on.connected(true);
        break;
      case "ping":
        this.clock.set(message.now);
        this.socket.send('{"type":"pong"}');
        break;
      case "ack":
      case "refused":
        this.waiting.get(message.id)?.(message);
        this.waiting.delete(message.id);
        break;
      case "ended":
        this.stop(message.reason);
        break;
      default:
        if (message.epoch === this.epoch && message.seq < this.seq) return;
        this.epoch = message.epoch;
        this.seq = message.seq;
        this.clock.set(message.now ?? message.clock.now);
        this.on.picture(message);
    }
  }

  // Send a command. The answer is {type: "ack"} or {type: "refused", detail, mend, errors}.
  send(type, fields = {}) {
    return new Promise((resolve) => {
      if (this.socket.readyState !== WebSocket.OPEN) {
        resolve({ type: "refused", detail: "There is no connection.", mend: "Try again when it is back.", errors: [] });
        return;
      }
      const id = String(++this.number);
      this.waiting.set(id, resolve);
      this.socket.send(JSON.stringify({ type, id, ...fields }));
    });
  }

  check() {
    if (!this.timer && !this.done && performance.now() - this.heard > this.lostAfter) {
      const old = this.socket;
      this.socket = null;
      old.close();
      this.closed({ code: 1006 });
    }
  }

  closed(event) {
    for (const resolve of this.waiting.values()) {
      resolve({ type: "refused", detail: "The connection was lost.", mend: "See what the screen shows when it is back.", errors: [] });
    }
    this.waiting.clear();
    if (this.done) return;
    if (event.code === 4401) return this.stop("the session has ended");
    this.on.connected(false);
    const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.attempt++);
    const wait = longest / 2 + (Math.random() * longest) / 2;
    this.timer = setTimeout(() => this.open(), wait);
  }

  retryNow() {
    if (this.timer && !this.done) this.open();
  }

  stop(reason) {
    if (this.done) return;
    this.done = true;
    clearInterval(this.watch);
    clearTimeout(this.timer);
    this.socket?.close();
    this.on.ended(reason);
  }
}
