// Salesforce Open CTI in Lightning: `sforce.opencti`, from the script that the site names.
// https://developer.salesforce.com/docs/atlas.en-us.api_cti.meta/api_cti/

const ID = /^[A-Za-z0-9]{15}([A-Za-z0-9]{3})?$/; // of a record

export function create(host, { onDial, onTrouble, log }) {
  const cti = host.sforce?.opencti;
  if (!cti) throw new Error("Open CTI is not there: is web.panels.salesforce.script right?");
  const done = (what) => (response) => {
    if (!response.success) onTrouble(`Salesforce refused ${what}.`);
  };
  cti.enableClickToDial({ callback: done("click-to-dial") });
  cti.onClickToDial({
    listener: (clicked) => onDial({ phone: clicked.number, externalId: clicked.recordId ?? "" }),
  });
  return {
    started() {
      cti.setSoftphonePanelVisibility({ visible: true, callback: done("to show the phone") });
    },
    pop(call) {
      if (ID.test(call.externalId)) {
        cti.screenPop({
          type: cti.SCREENPOP_TYPE.SOBJECT,
          params: { recordId: call.externalId },
          callback: done("the screen pop"),
        });
      } else {
        cti.searchAndScreenPop({
          searchParams: call.number,
          queryParams: "",
          callType: cti.CALL_TYPE.OUTBOUND,
          deferred: false,
          callback: done("the screen pop"),
        });
      }
    },
    connected() {},
    ended() {},
    log(call) {
      if (!log) return;
      const value = {
        entityApiName: "Task",
        Subject: `Call with ${call.name || call.number}`.slice(0, 255),
        Status: "Completed",
        TaskSubtype: "Call",
        CallType: "Outbound",
        CallObject: call.attempt,
        CallDurationInSeconds: call.talkSeconds,
        CallDisposition: (call.disposition || "none").slice(0, 255),
      };
      if (/^00[3Q]/.test(call.externalId)) value.WhoId = call.externalId; // a Contact or a Lead
      else if (ID.test(call.externalId)) value.WhatId = call.externalId;
      cti.saveLog({
        value,
        callback: (response) => {
          done("the call's log")(response);
          if (response.success) cti.refreshView({ callback: done("to show the log") });
        },
      });
    },
  };
}
