// The vendors' panel APIs, as far as we use them, with the shapes their documentation asks for:
// what does not fit throws, as it would fail in the CRM.

import assert from "node:assert/strict";

function fields(value, needed, allowed = []) {
  const names = Object.keys(value);
  for (const name of needed) assert.ok(names.includes(name), `missing ${name}`);
  for (const name of names) assert.ok([...needed, ...allowed].includes(name), `unknown ${name}`);
}

const WRITABLE = [ // of a Task
  "Subject", "Status", "TaskSubtype", "CallType", "CallObject", "CallDurationInSeconds",
  "CallDisposition", "WhoId", "WhatId", "Description",
];

export class Salesforce {
  constructor() {
    this.asked = [];
    this.tasks = [];
    this.listener = null;
    this.refuses = false;
    const cti = {
      SCREENPOP_TYPE: { SOBJECT: "sobject", SEARCH: "search" },
      CALL_TYPE: { OUTBOUND: "outbound", INBOUND: "inbound", INTERNAL: "internal" },
      enableClickToDial: (said) => this.take("enableClickToDial", said, ["callback"]),
      onClickToDial: (said) => {
        fields(said, ["listener"]);
        this.listener = said.listener;
      },
      setSoftphonePanelVisibility: (said) => {
        assert.equal(typeof said.visible, "boolean");
        this.take("setSoftphonePanelVisibility", said, ["visible", "callback"]);
      },
      screenPop: (said) => {
        assert.equal(said.type, "sobject");
        assert.match(said.params.recordId, /^[A-Za-z0-9]{15,18}$/);
        this.take("screenPop", said, ["type", "params", "callback"]);
      },
      searchAndScreenPop: (said) => {
        assert.equal(said.callType, "outbound");
        assert.equal(typeof said.deferred, "boolean");
        this.take("searchAndScreenPop", said,
          ["searchParams", "queryParams", "callType", "deferred", "callback"]);
      },
      saveLog: (said) => {
        fields(said, ["value", "callback"]);
        fields(said.value, ["entityApiName"], WRITABLE);
        assert.ok(Number.isInteger(said.value.CallDurationInSeconds));
        assert.ok(said.value.CallDisposition.length <= 255);
        assert.ok(["Outbound", "Inbound", "Internal"].includes(said.value.CallType));
        this.tasks.push(said.value);
        this.take("saveLog", said, ["value", "callback"]);
      },
      refreshView: (said) => this.take("refreshView", said, ["callback"]),
    };
    this.sforce = { opencti: cti };
  }

  take(name, said, needed) {
    fields(said, needed);
    this.asked.push(name);
    said.callback({ success: !this.refuses, returnValue: {}, errors: [] });
  }

  click(number, recordId) {
    this.listener({ number, recordId, objectType: "Contact", recordName: "x" });
  }
}

export class HubSpot {
  constructor() {
    const world = this;
    this.asked = [];
    this.calls = new Map(); // externalCallId -> what is known
    this.ready = false;
    this.refuses = false;
    this.CallingExtensions = class {
      constructor(options) {
        fields(options, ["eventHandlers"], ["debugMode"]);
        world.handlers = options.eventHandlers;
        queueMicrotask(() => world.handlers.onReady({ portalId: 77, ownerId: 1 }));
      }
      initialized(said) {
        fields(said, ["isLoggedIn"], ["sizeInfo", "isAvailable", "engagementId"]);
        world.ready = true;
        world.asked.push("initialized");
      }
      outgoingCall(said) {
        assert.ok(world.ready, "not initialized");
        fields(said, ["externalCallId", "toNumber", "callStartTime", "createEngagement"], ["fromNumber"]);
        assert.match(said.toNumber, /^\+\d+$/);
        assert.ok(Number.isInteger(said.callStartTime));
        assert.ok(!world.calls.has(said.externalCallId), "started twice");
        world.calls.set(said.externalCallId, { state: "started" });
        world.asked.push("outgoingCall");
        if (!said.createEngagement) return;
        const told = { externalCallId: said.externalCallId, engagementId: 900 + world.calls.size };
        setTimeout(() => world.refuses
          ? world.handlers.onCreateEngagementFailed(told)
          : world.handlers.onCreateEngagementSucceeded(told), 5);
      }
      callAnswered(said) {
        fields(said, ["externalCallId"]);
        world.step(said.externalCallId, ["started"], "answered");
      }
      callEnded(said) {
        fields(said, ["externalCallId", "callEndStatus"], ["engagementId"]);
        assert.ok(["COMPLETED", "NO_ANSWER", "BUSY", "FAILED", "CANCELED", "REJECTED", "MISSED"]
          .includes(said.callEndStatus));
        world.step(said.externalCallId, ["started", "answered"], "ended");
      }
      callCompleted(said) {
        fields(said, ["engagementId", "externalCallId"], ["hideWidget", "engagementProperties"]);
        assert.ok(said.engagementId > 900);
        for (const value of Object.values(said.engagementProperties)) assert.equal(typeof value, "string");
        world.step(said.externalCallId, ["ended"], "completed", said.engagementProperties);
      }
      navigateToRecord(said) {
        fields(said, ["objectCoordinates"]);
        fields(said.objectCoordinates, ["portalId", "objectTypeId", "objectId"]);
        assert.ok(Number.isInteger(said.objectCoordinates.objectId));
        world.asked.push("navigateToRecord");
      }
    };
  }

  step(id, from, to, properties) {
    const call = this.calls.get(id);
    assert.ok(call && from.includes(call.state), `${to} of a call that is ${call?.state}`);
    call.state = to;
    call.properties = properties;
    this.asked.push(to);
  }

  click(number, objectId) {
    this.handlers.onDialNumber({ phoneNumber: number, objectId, objectType: "CONTACT", portalId: 77 });
  }
}

export class Dynamics extends EventTarget {
  constructor() {
    super();
    this.asked = [];
    this.records = [];
    this.refuses = false;
    this.handlers = {};
    this.Microsoft = {};
  }

  // The library is loaded: only now there is anything to call.
  initialise() {
    const tell = (name) => {
      this.asked.push(name);
      return this.refuses ? Promise.reject(new Error("no")) : Promise.resolve("{}");
    };
    this.Microsoft.CIFramework = {
      setClickToAct: (on) => {
        assert.equal(on, true);
        return tell("setClickToAct");
      },
      addHandler: (name, handler) => {
        this.handlers[name] = handler;
        return tell("addHandler");
      },
      setMode: (mode) => {
        assert.ok([0, 1].includes(mode));
        return tell("setMode");
      },
      openForm: (text) => {
        fields(JSON.parse(text), ["entityName", "entityId"]);
        return tell("openForm");
      },
      searchAndOpenRecords: (entity, query, searchOnly) => {
        assert.equal(entity, "contact");
        assert.match(query, /^\?\$select=[a-z0-9,]+&\$search=%2B\d+$/);
        assert.equal(typeof searchOnly, "boolean");
        return tell("searchAndOpenRecords");
      },
      createRecord: (entity, text) => {
        assert.equal(entity, "phonecall");
        const record = JSON.parse(text);
        fields(record, ["subject", "phonenumber", "directioncode"],
          ["actualdurationminutes", "description", "regardingobjectid_contact_phonecall@odata.bind"]);
        this.records.push(record);
        return tell("createRecord");
      },
    };
    this.dispatchEvent(new Event("CIFInitDone"));
  }

  click(number, entityId) {
    return this.handlers.onclicktoact(
      JSON.stringify({ value: number, name: "x", format: "Phone", entityLogicalName: "contact", entityId }));
  }
}
