// Made by web/make_types.py from the OpenAPI document; do not edit.

/** The abandon rate against its limit, over the window the limit is stated for. */
export interface AbandonView {
  live: number;
  abandoned: number;
  rate: number;
  limit: number;
  budget_left: number;
  window: string;
}

export interface AbandonedAnswer {
  calls: AbandonedPart[];
}

/** `after_s`: from the person's answer to the end; None: not known yet. */
export interface AbandonedPart {
  attempt: string;
  campaign: string;
  at: string;
  after_s: number | null;
}

/** One agent on the wallboard. */
export interface AgentRow {
  agent: string;
  name: string;
  status: Status;
  state: string;
  since: number;
  reason: string;
  campaign: string;
  screen: boolean;
  campaigns: string[];
}

/** One agent's screen. */
export interface AgentView {
  agent: string;
  name: string;
  status: Status;
  state: string;
  since: number;
  reason: string;
  phone: string;
  campaigns: string[];
  break_reasons: string[];
  call: CallView | null;
  notice: string;
  offer: OfferView | null;
  skills: string[];
  queues: string[];
  messages: MessageView[];
  help: HelpView | null;
  monitors: MonitorNotice[];
  said: SaidView | null;
}

/** One attempt of this process; `answer` is there for those that failed. */
export interface AttemptView {
  at: string;
  took_s: number;
  status: number | null;
  error: string;
  answer: string;
}

export interface AuditAnswer {
  entries: AuditEntry[];
  more: boolean;
}

/** Somebody did something. Holds no personal data of customers. */
export interface AuditEntry {
  id: number;
  at: string;
  who: string;
  action: string;
  object: string;
  detail: Record<string, unknown>;
}

/** Of a number of days: the middle, and the bounds of eight in ten. */
export interface Band {
  days: number;
  low: Curve;
  middle: Curve;
  high: Curve;
}

export type BatchState = "checking" | "committing" | "ready" | "undone";

export interface BatchStepView {
  at: string;
  step: string;
  who: string;
  detail: Record<string, unknown>;
}

/** A list that came in. `leads` are those that are there now, `attempted` those of them that were called; both are 0 in `GET /v1/lists`, which does not count. */
export interface BatchView {
  batch: number;
  campaign: string;
  name: string;
  file: string;
  state: BatchState;
  imported_at: string;
  accepted: number;
  rejected: number;
  leads: number;
  attempted: number;
  history: BatchStepView[];
}

export interface BatchesAnswer {
  batches: BatchView[];
}

/** When people are reached: only hours with an attempt have a cell. */
export interface BestTimes {
  campaign: string;
  formula: string;
  cells: HeatCell[];
}

/** What the phone in an agent's browser registers with. `url` is that of the PBX's WebSocket, or a path at our own address where a proxy leads to it. */
export interface BrowserPhone {
  url: string;
  user: string;
  password: string;
  ice: IceServer[];
}

/** The call an agent has, or is writing up. */
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
  masked: string[];
  verified: boolean;
  recording: string;
  may_record: boolean;
  on_hold: boolean;
  consult: ConsultView | null;
}

/** How a campaign dials, and what its file says. `lines_max` 0: what the trunk carries. */
export interface CampaignSettings {
  mode: string;
  abandon_limit: number;
  abandon_limit_most: number;
  lines_max: number;
  file: FilePart;
  changed_by: string;
  changed_at: string;
}

/** One campaign now, and since it was started. */
export interface CampaignView {
  name: string;
  state: string;
  mode: string;
  lines: LinesView;
  abandon: AbandonView;
  why_not_dialling: string;
  title: string;
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
  pacing: PacingView | null;
}

/** Curves over the same moments. `at` are Unix seconds; a value that is not known is null. */
export interface Chart {
  every_s: number;
  series: Record<string, (number | null)[]>;
}

/** `now` on the core's clock is the instant `utc` (ISO 8601); the core's clock passes `speed` seconds in each real one (1.0 in production, more in the demo). */
export interface ClockView {
  now: number;
  utc: string;
  speed: number;
}

/** A column as the file has it. `target` is what it is taken for, empty: carried along. `sample` holds personal data: for whoever loads the list. */
export interface ColumnView {
  header: string;
  target: string;
  sample: string[];
}

/** A colleague is asked about the customer, who hears music. `mine`: this agent asks, and decides; otherwise is asked. `state`: holding, calling, talking, returning, completing. Where somebody `outside` is asked: dialling, swapping, with the customer, joining, joined, unjoining. */
export interface ConsultView {
  colleague: string;
  mine: boolean;
  state: string;
  outside: boolean;
}

