// The agent's phone inside a CRM: signs in, follows the agent's picture, and tells the CRM.

import * as dynamics from "./dynamics.js";
import { Follower } from "./follow.js";
import * as hubspot from "./hubspot.js";
import { Link } from "./link.js";
import * as salesforce from "./salesforce.js";

const ADAPTERS = { dynamics, hubspot, salesforce };
const KEPT = "overdial-panel"; // the token, for this tab; a frame of another site has no cookie
const TOLD = "overdial-panel-told"; // what the CRM knows of the call under way

// A browser may deny a frame of another site all storage (it does when third-party cookies are
// blocked): then what is kept lasts as long as the page.
function storage() {
  try {
    sessionStorage.getItem(KEPT);
    return sessionStorage;
  } catch {
    const held = new Map();
    return {
      getItem: (name) => held.get(name) ?? null,
      setItem: (name, text) => held.set(name, text),
      removeItem: (name) => held.delete(name),
    };
  }
}

const at = (id) => document.getElementById(id);
const kept = storage();
const crm = document.body.dataset.crm;
const settings = { log: document.body.dataset.log === "yes", onDial: dial, onTrouble: notice };
let link = null;
let agent = null;
let follower = null;

function notice(words) {
  at("notice").textContent = words;
}

async function signIn(event) {
  event.preventDefault();
  const form = new FormData(at("sign-in"));
  const answer = await fetch("/v1/agents/login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(Object.fromEntries(form)),
  });
  const told = await answer.json();
  if (!answer.ok) {
    notice([told.detail, told.mend].filter(Boolean).join(" "));
    return;
  }
  at("sign-in").reset();
  kept.setItem(KEPT, told.token);
  begin(told.token);
}

function begin(token) {
  notice("");
  at("sign-in").hidden = true;
  at("phone").hidden = false;
  const url = new URL("/v1/agent/ws", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  link = new Link(url.href, token, { onPicture: draw, onState: connected, onGone: end });
  link.open();
}

function end() {
  link?.close();
  link = null;
  kept.removeItem(KEPT);
  at("phone").hidden = true;
  at("sign-in").hidden = false;
}

function connected(yes) {
  notice(yes ? "" : "The connection is lost; trying again.");
}

function send(message) {
  notice("");
  link?.command(message).catch((error) => notice(error.message));
}

// Somebody clicked a number in the CRM.
function dial({ phone, externalId }) {
  const campaign = agent?.campaigns[0];
  if (!campaign) {
    notice("Sign in first.");
    return;
  }
  notice("");
  const wanted = { type: "dial", campaign, phone: phone ?? "", external_id: externalId };
  link.command(wanted).catch((error) => {
    // A record of the CRM that is no lead of ours: the number alone will do.
    if (error.status === 404 && phone && externalId) send({ ...wanted, external_id: "" });
    else notice(error.message);
  });
}

function draw(picture) {
  agent = picture;
  show(picture);
  try {
    follower?.picture(picture);
  } catch (error) {
    notice(error.message); // the CRM's trouble; the phone goes on
  }
}

function show(picture) {
  at("state").textContent = picture.reason ? `${picture.state}: ${picture.reason}` : picture.state;
  if (picture.notice) notice(picture.notice);
  at("ready").disabled = picture.status === "ready";
  at("break").disabled = picture.status === "break";
  const call = picture.call;
  at("call").hidden = call === null;
  if (call === null) return;
  at("who").textContent = call.lead.name || call.lead.phone;
  at("stage").textContent = call.ended_at === null ? call.stage : "ended";
  at("hang-up").disabled = call.ended_at !== null;
  at("codes").replaceChildren(...call.dispositions.filter((one) => one.requires.length === 0).map((one) => code(call, one)));
}

function code(call, one) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = one.label;
  button.setAttribute("aria-pressed", String(call.disposition === one.code));
  button.onclick = () => send({ type: "dispose", attempt: call.attempt, code: one.code });
  const item = document.createElement("li");
  item.append(button);
  return item;
}

at("sign-in").addEventListener("submit", signIn);
at("ready").onclick = () => send({ type: "status", status: "ready" });
at("break").onclick = () => send({ type: "status", status: "break", reason: agent?.break_reasons[0] ?? "" });
at("leave").onclick = () => send({ type: "status", status: "logged out" });
at("hang-up").onclick = () => send({ type: "hangup" });

try {
  const told = JSON.parse(kept.getItem(TOLD) ?? "{}");
  const keep = (now) => kept.setItem(TOLD, JSON.stringify(now));
  follower = new Follower(ADAPTERS[crm].create(window, settings), told, keep);
} catch (error) {
  notice(error.message);
}
const token = kept.getItem(KEPT);
if (token) begin(token);
else at("sign-in").hidden = false;
