// HubSpot's Calling Extensions SDK: the class `CallingExtensions`, from the script that the site
// names. https://developers.hubspot.com/docs/api/crm/extensions/calling-sdk
//
// HubSpot makes the engagement when a call begins (createEngagement) and is given its end later.

const CONTACT = "0-1";
const SIZE = { width: 400, height: 600 };

export function create(host, { onDial, onTrouble, log }) {
  const Extensions = host.CallingExtensions?.default ?? host.CallingExtensions;
  if (!Extensions) throw new Error("The calling SDK is not there: is web.panels.hubspot.script right?");
  let portal = null;
  const engagements = new Map(); // attempt -> promise of the engagement's id
  const waiting = new Map(); // attempt -> what ends that promise
  const sdk = new Extensions({
    debugMode: false,
    eventHandlers: {
      onReady: (told) => {
        portal = told?.portalId ?? portal;
        sdk.initialized({ isLoggedIn: true, sizeInfo: SIZE });
      },
      onDialNumber: (told) => {
        portal = told.portalId ?? portal;
        onDial({ phone: told.phoneNumber, externalId: told.objectId ? String(told.objectId) : "" });
      },
      onCreateEngagementSucceeded: (told) => waiting.get(told.externalCallId)?.(told.engagementId),
      onCreateEngagementFailed: (told) => {
        waiting.get(told.externalCallId)?.(null);
        onTrouble("HubSpot made no record of the call.");
      },
      onNavigateToRecordFailed: () => onTrouble("HubSpot refused the screen pop."),
    },
  });
  return {
    started(call) {
      if (log) {
        engagements.set(
          call.attempt,
          new Promise((resolve) => waiting.set(call.attempt, resolve)),
        );
      }
      sdk.outgoingCall({
        externalCallId: call.attempt,
        toNumber: call.number,
        callStartTime: Date.now(),
        createEngagement: log,
      });
    },
    pop(call) {
      if (portal === null || !/^\d+$/.test(call.externalId)) return; // HubSpot shows whom it called
      sdk.navigateToRecord({
        objectCoordinates: {
          portalId: portal,
          objectTypeId: CONTACT,
          objectId: Number(call.externalId),
        },
      });
    },
    connected(call) {
      sdk.callAnswered({ externalCallId: call.attempt });
    },
    ended(call) {
      sdk.callEnded({
        externalCallId: call.attempt,
        callEndStatus: call.connected ? "COMPLETED" : "NO_ANSWER",
      });
    },
    log(call) {
      const made = engagements.get(call.attempt);
      engagements.delete(call.attempt);
      if (!made) return;
      made.then((engagementId) => {
        waiting.delete(call.attempt);
        if (engagementId === null) return;
        sdk.callCompleted({
          engagementId,
          externalCallId: call.attempt,
          hideWidget: false,
          engagementProperties: {
            hs_call_title: `Call with ${call.name || call.number}`,
            hs_call_body: call.disposition,
            hs_call_duration: String(call.talkSeconds * 1000),
            hs_call_status: call.connected ? "COMPLETED" : "NO_ANSWER",
          },
        });
      });
    },
  };
}
