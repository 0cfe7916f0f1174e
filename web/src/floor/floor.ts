// The floor as the wallboard's socket tells it.

import { signal } from "@preact/signals";
import { token } from "../api/client";
import { Link } from "../api/link";
import type { AgentRow, CampaignView, EscalationView, LinkView, WallboardPicture, WebhooksView } from "../api/types";

export const link = signal<Link | null>(null);
export const campaigns = signal<CampaignView[]>([]);
export const links = signal<LinkView[]>([]);
export const webhooks = signal<WebhooksView | null>(null);
export const rows = signal<ReadonlyMap<string, AgentRow>>(new Map());
export const escalations = signal<EscalationView[]>([]);
export const drawn = signal(false);

export function open(): () => void {
  const mine = new Link(
    "/v1/wallboard/ws",
    (picture) => {
      const now = picture as unknown as WallboardPicture;
      const next = new Map(now.snapshot ? [] : rows.peek());
      for (const name of now.gone) next.delete(name);
      for (const row of now.agents) next.set(row.agent, row);
      rows.value = next;
      campaigns.value = now.campaigns;
      links.value = now.links;
      webhooks.value = now.webhooks;
      escalations.value = now.escalations;
      drawn.value = true;
    },
    token.peek(),
  );
  link.value = mine;
  return () => {
    mine.close();
    link.value = null;
    drawn.value = false;
  };
}

/** States in the order in which a floor is read. */
export const STATES = ["talk", "reserved", "preview", "ready", "wrap-up", "break", "signing on", "phone lost", "unknown", "leaving"];

export type Tone = "good" | "warm" | "bad" | "";

/** The abandon rate against its limit: the share of the budget that is used decides. */
export function abandonTone(of: CampaignView["abandon"]): Tone {
  if (of.live === 0) return "";
  if (of.budget_left < 0 || of.rate > of.limit) return "bad";
  return of.rate > of.limit * 0.8 ? "warm" : "good";
}

/** Lines in the order of a call. */
export const STAGES: [keyof CampaignView["lines"], string][] = [
  ["setting_up", "dialling"],
  ["ringing", "ringing"],
  ["answered", "answered"],
  ["waiting", "waiting"],
  ["talking", "talking"],
];
