// The wallboard: draws the server's pictures; agents' rows arrive only when they changed.

import { $, el, text, show, duration, percent, count, sentence } from "./dom.js";
import { Link } from "./link.js";

const TOKEN = "overdial.wallboard.token";
const STAGES = ["talking", "waiting", "answered", "ringing", "setting_up", "planned"];
const STAGE_NAMES = { setting_up: "setting up" };
// In this order on the board: who needs a look first, then by how busy.
const STATES = ["unknown", "phone lost", "signing on", "ready", "reserved", "talk", "wrap-up", "break", "leaving"];
const SHOWN_MAX = 600;

let link = null;
let rows = new Map();
const tiles = new Map(); // agent -> {node, row, clock}

// --- token ----------------------------------------------------------------------------------------

// The token comes in the fragment, which no browser sends to a server; out of the address bar with it.
const fragment = new URLSearchParams(location.hash.slice(1)).get("token");
if (fragment) {
  sessionStorage.setItem(TOKEN, fragment);
  history.replaceState(null, "", location.pathname);
}

function begin(problem = "") {
  const token = sessionStorage.getItem(TOKEN);
  show($("ask"), !token);
  if (!token) {
    show($("board"), false);
    text($("ask-error"), problem);
    show($("ask-error"), problem !== "");
    return $("ask-token").focus();
  }
  link = new Link("/v1/wallboard/ws", token, {
    picture: draw,
    connected: (up) => show($("lost"), !up),
    ended: () => {
      sessionStorage.removeItem(TOKEN);
      link = null;
      begin("This token is not valid, or not any more.");
    },
  });
}

$("ask-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(TOKEN, $("ask-token").value.trim());
  $("ask-token").value = "";
  begin();
});

// --- drawing --------------------------------------------------------------------------------------

function draw(message) {
  show($("board"), true);
  if (message.snapshot) rows = new Map();
  for (const row of message.agents) rows.set(row.agent, row);
  for (const name of message.gone) rows.delete(name);
  utc = Date.parse(message.clock.utc);
  utcAt = message.clock.now;
  drawAlerts(message);
  drawLinks(message);
  reconcile($("campaigns"), message.campaigns, (c) => c.name, makeCampaign, drawCampaign);
  drawAgents();
  tick();
}

// Keep one node per key, in the order given; make the new, drop the gone, draw them all.
const drawers = new WeakMap();
function reconcile(parent, items, keyOf, make, drawOne) {
  const old = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  items.forEach((item, at) => {
    const key = keyOf(item);
    let node = old.get(key);
    if (!node) {
      const made = make(item);
      node = made.node;
      node.dataset.key = key;
      drawers.set(node, made);
    }
    old.delete(key);
    if (parent.children[at] !== node) parent.insertBefore(node, parent.children[at] ?? null);
    drawOne(drawers.get(node), item);
  });
  for (const node of old.values()) node.remove();
}

function drawAlerts(m) {
  const alerts = [];
  for (const link of m.links) {
    if (!link.up) alerts.push(["bad", `PBX ${link.pbx}: ${link.why || "no connection"}`]);
    else if (link.why) alerts.push(["warm", `PBX ${link.pbx}: ${link.why}`]);
  }
  for (const c of m.campaigns) if (c.why_not_dialling) alerts.push(["warm", `${c.title || c.name} is not dialling: ${c.why_not_dialling}`]);
  if (m.webhooks.failing) alerts.push(["warm", `Webhooks fail: ${m.webhooks.failing} (${count(m.webhooks.backlog)} events wait)`]);
  if (m.webhooks.dead) alerts.push(["bad", `Webhooks: ${count(m.webhooks.dead)} events were given up after all retries`]);
  const wanted = JSON.stringify(alerts);
  if ($("alerts").dataset.now === wanted) return;
  $("alerts").dataset.now = wanted;
  $("alerts").replaceChildren(...alerts.map(([tone, words]) => el("p", { class: `strip ${tone}` }, words)));
}

