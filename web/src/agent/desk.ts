// What the agent's screen knows, and what it may ask of the server.

import { computed, effect, signal } from "@preact/signals";
import { get, post, Problem } from "../api/client";
import { Link, type LinkState } from "../api/link";
import type { AgentView, CustomerView, HoursAnswer, PhoneAnswer, ScriptAnswer, StepView } from "../api/types";
import { beep, Phone, type PhoneAccount, ready } from "../phone/phone";
import { session } from "../api/client";

export const agent = signal<AgentView | null>(null);
export const link = signal<Link | null>(null);
export const linkState = computed<LinkState>(() => link.value?.state.value ?? "connecting");
export const call = computed(() => agent.value?.call ?? null);
export const attempt = computed(() => call.value?.attempt ?? "");
/** The customer is there. After a restart the server may know that, and not since when. */
export const talking = computed(() => call.value != null && call.value.ended_at == null && (call.value.stage === "talking" || call.value.connected_at != null));

/** When the call of this attempt came onto the screen: performance.now(), for measuring. */
export const popped = signal<{ attempt: string; at: number } | null>(null);

export const customer = signal<CustomerView | null>(null);
export const script = signal<StepView[]>([]);
export const hours = signal<HoursAnswer | null>(null);

export let phone: Phone | null = null;
export const account = signal<PhoneAccount | null | undefined>(undefined); // null: an ordinary phone

export function send(type: string, fields: object = {}): Promise<void> {
  return link.peek()?.send(type, fields) ?? Promise.reject(new Problem(0, "The connection is lost."));
}

const accountOf = () => get<PhoneAnswer>("/v1/agent/phone").then((one) => one.browser);

/** Open the desk: its phone first, so that there is one when the dialer rings it. */
export async function open(): Promise<void> {
  if (link.peek()) return;
  if (account.peek() === undefined) account.value = await accountOf();
  if (account.peek() && !phone) {
    phone = new Phone(account.peek()!, accountOf);
    phone.start();
  }
  link.value = new Link("/v1/agent/ws", (picture) => {
    agent.value = picture.agent as AgentView;
  });
}

export function close(): void {
  link.peek()?.close();
  link.value = null;
  phone?.close();
  phone = null;
  account.value = undefined;
  agent.value = null;
}

/** Begin the shift: the phone rings at once, so a browser's phone must be registered before. */
export async function sitDown(): Promise<void> {
  if (account.peek()) await ready();
  await post("/v1/agent/shift");
  link.peek()?.again();
}

// A tab that no longer works gives the phone to the one that does; the call goes on there.
effect(() => {
  if (linkState.value !== "taken over" || !phone) return;
  phone.close();
  phone = null;
});

export function useHere(): void {
  if (account.peek() && !phone) {
    phone = new Phone(account.peek()!, accountOf);
    phone.start();
  }
  link.peek()?.again();
}

// --- what belongs to a call -----------------------------------------------------------------------

export const moreTime = () => post("/v1/agent/wrap-up/more");

let shown = "";
effect(() => {
  const id = attempt.value;
  if (id === shown) return;
  shown = id;
  customer.value = null;
  script.value = [];
  hours.value = null;
  if (!id) return;
  popped.value = { attempt: id, at: performance.timeOrigin + performance.now() };
  if (session.peek()) beep();
  void fetchAbout(id);
});

async function fetchAbout(id: string): Promise<void> {
  const still = () => attempt.peek() === id;
  await Promise.allSettled([
    get<CustomerView>("/v1/agent/customer").then((answer) => still() && (customer.value = answer)),
    get<ScriptAnswer>("/v1/agent/script").then((answer) => still() && (script.value = answer.steps)),
    get<HoursAnswer>("/v1/agent/callback-hours").then((answer) => still() && (hours.value = answer)),
  ]);
}

export async function refreshCustomer(): Promise<void> {
  if (attempt.peek()) await fetchAbout(attempt.peek());
}
