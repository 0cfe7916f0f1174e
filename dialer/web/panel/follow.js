// From one picture of the agent to the next: what the CRM must be told, each thing once.
//
// A picture is always whole, and some may be missing, so a call may be seen for the first time
// when it is over. An adapter has pop, started, connected, ended and log; none of them may throw.

export class Follower {
  // `told` is what this page told the CRM in a former life (a reload), and since when the customer
  // was there: attempt -> {names, connectedAt}. It is handed to `keep` whenever it changes.
  constructor(adapter, told = {}, keep = () => {}) {
    this.adapter = adapter;
    this.told = told;
    this.keep = keep;
    this.last = null; // the call of the last picture
  }

  picture(agent) {
    const call = agent?.call ? this.whole(agent.call) : null;
    if (this.last && this.last.attempt !== call?.attempt) this.over(this.last, agent?.said);
    this.last = call;
    if (!call) return;
    this.once(call, "started", () => {
      this.adapter.started(about(call));
      this.adapter.pop(about(call));
    });
    if (call.connected_at !== null) this.once(call, "connected", () => this.adapter.connected(about(call)));
    if (call.ended_at !== null) this.once(call, "ended", () => this.adapter.ended(about(call)));
  }

  // When the customer is gone, the picture no longer says since when he was there.
  whole(call) {
    const known = this.known(call.attempt);
    if (known.connectedAt === null && call.connected_at !== null) {
      known.connectedAt = call.connected_at;
      this.keep(this.told);
    }
    return { ...call, connected_at: known.connectedAt };
  }

  // The call is no longer on the screen: what is known of it is final. The word that ended it, on
  // this page or another, is in no picture of the call.
  over(call, said) {
    const final = said?.attempt === call.attempt ? { ...call, disposition: said.code } : call;
    this.once(final, "ended", () => this.adapter.ended(about(final)));
    this.once(final, "log", () => this.adapter.log(about(final)));
    delete this.told[call.attempt];
    this.keep(this.told);
  }

  known(attempt) {
    return (this.told[attempt] ??= { names: [], connectedAt: null });
  }

  once(call, what, tell) {
    const { names } = this.known(call.attempt);
    if (names.includes(what)) return;
    names.push(what);
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