/** One day. `answers` by people in each quarter; `abandon_rate` so far. None: not known. */
export interface Curve {
  start_s: number[];
  answers: (number | null)[];
  abandon_rate: (number | null)[];
  utilisation: (number | null)[];
}

/** Personal data: for who works with this customer. */
export interface CustomerView {
  lead_id: number;
  campaign: string;
  external_id: string;
  name: string;
  zones: string[];
  state: string;
  why: string;
  next_at: string;
  phones: PhonePart[];
  fields: Record<string, string>;
  masked: string[];
  verified: boolean;
  verify: VerifyView;
  history: PastPart[];
}

export interface CustomersAnswer {
  customers: FoundView[];
  more: boolean;
}

/** One decision of a pacer. `after` is its place; `at` seconds of the server's clock. */
export interface Decided {
  at: number;
  civil_s: number;
  idle: number;
  talking: number;
  wrapping: number;
  coming: number;
  ringing: number;
  waiting: number;
  lines_free: number;
  leads_ready: number;
  lines: number;
  give_up: number;
  bound: string;
  window: string;
  live: number;
  abandoned: number;
  inputs: Record<string, number>;
  why: string;
}

/** Ask again with `before` = `next` while it is not 0. */
export interface DeliveriesAnswer {
  deliveries: DeliveryView[];
  next: number;
}

/** Times are ISO 8601 in UTC; `state` is pending, delivered or dead. */
export interface DeliveryView {
  endpoint: string;
  seq: number;
  id: string;
  type: string;
  happened_at: string;
  state: string;
  attempts: number;
  next_at: string | null;
  settled_at: string | null;
  status: number | null;
  error: string | null;
}

export interface Detail {
  delivery: DeliveryView;
  requests: RequestView[];
  attempts: AttemptView[];
}

/** One button under a call. `requires` names fields that must be filled in. */
export interface DispositionOffer {
  code: string;
  label: string;
  hot_key: string;
  requires: string[];
  confirm: boolean;
  category: string;
  next: string;
}

/** What a strategy would move if everybody under way went by it. `leads` are in other versions, `unplaced` came before the campaign had a strategy. */
export interface DraftEffect {
  version: string;
  in_force: boolean;
  leads: number;
  unplaced: number;
  changing: number;
  moves: MoveCount[];
}

export interface DraftFault {
  line: number;
  field: string;
  message: string;
}

/** `file` is its name here; `base` stands for what it says now, and goes with what is saved. */
export interface DraftFile {
  file: string;
  name: string;
  text: string;
  base: string;
  writable: boolean;
}

/** A step of a script, or a page, as it will look; safe HTML. */
export interface DraftSection {
  title: string;
  required: boolean;
  verify: boolean;
  html: string;
}

/** What is to be said of a text. `effect` is there where it was asked for. */
export interface DraftView {
  faults: DraftFault[];
  notes: string[];
  effect: DraftEffect | null;
  sections: DraftSection[];
}

/** `circuit`: closed, open, half open or disabled; `why` says why it is off. */
export interface EndpointView {
  name: string;
  url: string;
  connector: string;
  kinds: string[];
  types: string[];
  circuit: string;
  why: string;
  waiting: number;
  oldest_s: number;
  dead: number;
  delivered: number;
  failed_attempts: number;
  latency_s: number;
  pops_sent: number;
  pops_dropped: number;
}

export interface EndpointsAnswer {
  endpoints: EndpointView[];
}

/** An agent asks for a supervisor. */
export interface EscalationView {
  id: number;
  agent: string;
  campaign: string;
  attempt: string;
  at: number;
  text: string;
  taken_by: string;
}

export interface ExperimentView {
  id: string;
  forecast: boolean;
  state: State;
  progress: number;
  request: Record<string, number | string>;
  result: Outcome | null;
  band: Band | null;
  error: string;
  by: string;
}

export interface ExperimentsAnswer {
  experiments: ExperimentView[];
}

/** A mean over days with its 95 % interval. */
export interface Figure {
  value: number;
  low: number;
  high: number;
}

export interface FilePart {
  mode: string;
  abandon_limit: number;
}

export interface FoundView {
  lead_id: number;
  campaign: string;
  name: string;
  phone: string;
  external_id: string;
  state: string;
  attempts: number;
}

/** What a campaign's figures are split by. */
export type GroupBy = "campaign" | "segment" | "arm" | "list";

