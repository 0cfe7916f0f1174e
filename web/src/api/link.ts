// A live screen: the WebSocket of docs/websocket.md. The server is the authority; what it sends is
// the whole picture, so nothing is ever repaired here: only asked for again.

import { signal } from "@preact/signals";
import { Problem, refreshSession, session } from "./client";
import { clock, type ClockView } from "./clock";

export type LinkState =
  | "connecting"
  | "up"
  | "lost" // was up; connecting again
  | "no shift" // 4404: not begun; 1000: over
  | "taken over" // 4409: another tab works now
  | "refused" // 4403, 4400
  | "over"; // 4401: nobody is signed in

interface Picture {
  type: string;
  epoch: string;
  seq: number;
  [field: string]: unknown;
}

const LOST_MS = 10_000;
const RETRY_MS = [250, 500, 1000, 2000, 4000];
const FINAL: Record<number, LinkState> = { 1000: "no shift", 4400: "refused", 4401: "over", 4403: "refused", 4404: "no shift", 4409: "taken over" };

export class Link {
  readonly state = signal<LinkState>("connecting");
  private ws: WebSocket | null = null;
  private epoch = "";
  private seq = 0;
  private tries = 0;
  private heard = 0;
  private id = 0;
  private ended = false; // by us
  private timer = 0;
  private readonly watch: number;
  private readonly waiting = new Map<string, { done: () => void; failed: (why: Problem) => void }>();

  constructor(
    private readonly path: string,
    private readonly draw: (picture: Picture) => void,
    private readonly token = "",
  ) {
    this.watch = window.setInterval(() => {
      if (this.ws && performance.now() - this.heard > LOST_MS) this.cut();
    }, 1000);
    window.addEventListener("online", this.again);
    window.addEventListener("offline", this.cut);
    this.connect();
  }

  close(): void {
    this.ended = true;
    window.removeEventListener("online", this.again);
    window.removeEventListener("offline", this.cut);
    window.clearInterval(this.watch);
    window.clearTimeout(this.timer);
    const ws = this.ws;
    this.ws = null;
    ws?.close(1000);
    this.fail("the screen was closed");
  }

  /** Connect now: the network is back, or the agent wants this tab. */
  readonly again = (): void => {
    if (this.ws) return;
    window.clearTimeout(this.timer);
    this.connect();
  };

  /** Given up: the machine has lost its network, or nothing was heard. A closing handshake would
   * wait for the very peer that cannot be reached. */
  private readonly cut = (): void => {
    const ws = this.ws;
    if (!ws) return;
    ws.onopen = ws.onmessage = ws.onclose = null;
    ws.close();
    this.closed(ws, 1006);
  };

  /** Send a command; resolves when the server took it, rejects with its Problem. */
  send(type: string, fields: object = {}): Promise<void> {
    const id = String((this.id += 1));
    if (this.state.peek() !== "up") return Promise.reject(new Problem(0, "The connection is lost.", "It is being made again; then press again."));
    return new Promise((done, failed) => {
      this.waiting.set(id, { done, failed });
      this.ws?.send(JSON.stringify({ type, id, ...fields }));
    });
  }

  private connect(): void {
    const ws = (this.ws = new WebSocket(new URL(this.path, location.href.replace(/^http/, "ws"))));
    this.heard = performance.now();
    ws.onopen = () => ws.send(JSON.stringify({ type: "hello", token: this.token, epoch: this.epoch, seq: this.seq }));
    ws.onmessage = (event) => this.take(JSON.parse(event.data as string) as Picture);
    ws.onclose = (event) => this.closed(ws, event.code);
  }

  private closed(ws: WebSocket, code: number): void {
    if (this.ws !== ws) return;
    this.ws = null;
    this.fail("The connection was lost before the server answered.");
    const final = FINAL[code];
    if (final) {
      this.state.value = final;
      if (final === "over") void this.signedInAnew();
      return;
    }
    this.retry();
  }

  /** The session of this socket ended; the browser may have another one already (a new password). */
  private async signedInAnew(): Promise<void> {
    await refreshSession().catch(() => undefined);
    if (session.peek()?.signed_in && this.state.peek() === "over" && !this.ended) this.retry();
  }

  private retry(): void {
    this.state.value = this.epoch ? "lost" : "connecting";
    const step = navigator.onLine ? this.tries++ : RETRY_MS.length; // without a network slowly: it tells when it is back
    this.timer = window.setTimeout(this.again, RETRY_MS[Math.min(step, RETRY_MS.length - 1)]);
  }

  private take(message: Picture): void {
    this.heard = performance.now();
    switch (message.type) {
      case "ping":
        clock.tell(message.now as number);
        this.ws?.send('{"type":"pong"}');
        return;
      case "welcome":
        clock.set(message.clock as ClockView);
        this.tries = 0;
        this.state.value = "up";
        return;
      case "ack":
        this.settle(message.id as string)?.done();
        return;
      case "refused": {
        const { status, detail, mend, errors } = message as unknown as Problem;
        this.settle((message as { id?: string }).id ?? "")?.failed(new Problem(status, detail, mend, errors));
        return;
      }
      case "ended":
        return; // the close code that follows says what to do
    }
    if (message.epoch === this.epoch && message.seq < this.seq) return;
    if (message.snapshot === false && message.after !== this.seq) {
      void this.send("resync").catch(() => undefined);
      return;
    }
    this.epoch = message.epoch;
    this.seq = message.seq;
    if (message.clock) clock.set(message.clock as ClockView);
    else if (message.now != null) clock.tell(message.now as number);
    this.draw(message);
  }

  private settle(id: string): { done: () => void; failed: (why: Problem) => void } | undefined {
    const found = this.waiting.get(id);
    this.waiting.delete(id);
    return found;
  }

  private fail(why: string): void {
    for (const one of this.waiting.values()) one.failed(new Problem(0, why, "Look whether it was carried out."));
    this.waiting.clear();
  }
}
