// The live screen's protocol (docs/websocket.md) against a socket played by hand.

import { afterEach, beforeEach, expect, test, vi } from "vitest";

class PlayedSocket {
  static made: PlayedSocket[] = [];
  sent: Record<string, unknown>[] = [];
  closed = false;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  constructor(readonly url: URL) {
    PlayedSocket.made.push(this);
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }
  close(): void {
    this.closed = true;
  }
  says(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
}

const CLOCK = { now: 10, utc: "2026-11-22T10:00:00+00:00", speed: 1 };
const last = (): PlayedSocket => PlayedSocket.made.at(-1)!;

beforeEach(() => {
  vi.useFakeTimers();
  PlayedSocket.made = [];
  const listeners = { addEventListener: () => undefined, removeEventListener: () => undefined };
  vi.stubGlobal("WebSocket", PlayedSocket);
  vi.stubGlobal("location", { href: "http://127.0.0.1:8080/agent" });
  vi.stubGlobal("navigator", { onLine: true });
  vi.stubGlobal("sessionStorage", { getItem: () => null, setItem: () => undefined, removeItem: () => undefined });
  vi.stubGlobal("window", { setInterval, clearInterval, setTimeout, clearTimeout, ...listeners });
  vi.stubGlobal("fetch", () => Promise.reject(new Error("nobody is asked in these tests")));
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function link() {
  const { Link } = await import("../src/api/link");
  const drawn: object[] = [];
  const made = new Link("/v1/agent/ws", (picture) => drawn.push(picture));
  last().onopen?.();
  last().says({ type: "welcome", epoch: "e1", seq: 3, current: false, clock: CLOCK });
  last().says({ type: "agent", epoch: "e1", seq: 3, now: 10, agent: { n: 1 } });
  return { made, drawn };
}

test("says hello, draws, answers pings and connects again with what it has", async () => {
  const { made, drawn } = await link();
  expect(last().url.href).toBe("ws://127.0.0.1:8080/v1/agent/ws");
  expect(last().sent[0]).toEqual({ type: "hello", token: "", epoch: "", seq: 0 });
  expect(made.state.value).toBe("up");
  last().says({ type: "ping", now: 11 });
  expect(last().sent.at(-1)).toEqual({ type: "pong" });
  last().onclose?.({ code: 1001 });
  expect(made.state.value).toBe("lost");
  vi.advanceTimersByTime(250);
  expect(PlayedSocket.made).toHaveLength(2);
  last().onopen?.();
  expect(last().sent[0]).toEqual({ type: "hello", token: "", epoch: "e1", seq: 3 });
  expect(drawn).toHaveLength(1);
});

test("an older picture of the same epoch is not drawn; a new epoch begins anew", async () => {
  const { drawn } = await link();
  last().says({ type: "agent", epoch: "e1", seq: 2, now: 10, agent: {} });
  expect(drawn).toHaveLength(1);
  last().says({ type: "agent", epoch: "e2", seq: 1, now: 1, agent: {} });
  expect(drawn).toHaveLength(2);
});

test("a step that does not build on what is drawn is asked for in whole", async () => {
  const { drawn } = await link();
  last().says({ type: "wallboard", epoch: "e1", seq: 9, after: 7, snapshot: false, clock: CLOCK });
  expect(drawn).toHaveLength(1);
  expect(last().sent.at(-1)).toMatchObject({ type: "resync" });
});

test("each command has one answer, and none is left waiting when the connection is lost", async () => {
  const { made } = await link();
  const taken = made.send("status", { status: "ready" });
  const refused = made.send("hangup");
  const lost = made.send("hangup");
  const [one, two] = last().sent.slice(-3) as { id: string }[];
  last().says({ type: "ack", id: one!.id });
  last().says({ type: "refused", id: two!.id, status: 409, detail: "There is no call.", mend: "", errors: [] });
  await expect(taken).resolves.toBeUndefined();
  await expect(refused).rejects.toMatchObject({ status: 409, detail: "There is no call." });
  last().onclose?.({ code: 1006 });
  await expect(lost).rejects.toThrow("lost");
  await expect(made.send("hangup")).rejects.toThrow("The connection is lost");
});

test.each([
  [1000, "no shift"],
  [4401, "over"],
  [4403, "refused"],
  [4404, "no shift"],
  [4409, "taken over"],
])("close code %i is final: %s", async (code, state) => {
  const { made } = await link();
  last().onclose?.({ code });
  expect(made.state.value).toBe(state);
  vi.advanceTimersByTime(60_000);
  expect(PlayedSocket.made).toHaveLength(1);
});

test("ten silent seconds are a lost connection, without waiting for the peer's goodbye", async () => {
  const { made } = await link();
  vi.advanceTimersByTime(11_500);
  expect(PlayedSocket.made[0]!.closed).toBe(true);
  expect(made.state.value).toBe("lost");
});
