// The panel's scripts under node: what the CRM is told of a call, and what a click does.

import assert from "node:assert/strict";
import test from "node:test";

import * as dynamics from "../../dialer/web/panel/dynamics.js";
import { Follower } from "../../dialer/web/panel/follow.js";
import * as hubspot from "../../dialer/web/panel/hubspot.js";
import { Link } from "../../dialer/web/panel/link.js";
import * as salesforce from "../../dialer/web/panel/salesforce.js";
import { Dynamics, HubSpot, Salesforce } from "./mocks.mjs";

const pause = (ms = 20) => new Promise((resolve) => setTimeout(resolve, ms));

function call(more = {}) {
  return {
    attempt: "od-1-c7", connected_at: null, ended_at: null, disposition: "",
    lead: { lead_id: 5, phone: "+12025550100", external_id: "", name: "Ada Example", attempt_no: 1, fields: {} },
    dispositions: [{ code: "done", label: "Done", requires: [] }],
    ...more,
  };
}

const lead = (external_id) => ({ lead: { ...call().lead, external_id } });

// A call's whole life, as the pictures tell it; some come twice.
function live(follower, more) {
  follower.picture({ call: null });
  follower.picture({ call: call(more) });
  follower.picture({ call: call(more) });
  follower.picture({ call: call({ ...more, connected_at: 100 }) });
  // In wrap-up nobody is connected any more, and the word that ends it stands beside the call.
  follower.picture({ call: call({ ...more, ended_at: 161.4 }), said: { attempt: "od-1-c6", code: "x" } });
  follower.picture({ call: null, said: { attempt: "od-1-c7", code: "done" } });
  follower.picture({ call: null, said: { attempt: "od-1-c7", code: "done" } });
}

function stage(adapter, host, log = true) {
  const dialled = [];
  const trouble = [];
  const made = adapter.create(host, { onDial: (whom) => dialled.push(whom), onTrouble: (t) => trouble.push(t), log });
  return { made, dialled, trouble, follower: new Follower(made) };
}

test("Salesforce: the record pops once, and one task has it all", () => {
  const host = new Salesforce();
  const { follower, trouble } = stage(salesforce, host);
  live(follower, lead("003xx000004TmiQAAS"));
  assert.deepEqual(host.asked,
    ["enableClickToDial", "setSoftphonePanelVisibility", "screenPop", "saveLog", "refreshView"]);
  assert.deepEqual(host.tasks, [{
    entityApiName: "Task", Subject: "Call with Ada Example", Status: "Completed", TaskSubtype: "Call",
    CallType: "Outbound", CallObject: "od-1-c7", CallDurationInSeconds: 61, CallDisposition: "Done",
    WhoId: "003xx000004TmiQAAS",
  }]);
  assert.deepEqual(trouble, []);
});

test("Salesforce: who is not known by id is searched for by number", () => {
  const host = new Salesforce();
  live(stage(salesforce, host).follower, lead("acc 1"));
  assert.ok(host.asked.includes("searchAndScreenPop"));
  assert.equal(host.tasks[0].WhoId, undefined);
});

test("Salesforce: a click dials, a refusal is told, a log that is off is off", () => {
  const host = new Salesforce();
  const { dialled, trouble, follower } = stage(salesforce, host, false);
  host.click("+12025550111", "003xx000004TmiQAAS");
  assert.deepEqual(dialled, [{ phone: "+12025550111", externalId: "003xx000004TmiQAAS" }]);
  host.refuses = true;
  live(follower);
  assert.equal(host.tasks.length, 0);
  assert.ok(trouble.includes("Salesforce refused the screen pop."));
});

test("HubSpot: a call goes through all its states, and the engagement gets its end", async () => {
  const host = new HubSpot();
  const { follower, trouble } = stage(hubspot, host);
  await pause();
  live(follower, lead("512"));
  await pause();
  assert.deepEqual(host.asked,
    ["initialized", "outgoingCall", "navigateToRecord", "answered", "ended", "completed"]);
  assert.equal(host.calls.get("od-1-c7").properties.hs_call_duration, "61000");
  assert.deepEqual(trouble, []);
});

test("HubSpot: without an engagement nothing is completed, and somebody is told", async () => {
  const host = new HubSpot();
  host.refuses = true;
  const { follower, trouble } = stage(hubspot, host);
  await pause();
  live(follower);
  await pause();
  assert.ok(!host.asked.includes("completed"));
  assert.deepEqual(trouble, ["HubSpot made no record of the call."]);
});

test("HubSpot: a click dials", async () => {
  const host = new HubSpot();
  const { dialled } = stage(hubspot, host);
  await pause();
  host.click("+12025550111", 512);
  assert.deepEqual(dialled, [{ phone: "+12025550111", externalId: "512" }]);
});