/** Calls that began in one hour of one weekday (0 = Monday), by the called party's clock. */
export interface HeatCell {
  weekday: number;
  hour: number;
  attempts: number;
  live: number;
  right_party: number;
  contact_rate: number;
  right_party_rate: number;
}

/** The agent has asked for a supervisor. */
export interface HelpView {
  at: number;
  text: string;
  taken_by: string;
}

export interface HoursAnswer {
  zones: string[];
  windows: Window[];
}

/** A STUN or TURN server for the phone in the browser, as RTCPeerConnection takes it. */
export interface IceServer {
  urls: string[];
  username: string;
  credential: string;
}

export interface IdentifierPart {
  field: string;
  label: string;
}

export type JobKind = "check" | "commit";

export type JobState = "waiting" | "running" | "done" | "failed";

/** `rows` were read so far, `share` (0 to 1) of the file. */
export interface JobView {
  kind: JobKind;
  state: JobState;
  rows: number;
  share: number;
  fault: string;
  result: ListResult | null;
}

/** `value` is None where there is nothing to divide by. `low` and `high`: 95 % interval of a share of independent trials. `unit` is share, ratio, or per_hour. */
export interface Kpi {
  id: string;
  name: string;
  formula: string;
  unit: string;
  numerator: number;
  denominator: number;
  value: number | null;
  low: number | null;
  high: number | null;
}

/** `key` names the segment, arm or list; empty where a lead has none. */
export interface KpiGroup {
  key: string;
  kpis: Kpi[];
}

/** `since` and `until` None: without that end. */
export interface KpiReport {
  campaign: string;
  by: GroupBy;
  since: string | null;
  until: string | null;
  groups: KpiGroup[];
}

/** Who is on the line. Personal data: for this agent's screen only. */
export interface LeadCard {
  lead_id: number;
  phone: string;
  attempt_no: number;
  external_id: string;
  name: string;
  fields: Record<string, string>;
}

/** Lines under way, by stage. */
export interface LinesView {
  planned: number;
  setting_up: number;
  ringing: number;
  answered: number;
  waiting: number;
  talking: number;
  limit: number;
}

/** The links to one PBX. */
export interface LinkView {
  pbx: string;
  up: boolean;
  since: number;
  why: string;
  lines_in_use: number;
  lines_limit: number;
  trunks: TrunkView[];
}

/** What came of a list, or would. rows = accepted + updated + rejected + skipped, and `duplicates` of the last two were there already. `came_meanwhile` rows were found to be there only at the end. */
export interface ListResult {
  rows: number;
  accepted: number;
  updated: number;
  rejected: number;
  skipped: number;
  duplicates: number;
  invalid: number;
  held: number;
  numbers_dropped: number;
  came_meanwhile: number;
  verdicts: VerdictCount[];
  zones: ZoneCount[];
  reasons: ReasonCount[];
  batch: number | null;
  has_rejects: boolean;
}

/** A supervisor's word to agents. */
export interface MessageView {
  id: number;
  at: number;
  by: string;
  text: string;
}

/** `phone` empty: there is none to listen with. `browser`: it is a page. */
export interface MonitorDesk {
  monitor: MonitorView | null;
  phone: string;
  browser: BrowserPhone | null;
}

/** A supervisor is part of the agent's call: listen, whisper or barge. */
export interface MonitorNotice {
  by: string;
  mode: string;
}

/** What a supervisor is part of. `heard` is empty while the phone rings. */
export interface MonitorView {
  agent: string;
  campaign: string;
  attempt: string;
  state: string;
  mode: string;
  heard: string;
}

/** Leads that would go from one segment to another; empty: in none. */
export interface MoveCount {
  old: string;
  new: string;
  leads: number;
}

/** A move of everybody to the version in force. */
export interface MoveView {
  running: boolean;
  moved: number;
  share: number;
  fault: string;
}

/** A lead an agent looks at, in state "preview": to be accepted or skipped by `until`. */
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

export interface Outcome {
  as_is: Record<string, Figure>;
  what_if: Record<string, Figure>;
}

export interface OutcomePart {
  pbx: string;
  trunk: string;
  campaign: string;
  outcome: string;
  calls: number;
  sip: number | null;
  cause: number | null;
}

export interface OutcomesAnswer {
  rows: OutcomePart[];
}

/** The pacer's last decision. */
export interface PacingView {
  at: number;
  lines: number;
  bound: string;
  reason: string;
  inputs: Record<string, number>;
}

export interface PageAnswer {
  page: string;
  title: string;
  html: string;
}