function drawLinks(m) {
  const pills = m.links.map((link) => {
    const lines = link.lines_limit ? ` · ${link.lines_in_use}/${link.lines_limit} lines` : link.up ? ` · ${link.lines_in_use} lines` : "";
    return [link.up ? "pill" : "pill bad", link.up ? `✓ PBX ${link.pbx}${lines}` : `✕ PBX ${link.pbx}`];
  });
  const hooks = m.webhooks;
  const tone = hooks.failing || hooks.dead ? "bad" : hooks.oldest_s > 60 ? "warm" : "";
  pills.push([`pill ${tone}`, `${tone ? "✕" : "✓"} Webhooks · ${count(hooks.backlog)} waiting · ${count(hooks.delivered)} delivered`]);
  reconcile($("links"), pills.map((pill, at) => ({ pill, at })), ({ at }) => String(at), () => ({ node: el("li") }), ({ node }, { pill }) => {
    if (node.className !== pill[0]) node.className = pill[0];
    text(node, pill[1]);
  });
}

function tile(title, extra = "") {
  const big = el("p", { class: "big" });
  const more = el("p", { class: "more" });
  const aside = el("span");
  const node = el("div", { class: `tile ${extra}` }, el("h3", {}, title, aside), big, more);
  return { node, big, more, aside };
}

function makeCampaign() {
  const title = el("h2");
  const state = el("span", { class: "pill" });
  const mode = el("span", { class: "mode" });
  const agents = tile("Agents talking");
  const abandon = tile("Abandon rate", "wide");
  const use = tile("Utilisation");
  const lines = tile("Lines", "wide");
  const left = tile("List left", "full");
  const bar = el("i");
  abandon.more.before(el("div", { class: "gauge", "aria-hidden": "true" }, bar, el("b")));
  const stages = Object.fromEntries(STAGES.map((stage) => [stage, el("i", { class: `s-${stage}` })]));
  const keys = Object.fromEntries(STAGES.map((stage) => [stage, el("b")]));
  lines.more.before(el("div", { class: "stages", "aria-hidden": "true" }, ...Object.values(stages)));
  lines.more.replaceWith(el("ul", { class: "keys" }, ...STAGES.map((s) => el("li", { class: `s-${s}` }, `${STAGE_NAMES[s] ?? s} `, keys[s]))));
  const pacing = el("p", { class: "pacing" });
  const node = el(
    "section", { class: "campaign" },
    el("div", { class: "title" }, title, state, mode),
    el("div", { class: "tiles" }, agents.node, abandon.node, use.node, lines.node, left.node),
    pacing,
  );
  return { node, title, state, mode, agents, abandon, use, lines, left, bar, stages, keys, pacing };
}

const figure = (node, value, unit = "") => {
  const wanted = `${value}|${unit}`;
  if (node.dataset.now === wanted) return;
  node.dataset.now = wanted;
  node.replaceChildren(value, ...(unit ? [el("small", {}, unit)] : []));
};

