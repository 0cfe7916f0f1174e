// Dynamics 365 Channel Integration Framework: `Microsoft.CIFramework`, from the script that the
// site names. https://learn.microsoft.com/dynamics365/channel-integration-framework/
//
// Nothing may be called before the window's event CIFInitDone; early.js notes one that came early.

const GUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
const SHOWN = 1; // the panel's mode; 0 is minimised

export function create(host, { onDial, onTrouble, log }) {
  const ready = new Promise((resolve) => {
    if (host.cifInitDone) resolve();
    else host.addEventListener("CIFInitDone", () => resolve(), { once: true });
  });
  const ask = (what, call) =>
    ready
      .then(() => call(host.Microsoft.CIFramework))
      .catch(() => onTrouble(`Dynamics refused ${what}.`));
  ask("click-to-act", (cif) =>
    Promise.all([
      cif.setClickToAct(true),
      cif.addHandler("onclicktoact", (text) => {
        const clicked = JSON.parse(text);
        onDial({ phone: clicked.value, externalId: clicked.entityId ?? "" });
        return Promise.resolve();
      }),
    ]),
  );
  return {
    started() {
      ask("to show the phone", (cif) => cif.setMode(SHOWN));
    },
    pop(call) {
      ask("the screen pop", (cif) =>
        GUID.test(call.externalId)
          ? cif.openForm(JSON.stringify({ entityName: "contact", entityId: call.externalId }))
          : cif.searchAndOpenRecords(
              "contact",
              `?$select=fullname,telephone1&$search=${encodeURIComponent(call.number)}`,
              false,
            ),
      );
    },
    connected() {},
    ended() {},
    log(call) {
      if (!log) return;
      const record = {
        subject: `Call with ${call.name || call.number}`.slice(0, 200),
        phonenumber: call.number,
        directioncode: true, // outgoing
        actualdurationminutes: Math.ceil(call.talkSeconds / 60),
        description: call.disposition,
      };
      if (GUID.test(call.externalId)) {
        record["regardingobjectid_contact_phonecall@odata.bind"] = `/contacts(${call.externalId})`;
      }
      ask("the call's log", (cif) => cif.createRecord("phonecall", JSON.stringify(record)));
    },
  };
}
