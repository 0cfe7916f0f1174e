// The agent's page. It draws what the server's picture says and sends what the agent presses.

import { $, el, text, show, duration, sentence } from "./dom.js";
import { Link } from "./link.js";

const TOKEN = "overdial.agent.token";
const HOTKEYS = "overdial.hotkeys";

const IDLE = {
  "signing on": ["Your phone rings", "Pick up and stay on the line."],
  ready: ["Ready", "The next call arrives by itself, after a short beep."],
  reserved: ["A call is coming", "You are being connected."],
  break: ["On a break", "Choose Ready when you are back."],
  "phone lost": ["Your phone hung up", "Choose Ready: it rings again."],
  leaving: ["Logging out", ""],
  unknown: ["One moment", "The telephone system is being asked where your line stands."],
};
const STATES = { talk: "On a call", "wrap-up": "Wrap-up", "signing on": "Signing on" };

let link = null;
let agent = null; // the newest picture
let chosen = ""; // disposition that waits for its fields or its confirmation
let drawn = ""; // attempt and offers the buttons were made for

// --- session --------------------------------------------------------------------------------------

function begin() {
  const token = sessionStorage.getItem(TOKEN);
  show($("login"), !token);
  show($("desk"), false);
  if (!token) return $("login-agent").focus();
  link = new Link("/v1/agent/ws", token, {
    picture: (message) => draw(message.agent),
    connected: (up) => show($("lost"), !up),
    ended: end,
  });
}

function end(reason) {
  sessionStorage.removeItem(TOKEN);
  link = agent = null;
  drawn = chosen = "";
  clearCall();
  loginError(reason === "logged out" ? "" : `Logged out: ${reason}.`);
  begin();
}

function loginError(message) {
  text($("login-error"), message);
  show($("login-error"), message !== "");
}

$("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  loginError("");
  $("login-button").disabled = true;
  try {
    const answer = await fetch("/v1/agents/login", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ agent: $("login-agent").value.trim(), password: $("login-password").value }),
    });
    const body = await answer.json();
    if (!answer.ok) return loginError(words(body));
    sessionStorage.setItem(TOKEN, body.token);
    $("login-password").value = "";
    begin();
  } catch {
    loginError("The server does not answer. Is it running?");
  } finally {
    $("login-button").disabled = false;
  }
});

const words = (problem) =>
  [problem.detail, ...(problem.errors ?? []).map((e) => `${sentence(e.field)}: ${e.message}.`), problem.mend]
    .filter(Boolean)
    .join(" ");

// --- drawing --------------------------------------------------------------------------------------

function draw(next) {
  const before = agent;
  agent = next;
  show($("login"), false);
  show($("desk"), true);
  text($("who-name"), agent.name || agent.agent);
  text($("who-more"), [/^\d/.test(agent.phone) ? `phone ${agent.phone}` : agent.phone, agent.campaigns.join(", ")].filter(Boolean).join(" · "));
  text($("notice"), agent.notice);
  show($("notice"), agent.notice !== "");
  $("state").dataset.state = agent.state;
  text($("state-text"), stateText());
  drawStatus();
  drawIdle();
  drawCall(before?.call);
  tick();
}

function stateText() {
  const name = STATES[agent.state] ?? sentence(agent.state);
  const reason = agent.state === "break" && agent.reason ? `: ${agent.reason}` : "";
  const busy = agent.call != null || agent.state === "reserved";
  const queued = busy && agent.status !== "ready" ? ` · ${agent.status}${agent.reason ? ` (${agent.reason})` : ""} after this call` : "";
  return name + reason + queued;
}

function drawStatus() {
  $("choose-ready").setAttribute("aria-pressed", String(agent.status === "ready"));
  $("breaks").classList.toggle("chosen", agent.status === "break");
  const reasons = agent.break_reasons.length ? agent.break_reasons : [""];
  const key = reasons.join("\n");
  if ($("break-list").dataset.key === key) return;
  $("break-list").dataset.key = key;
  $("break-list").replaceChildren(
    ...reasons.map((reason) =>
      el("li", {}, el("button", { onclick: () => choose("break", reason) }, reason ? sentence(reason) : "Break")),
    ),
  );
}

