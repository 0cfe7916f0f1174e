// What the server sends. The shapes come from its OpenAPI document; see `npm run types`.

export interface User {
  name: string;
  title: string;
  roles: string[];
  campaigns: string[] | null;
  rights: string[];
}

export interface Session {
  signed_in: boolean;
  csrf: string;
  must_change_password: boolean;
  totp: boolean;
  user: User | null;
  ways: { password: boolean; oidc: string };
  clock: { now: number; utc: string; speed: number };
  version: string;
}

// --- the agent's picture --------------------------------------------------------------------------

export interface DispositionOffer {
  code: string;
  label: string;
  hot_key: string;
  requires: string[]; // of "callback_at", "note", "amount", "due_on", "reason"
  confirm: boolean;
  category: string;
  next: string;
}

export interface LeadCard {
  lead_id: number;
  phone: string;
  attempt_no: number;
  external_id: string;
  name: string;
  fields: Record<string, string>;
}

export interface CallView {
  attempt: string;
  campaign: string;
  lead: LeadCard;
  connected_at: number | null;
  ended_at: number | null;
  stage: string;
  mode: string;
  queue: string;
  callback: boolean;
  disposition: string;
  dispositions: DispositionOffer[];
  wrap_up_limit_s: number;
  masked?: string[];
  verified?: boolean;
  recording?: string;
}

export interface OfferView {
  campaign: string;
  lead: LeadCard;
  until: number;
  on_timeout: string;
  queue: string;
  callback: boolean;
  skip_reasons: string[];
  may_escalate: boolean;
}

export interface AgentView {
  agent: string;
  name: string;
  status: string;
  state: string;
  since: number;
  reason: string;
  phone: string;
  campaigns: string[];
  break_reasons: string[];
  call: CallView | null;
  offer: OfferView | null;
  notice: string;
  messages?: { id: number; at: number; by: string; text: string }[];
  help?: { at: number; text: string; taken_by: string } | null;
}

export interface HistoryRow {
  attempt: string;
  at: string;
  phone: string;
  outcome: string;
  agent: string;
  talk_s: number | null;
  code: string;
  note: string;
}

export interface Customer {
  lead_id: number;
  campaign: string;
  external_id: string;
  name: string;
  zones: string[];
  state: string;
  why: string;
  next_at: string | null;
  phones: { phone: string; label: string; bad: boolean | string }[];
  fields: Record<string, string>;
  masked: string[];
  verified: boolean;
  verify: { identifiers: { field: string; label: string }[]; need: number } | null;
  history: HistoryRow[];
}

export interface FoundCustomer {
  lead_id: number;
  campaign: string;
  name: string;
  phone: string;
  external_id: string;
  state: string;
  attempts: number;
}

export interface ScriptStep {
  id: string;
  title: string;
  required: boolean;
  verify?: boolean;
  html: string;
}

export interface CallbackHours {
  zones: string[];
  windows: { from: string; to: string }[];
}

// --- the floor ------------------------------------------------------------------------------------

export interface AgentRow {
  agent: string;
  name: string;
  status: string;
  state: string;
  since: number;
  reason: string;
  campaign: string;
  screen: boolean;
}

export interface CampaignView {
  name: string;
  title: string;
  state: string;
  mode: string;
  lines: { planned: number; setting_up: number; ringing: number; answered: number; waiting: number; talking: number; limit: number };
  abandon: { live: number; abandoned: number; rate: number; limit: number; budget_left: number; window: string };
  why_not_dialling: string;
  agents: Record<string, number>;
  calls: number;
  live_answers: number;
  connects: number;
  abandoned: number;
  outcomes: Record<string, number>;
  utilisation: number | null;
  caller_wait_mean_s: number | null;
  agent_wait_mean_s: number | null;
  leads: Record<string, number>;
  pacing: { at: number; lines: number; bound: string; reason: string; inputs: Record<string, number> } | null;
}

export interface LinkView {
  pbx: string;
  up: boolean;
  since: number;
  why: string;
  lines_in_use: number;
  lines_limit: number;
}

export interface WebhooksView {
  backlog: number;
  oldest_s: number;
  delivered: number;
  failing: string;
  dead: number;
}

export interface Escalation {
  id: number;
  agent: string;
  campaign: string;
  attempt: string;
  at: number;
  text: string;
  taken_by: string;
}

export interface WallboardPicture {
  type: string;
  snapshot: boolean;
  campaigns: CampaignView[];
  agents: AgentRow[];
  gone: string[];
  links: LinkView[];
  webhooks: WebhooksView;
  escalations?: Escalation[];
}