export interface PageView {
  page: string;
  title: string;
  campaigns: string[];
}

export interface PagesAnswer {
  pages: PageView[];
}

export interface PastPart {
  attempt: string;
  at: string;
  phone: string;
  outcome: string;
  agent: string;
  talk_s: number;
  code: string;
  note: string;
}

export interface PhoneAnswer {
  browser: BrowserPhone | null;
}

export interface PhonePart {
  phone: string;
  label: string;
  bad: boolean;
}

export interface ReasonCount {
  reason: string;
  count: number;
}

export interface ReplayAnswer {
  put_back: number;
}

/** One request as it would be sent now. */
export interface RequestView {
  step: string;
  method: string;
  url: string;
  headers: Record<string, string>;
  body: string;
}

export type Role = "viewer" | "agent" | "supervisor" | "manager" | "engineer" | "administrator";

/** The agent's last word on a call, which is over by now or not. */
export interface SaidView {
  attempt: string;
  code: string;
}

export interface ScriptAnswer {
  steps: StepView[];
}

export interface SessionAnswer {
  signed_in: boolean;
  csrf: string;
  must_change_password: boolean;
  totp: boolean;
  user: UserPart | null;
  ways: Ways;
  clock: ClockView;
  version: string;
}

export type State = "waiting" | "running" | "done" | "failed" | "cancelled";

/** What an agent chose. What is happening is the agent's *state*. */
export type Status = "ready" | "break" | "logged out";

export interface StepPart {
  at: string;
  step: string;
  agent: string;
}

export interface StepView {
  id: string;
  title: string;
  required: boolean;
  verify: boolean;
  html: string;
}

export interface Timeline {
  attempt: string;
  campaign: string;
  outcome: string;
  unserved: boolean;
  steps: StepPart[];
  why: string;
  decisions: Decided[];
}

export type To = "agent" | "queue" | "outside";

/** Ask again with `after` = `next`. */
export interface Trace {
  records: Decided[];
  next: number;
}

/** `free`: somebody could take the customer now. */
export interface TransferTarget {
  to: To;
  name: string;
  title: string;
  free: boolean;
}

export interface TransfersAnswer {
  targets: TransferTarget[];
}

/** A trunk of a PBX. */
export interface TrunkView {
  name: string;
  lines_in_use: number;
  lines_limit: number;
}

/** `kept` leads stay, because they were called. */
export interface UndoneAnswer {
  taken_out: number;
  kept: number;
}

/** `targets` are what a column may be. `source` is whose file it is taken for. */
export interface UploadView {
  upload: string;
  campaign: string;
  name: string;
  size: number;
  kind: string;
  encoding: string;
  delimiter: string;
  columns: ColumnView[];
  targets: string[];
  source: string;
  expires_at: string;
  job: JobView | null;
}

export interface UserPart {
  name: string;
  title: string;
  roles: string[];
  campaigns: string[] | null;
  rights: string[];
}

/** A user as an administrator sees one. */
export interface UserView {
  name: string;
  title: string;
  roles: Role[];
  campaigns: string[] | null;
  phone: string;
  pbx: string;
  subject: string;
  disabled: boolean;
  totp: boolean;
  from_file: boolean;
  seen_at: string;
}

export interface UsersAnswer {
  users: UserView[];
}

/** `when`: dialable now, later today, another day, blocked; `rule` is empty for now. */
export interface VerdictCount {
  when: string;
  rule: string;
  count: number;
}

export interface VerifyView {
  identifiers: IdentifierPart[];
  need: number;
}

export interface VersionView {
  version: string;
  since: string;
  leads: number;
  current: boolean;
}

export interface VersionsAnswer {
  versions: VersionView[];
  moving: MoveView | null;
}

export interface WallboardPicture {
  type: "wallboard";
  epoch: string;
  seq: number;
  after: number;
  snapshot: boolean;
  clock: ClockView;
  campaigns: CampaignView[];
  links: LinkView[];
  webhooks: WebhooksView;
  escalations: EscalationView[];
  agents: AgentRow[];
  gone: string[];
}

export interface Ways {
  password: boolean;
  oidc: string;
}

/** Delivery of events to the CRM. */
export interface WebhooksView {
  backlog: number;
  oldest_s: number;
  delivered: number;
  failing: string;
  dead: number;
}

export interface Window {
  from: string;
  to: string;
}

/** `zones`: every zone these may be in, joined by a space; empty: not known. */
export interface ZoneCount {
  zones: string;
  count: number;
}