function drawIdle() {
  show($("idle"), agent.call == null);
  show($("call"), agent.call != null);
  const [title, more] = IDLE[agent.state] ?? [sentence(agent.state), ""];
  text($("idle-title"), agent.state === "break" && agent.reason ? `${title}: ${agent.reason}` : title);
  text($("idle-text"), more);
}

function drawCall(before) {
  const call = agent.call;
  document.title = call ? `${call.ended_at ? "Wrap-up" : "On a call"} · Overdial` : `${stateText()} · Overdial`;
  if (!call) return clearCall();
  const lead = call.lead;
  text($("lead-campaign"), call.campaign);
  text($("lead-attempt"), lead.attempt_no);
  text($("lead-name"), lead.name || lead.external_id || `Account ${lead.lead_id}`);
  text($("lead-phone"), lead.phone);
  $("hangup").disabled = call.ended_at != null;
  const key = JSON.stringify([call.attempt, call.dispositions, lead.fields]);
  if (key !== drawn) {
    if (before?.attempt !== call.attempt) clearCall();
    drawn = key;
    const rows = Object.entries({ ...(lead.external_id && { account: lead.external_id }), ...lead.fields });
    $("lead-fields").replaceChildren(...rows.map(([name, value]) => el("div", {}, el("dt", {}, sentence(name)), el("dd", {}, value))));
    $("offers").replaceChildren(...call.dispositions.map(offerButton));
    $("callback-zone").textContent = `Your time (${Intl.DateTimeFormat().resolvedOptions().timeZone})`;
  }
  if (before?.attempt !== call.attempt) {
    text($("announce"), `Call from ${$("lead-name").textContent}`);
    for (const part of $("call").children) {
      part.classList.remove("pop");
      void part.offsetWidth; // start the animation again
      part.classList.add("pop");
    }
    if (!document.activeElement || document.activeElement === document.body) $("lead-name").focus({ preventScroll: true });
  }
  drawOffers();
}

function offerButton(offer) {
  const hints = offer.requires.map((name) => (name === "callback_at" ? "time" : name));
  return el(
    "li",
    {},
    el(
      "button",
      { type: "button", "data-code": offer.code, "aria-pressed": "false", "aria-keyshortcuts": offer.hot_key || false, onclick: () => press(offer) },
      offer.hot_key ? el("kbd", {}, offer.hot_key) : null,
      el("span", {}, offer.label),
      hints.length ? el("small", {}, `needs ${hints.join(" and ")}`) : null,
    ),
  );
}

function drawOffers() {
  const call = agent.call;
  for (const button of $("offers").querySelectorAll("button")) {
    const code = button.dataset.code;
    const offer = call.dispositions.find((each) => each.code === code);
    const on = code === (chosen || call.disposition);
    button.setAttribute("aria-pressed", String(on));
    button.classList.toggle("sure", code === chosen && offer.confirm);
  }
  const offer = call.dispositions.find((each) => each.code === chosen);
  show($("callback-box"), offer?.requires.includes("callback_at") ?? false);
  show($("save"), offer != null);
  if (offer) text($("save"), offer.confirm ? `Yes, ${offer.label.toLowerCase()}` : `Save: ${offer.label}`);
}

function clearCall() {
  drawn = chosen = "";
  $("note").value = $("callback").value = "";
  for (const id of ["note", "callback"]) $(id).removeAttribute("aria-invalid");
  text($("announce"), "");
  disposeError("");
}

function disposeError(message) {
  text($("dispose-error"), message);
  show($("dispose-error"), message !== "");
}

function tick() {
  if (!agent || !link) return;
  const now = link.clock.now();
  text($("state-clock"), duration(now - agent.since));
  const call = agent.call;
  if (!call) return;
  const over = call.ended_at != null;
  const limit = call.wrap_up_limit_s;
  const left = over ? call.ended_at + limit - now : limit;
  show($("wrap-bar"), over && limit > 0);
  $("wrap-bar").firstElementChild.style.width = `${Math.max(0, Math.min(100, (100 * left) / limit || 0))}%`;
  text($("call-label"), over ? (limit ? "Wrap-up ends in" : "Wrap-up") : "Talking");
  text($("call-clock"), duration(over ? (limit ? left : now - call.ended_at) : now - (call.connected_at ?? now)));
}
setInterval(tick, 250);

