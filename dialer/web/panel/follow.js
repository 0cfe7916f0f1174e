// From one picture of the agent to the next: what the CRM must be told, each thing once.
//
// A picture is always whole, and some may be missing, so a call may be seen for the first time
// when it is over. An adapter has pop, started, connected, ended and log; none of them may throw.

export class Follower {
  // `told` is what this page told the CRM in a former life (a reload): attempt -> names. It is
  // handed to `keep` whenever it changes.
  constructor(adapter, told = {}, keep = () => {}) {
    this.adapter = adapter;
    this.told = told;
    this.keep = keep;
    this.last = null; // the call of the last picture
  }

  picture(agent) {
    const call = agent?.call ?? null;
    if (this.last && this.last.attempt !== call?.attempt) this.over(this.last);
    this.last = call;
    if (!call) return;
    this.once(call, "started", () => {
      this.adapter.started(about(call));
      this.adapter.pop(about(call));
    });
    if (call.connected_at !== null) this.once(call, "connected", () => this.adapter.connected(about(call)));
    if (call.ended_at !== null) this.once(call, "ended", () => this.adapter.ended(about(call)));
  }

  // The call is no longer on the screen: what is known of it is final.
  over(call) {
    this.once(call, "ended", () => this.adapter.ended(about(call)));
    this.once(call, "log", () => this.adapter.log(about(call)));
    delete this.told[call.attempt];
    this.keep(this.told);
  }

  once(call, what, tell) {
    const done = (this.told[call.attempt] ??= []);
    if (done.includes(what)) return;
    done.push(what);
    this.keep(this.told);
    tell();
  }
}

// A call in the words that adapters use; times are the server's seconds.
export function about(call) {
  const talked = call.connected_at === null ? 0 : (call.ended_at ?? call.connected_at) - call.connected_at;
  const chosen = call.dispositions.find((one) => one.code === call.disposition);
  return {
    attempt: call.attempt,
    number: call.lead.phone,
    name: call.lead.name,
    externalId: call.lead.external_id,
    connected: call.connected_at !== null,
    talkSeconds: Math.max(0, Math.round(talked)),
    disposition: chosen?.label ?? call.disposition,
  };
}