function drawCampaign(at, c) {
  text(at.title, c.title || c.name);
  const stopped = c.why_not_dialling !== "";
  at.state.className = `pill ${stopped ? "warm" : c.state === "running" ? "" : "quiet"}`;
  text(at.state, stopped ? `${c.state} · not dialling` : c.state);
  text(at.mode, `${c.mode} · ${count(c.calls)} calls · ${count(c.connects)} connected`);

  const here = Object.entries(c.agents).filter(([state]) => state !== "logged out");
  const all = here.reduce((sum, [, number]) => sum + number, 0);
  const n = (state) => c.agents[state] ?? 0;
  figure(at.agents.big, String(n("talk")), `of ${all}`);
  text(at.agents.more, `${n("ready")} ready · ${n("wrap-up")} wrap-up · ${n("break")} break`);

  const a = c.abandon;
  const tone = a.rate > a.limit ? "bad" : a.live && a.rate > 0.85 * a.limit ? "warm" : "good";
  at.abandon.node.dataset.tone = tone;
  figure(at.abandon.big, percent(a.rate, 2));
  text(at.abandon.aside, `limit ${Number((100 * a.limit).toFixed(2))} %`);
  at.bar.style.width = `${Math.min(100, a.limit ? (75 * a.rate) / a.limit : 0)}%`;
  const budget = a.budget_left < 0 ? `${count(-a.budget_left)} over the limit` : `${count(a.budget_left)} more allowed`;
  text(at.abandon.more, `${budget} · ${count(a.abandoned)} of ${count(a.live)} live${a.window ? ` · ${a.window}` : ""}`);

  figure(at.use.big, c.utilisation == null ? "–" : percent(c.utilisation, 0));
  const waits = [];
  if (c.agent_wait_mean_s != null) waits.push(`agents wait ${c.agent_wait_mean_s.toFixed(1)} s`);
  if (c.caller_wait_mean_s != null) waits.push(`callers ${Math.max(0, c.caller_wait_mean_s).toFixed(2)} s`);
  text(at.use.more, waits.join(" · ") || "nothing measured yet");

  const total = STAGES.reduce((sum, stage) => sum + c.lines[stage], 0);
  figure(at.lines.big, String(total), c.lines.limit ? `of ${c.lines.limit}` : "");
  for (const stage of STAGES) {
    at.stages[stage].style.flexGrow = c.lines[stage];
    text(at.keys[stage], c.lines[stage]);
  }

  const verdicts = Object.entries(c.leads);
  const left = verdicts.reduce((sum, [verdict, number]) => (verdict === "done" ? sum : sum + number), 0);
  figure(at.left.big, count(left));
  text(at.left.more, verdicts.length ? verdicts.map(([verdict, number]) => `${count(number)} ${verdict}`).join(" · ") : "no list");

  show(at.pacing, c.pacing != null);
  if (c.pacing) text(at.pacing, `Pacing: ${c.pacing.reason}`);
}

function drawAgents() {
  const byState = new Map();
  for (const row of rows.values()) byState.set(row.state, (byState.get(row.state) ?? 0) + 1);
  const known = [...STATES.filter((s) => byState.has(s)), ...[...byState.keys()].filter((s) => !STATES.includes(s))];
  reconcile($("states"), known, (s) => s, (s) => ({ node: el("li", { class: tint(s) }) }), ({ node }, s) => text(node, `${byState.get(s)} ${s}`));

  const order = new Map(known.map((state, at) => [state, at]));
  const sorted = [...rows.values()].sort((x, y) => x.name.localeCompare(y.name, undefined, { numeric: true }) || order.get(x.state) - order.get(y.state)).slice(0, SHOWN_MAX);
  tiles.clear();
  reconcile($("agents"), sorted, (row) => row.agent, makeAgent, (made, row) => {
    made.node.className = `agent ${tint(row.state)}`;
    text(made.name, row.name || row.agent);
    made.name.title = row.name || row.agent;
    text(made.what.firstChild, row.state === "break" && row.reason ? `break: ${row.reason}` : row.state);
    text(made.what.lastChild, row.screen ? "" : " · no screen");
    tiles.set(row.agent, { clock: made.clock, since: row.since });
  });
}

function makeAgent() {
  const name = el("strong");
  const clock = el("span", { class: "clock" });
  const what = el("span", { class: "what" }, el("span"), el("em"));
  return { node: el("li", {}, name, clock, what), name, clock, what };
}

const tint = (state) => `t-${state.replaceAll(" ", "-")}`;

let utc = NaN;
let utcAt = 0;
function tick() {
  if (!link) return;
  const now = link.clock.now();
  for (const { clock, since } of tiles.values()) text(clock, duration(now - since));
  if (utc) text($("time"), new Date(utc + (now - utcAt) * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
}
setInterval(tick, 500);

begin();