// --- commands -------------------------------------------------------------------------------------

async function command(type, fields) {
  const answer = await link.send(type, fields);
  if (answer.type === "refused" && agent) {
    text($("notice"), words(answer));
    show($("notice"), true);
  }
  return answer;
}

function choose(status, reason = "") {
  $("breaks").open = false;
  return command("status", { status, reason });
}

$("choose-ready").addEventListener("click", () => choose("ready"));
$("choose-out").addEventListener("click", () => choose("logged out"));
$("hangup").addEventListener("click", () => command("hangup"));
document.addEventListener("click", (event) => $("breaks").contains(event.target) || ($("breaks").open = false));

function press(offer) {
  const again = chosen === offer.code;
  chosen = offer.code;
  disposeError("");
  drawOffers();
  const missing = firstMissing(offer, false);
  if (missing) return missing.focus();
  if (offer.confirm && !again) return text($("announce"), `Press again to confirm: ${offer.label}`);
  save();
}

function firstMissing(offer, mark = true) {
  const fields = { callback_at: $("callback"), note: $("note") };
  let first = null;
  for (const [name, field] of Object.entries(fields)) {
    const missing = offer.requires.includes(name) && !field.value.trim();
    field.removeAttribute("aria-invalid");
    if (missing) first ??= field;
    if (missing && mark) field.setAttribute("aria-invalid", "true");
  }
  return first;
}

async function save() {
  const call = agent?.call;
  const offer = call?.dispositions.find((each) => each.code === chosen);
  if (!offer) return;
  const missing = firstMissing(offer);
  if (missing) {
    disposeError(missing === $("callback") ? "Choose when to call back." : "Write a note first.");
    return missing.focus();
  }
  const answer = await link.send("dispose", {
    attempt: call.attempt,
    code: offer.code,
    callback_at: offer.requires.includes("callback_at") ? zoned($("callback").value) : "",
    note: $("note").value.trim(),
  });
  if (answer.type === "refused") return disposeError(words(answer));
  if (agent?.call?.attempt === call.attempt) {
    chosen = "";
    disposeError("");
    drawOffers();
  }
}

// "2026-11-23T09:30" in this browser's zone -> with its offset at that moment.
function zoned(local) {
  if (!local) return "";
  const minutes = -new Date(local).getTimezoneOffset();
  const sign = minutes < 0 ? "-" : "+";
  const two = (number) => String(Math.abs(number)).padStart(2, "0");
  return `${local}${local.length === 16 ? ":00" : ""}${sign}${two(Math.trunc(minutes / 60))}:${two(minutes % 60)}`;
}

$("extra").addEventListener("submit", (event) => {
  event.preventDefault();
  save();
});

// --- hot keys -------------------------------------------------------------------------------------

$("hotkeys").checked = localStorage.getItem(HOTKEYS) !== "off";
$("hotkeys").addEventListener("change", (event) => localStorage.setItem(HOTKEYS, event.target.checked ? "on" : "off"));

addEventListener("keydown", (event) => {
  if (!agent || !$("hotkeys").checked || event.ctrlKey || event.metaKey || event.repeat) return;
  if (event.key === "Escape") return void ($("breaks").open = false);
  const typing = event.target.matches("textarea, select, input:not([type=checkbox])");
  if (typing && !event.altKey) return;
  const digit = /^Digit([1-9])$/.exec(event.code)?.[1];
  const offer = digit && agent.call?.dispositions.find((each) => each.hot_key === digit);
  const letter = event.key.toLowerCase();
  if (offer) press(offer);
  else if (letter === "h" && agent.call && agent.call.ended_at == null) command("hangup");
  else if (letter === "r") choose("ready");
  else if (letter === "b") {
    $("breaks").open = true;
    $("break-list").querySelector("button").focus();
  } else return;
  event.preventDefault();
});

begin();