test("Dynamics: nothing is asked before the framework is ready, and nothing is lost", async () => {
  const host = new Dynamics();
  const { follower, dialled } = stage(dynamics, host);
  live(follower);
  await pause();
  assert.deepEqual(host.asked, []);
  host.initialise();
  await pause();
  assert.deepEqual(host.asked.sort(),
    ["addHandler", "createRecord", "searchAndOpenRecords", "setClickToAct", "setMode"]);
  assert.equal(host.records[0].actualdurationminutes, 2);
  await host.click("+12025550111", "");
  assert.deepEqual(dialled, [{ phone: "+12025550111", externalId: "" }]);
});

test("Dynamics: a known contact's form opens and the call is about it", async () => {
  const id = "00000000-0000-0000-0000-000000000001";
  const host = new Dynamics();
  const { follower } = stage(dynamics, host);
  host.initialise();
  await pause();
  live(follower, lead(id));
  await pause();
  assert.ok(host.asked.includes("openForm"));
  assert.equal(host.records[0]["regardingobjectid_contact_phonecall@odata.bind"], `/contacts(${id})`);
});

test("a call that is seen for the first time when it is over is told whole and once", () => {
  const host = new Salesforce();
  const { follower } = stage(salesforce, host);
  follower.picture({ call: call({ connected_at: 1, ended_at: 2 }) });
  follower.picture({ call: call({ attempt: "od-1-c8" }) });
  assert.equal(host.tasks.length, 1);
  assert.equal(host.asked.filter((name) => name === "searchAndScreenPop").length, 2);
});

test("after a reload of the page the CRM hears nothing twice", () => {
  let kept = {};
  const host = new Salesforce();
  const { made } = stage(salesforce, host);
  new Follower(made, kept, (now) => { kept = structuredClone(now); }).picture({ call: call() });
  const again = new Follower(made, kept);
  again.picture({ call: call({ connected_at: 5 }) });
  again.picture({ call: null });
  assert.equal(host.asked.filter((name) => name === "searchAndScreenPop").length, 1);
  assert.equal(host.tasks.length, 1);
});

// --- the WebSocket ---------------------------------------------------------------------------------

class Socket {
  constructor() { this.sent = []; this.readyState = 1; }
  send(text) { this.sent.push(JSON.parse(text)); }
  close() { this.onclose({ code: 1000 }); }
  tell(message) { this.onmessage({ data: JSON.stringify(message) }); }
}

function linked() {
  const it = { sockets: [], waits: [], pictures: [], states: [], gone: 0 };
  const timers = {
    setTimeout: (work, ms) => { it.waits.push({ work, ms }); return it.waits.length - 1; },
    clearTimeout: (n) => { it.waits[n].work = () => {}; },
  };
  it.link = new Link("ws://x", "tok", {
    onPicture: (one) => it.pictures.push(one), onState: (yes) => it.states.push(yes),
    onGone: () => it.gone++, timers,
    socket: () => { const one = new Socket(); it.sockets.push(one); return one; },
  });
  it.link.open();
  it.sockets[0].onopen();
  return it;
}

test("the link says hello, answers pings, takes no older picture, and says where it was", () => {
  const it = linked();
  const [first] = it.sockets;
  first.tell({ type: "welcome" });
  first.tell({ type: "ping" });
  first.tell({ type: "agent", epoch: "e", seq: 5, agent: { n: 5 } });
  first.tell({ type: "agent", epoch: "e", seq: 4, agent: { n: 4 } });
  assert.deepEqual(first.sent, [{ type: "hello", token: "tok", epoch: "", seq: 0 }, { type: "pong" }]);
  assert.deepEqual(it.pictures, [{ n: 5 }]);
  first.onclose({ code: 1006 });
  it.waits.at(-1).work();
  it.sockets[1].onopen();
  assert.deepEqual(it.sockets[1].sent, [{ type: "hello", token: "tok", epoch: "e", seq: 5 }]);
  it.sockets[1].onclose({ code: 4401 });
  assert.equal(it.gone, 1);
});

test("a command ends with the server's word, or with the connection", async () => {
  const it = linked();
  const [first] = it.sockets;
  const good = it.link.command({ type: "hangup" });
  first.tell({ type: "ack", id: "1" });
  await good;
  const bad = it.link.command({ type: "dial" });
  first.tell({ type: "refused", id: "2", status: 404, detail: "No.", mend: "Yes." });
  await assert.rejects(bad, { message: "No. Yes.", status: 404 });
  const lost = it.link.command({ type: "hangup" });
  first.onclose({ code: 1006 });
  await assert.rejects(lost, /connection/);
});
