// A supervisor's part in an agent's call: what the server says of it, and the phone in this page.

import { signal } from "@preact/signals";
import { get, post, Problem, remove } from "../api/client";
import type { MonitorDesk } from "../api/types";
import type { Phone } from "../phone/phone";

export type MonitorMode = "listen" | "whisper" | "barge";

export const monitor = signal<MonitorDesk["monitor"]>(null);

const LOOK_EVERY_MS = 1000;
let phone: Phone | null = null;
let looking = 0;

/** The phone of this page, if the supervisor's is one: registered when this resolves. */
async function withPhone(desk: MonitorDesk): Promise<void> {
  if (!desk.phone) throw new Problem(409, "You have no phone to listen with.", "An administrator can set yours.");
  if (!desk.browser || phone) return;
  const { Phone, ready } = await import("../phone/phone");
  phone = new Phone(desk.browser, () => get<MonitorDesk>("/v1/monitor").then((one) => one.browser));
  phone.start();
  try {
    await ready();
  } catch (error) {
    hangUp();
    throw error;
  }
}

function hangUp(): void {
  phone?.close(true);
  phone = null;
}

export async function begin(agent: string, mode: MonitorMode): Promise<void> {
  const desk = await get<MonitorDesk>("/v1/monitor");
  await withPhone(desk);
  try {
    monitor.value = (await post<MonitorDesk>(`/v1/agents/${encodeURIComponent(agent)}/monitor`, { mode })).monitor;
  } catch (error) {
    if (!desk.monitor) hangUp();
    throw error;
  }
  follow();
}

export async function leave(): Promise<void> {
  await remove("/v1/monitor");
  await look();
}

async function look(): Promise<void> {
  const desk = await get<MonitorDesk>("/v1/monitor").catch(() => null); // asked again in a moment
  if (!desk) return;
  monitor.value = desk.monitor;
  if (desk.monitor) await withPhone(desk).catch(() => undefined); // after a reload: the leg is taken up
  else stop();
}

function follow(): void {
  if (!looking) looking = window.setInterval(() => void look(), LOOK_EVERY_MS);
}

function stop(): void {
  window.clearInterval(looking);
  looking = 0;
  hangUp();
}

/** The floor is on the screen: go on with what there is. */
export function open(): () => void {
  void look().then(() => monitor.peek() && follow());
  return () => {
    if (monitor.peek()) void remove("/v1/monitor").catch(() => undefined);
    monitor.value = null;
    stop();
  };
}
