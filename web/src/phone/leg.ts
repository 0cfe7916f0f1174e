// The agent's nailed-up leg: one SIP dialog and one RTCPeerConnection.
//
// JsSIP answers the call that Asterisk makes at the log-in. From then on the leg is ours, so that it
// outlives what JsSIP's sessions do not: a reload of the page and a change of the network. Both are
// one thing in SIP: a re-INVITE inside the dialog, with a new offer. The dialog's state is kept in
// the browser's storage. Asterisk begins DTLS anew only when its role changes, and serves it anew only
// in the passive role: so it is offered twice, first as if we were passive, then as we are, active.
// (A new media line instead would be handed on to the carrier as a re-INVITE: docs/asterisk-notes.md.)

import { type Dialog, DialogPrototype, type DialogOwner, type SipMessage, type UserAgent } from "./sip";

const KEPT = "overdial.leg";
const KEPT_S = 55; // Asterisk gives up a leg that sends no audio for 60 s (rtp_timeout)
const GATHER_LIMIT_MS = 1500; // candidates of this machine's own addresses come at once
const ANSWER_LIMIT_MS = 8000;

export interface KeptDialog {
  user: string;
  at: number; // Unix time of the last sign of life, ms
  callId: string;
  localTag: string;
  remoteTag: string;
  localUri: string;
  remoteUri: string;
  target: string;
  routes: string[];
  seq: number;
  remoteSeq: number | null;
}

/** The dialog this tab had before it was reloaded, while Asterisk still keeps its leg. */
export function kept(user: string, now = Date.now()): KeptDialog | null {
  try {
    const dialog = JSON.parse(localStorage.getItem(KEPT) ?? "null") as KeptDialog | null;
    return dialog && dialog.user === user && now - dialog.at < KEPT_S * 1000 ? dialog : null;
  } catch {
    return null;
  }
}

export function forget(): void {
  localStorage.removeItem(KEPT);
}

export interface LegEvents {
  audio(stream: MediaStream): void;
  up(): void;
  broken(): void; // audio stopped; `renew` may bring it back
  ended(): void;
  servers(): Promise<RTCIceServer[]>; // STUN and TURN for a new way
}

export class Leg implements DialogOwner {
  private pc: RTCPeerConnection;
  private dialog: Dialog;
  private renewing = false;
  private over = false;

  private constructor(
    private readonly ua: UserAgent,
    private readonly user: string,
    private readonly microphone: MediaStreamTrack,
    private readonly events: LegEvents,
    dialog: Dialog,
    pc: RTCPeerConnection,
  ) {
    this.dialog = dialog;
    this.pc = pc;
    dialog._owner = this;
    this.keep();
    this.watch();
  }

  /** Take the leg over from JsSIP's session, which answered it. */
  static adopt(
    ua: UserAgent,
    user: string,
    session: { connection: RTCPeerConnection; _dialog: Dialog },
    microphone: MediaStreamTrack,
    events: LegEvents,
  ): Leg {
    return new Leg(ua, user, microphone, events, session._dialog, session.connection);
  }

  /** Go on with a leg whose page is gone: resolves when audio is asked for again. */
  static async resume(ua: UserAgent, was: KeptDialog, microphone: MediaStreamTrack, events: LegEvents, parse: (uri: string) => { toString(): string }): Promise<Leg> {
    const dialog = Object.create(DialogPrototype) as Dialog;
    Object.assign(dialog, {
      _ua: ua,
      _id: {
        call_id: was.callId,
        local_tag: was.localTag,
        remote_tag: was.remoteTag,
        toString: () => was.callId + was.localTag + was.remoteTag,
      },
      _state: 2, // confirmed
      _local_seqnum: was.seq,
      _remote_seqnum: was.remoteSeq,
      _incoming_ack_seqnum: null,
      _outgoing_ack_seqnum: null,
      _local_uri: parse(was.localUri),
      _remote_uri: parse(was.remoteUri),
      _remote_target: parse(was.target),
      _route_set: was.routes,
      _uac_pending_reply: false,
      _uas_pending_reply: false,
    });
    ua.newDialog(dialog);
    const leg = new Leg(ua, was.user, microphone, events, dialog, new RTCPeerConnection());
    await leg.renew();
    return leg;
  }

  get connection(): RTCPeerConnection {
    return this.pc;
  }

  /** Audio anew, in the same dialog. Rejects when Asterisk does not know the leg any more. */
  async renew(): Promise<void> {
    if (this.renewing || this.over) return;
    this.renewing = true;
    try {
      this.pc.onconnectionstatechange = null;
      this.pc.close();
      this.pc = new RTCPeerConnection({ iceServers: await this.events.servers() });
      this.pc.addTransceiver(this.microphone, { direction: "sendrecv" });
      preferAlaw(this.pc);
      this.watch();
      await this.pc.setLocalDescription();
      await gathered(this.pc);
      const offer = (role: "active" | "passive") => (this.pc.localDescription?.sdp ?? "").replace(/^a=setup:.*$/m, `a=setup:${role}`);
      await this.invite(offer("passive"));
      const answer = await this.invite(offer("active"));
      await this.pc.setRemoteDescription({ type: "answer", sdp: answer });
    } finally {
      this.renewing = false;
    }
  }

  private invite(offer: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const failed = (why: string) => () => reject(new Error(why));
      const limit = setTimeout(failed("the telephone system does not answer"), ANSWER_LIMIT_MS);
      this.dialog.sendRequest("INVITE", {
        extraHeaders: [`Contact: ${this.ua.contact}`, "Content-Type: application/sdp"],
        body: offer,
        eventHandlers: {
          onSuccessResponse: (response) => {
            clearTimeout(limit);
            this.dialog.sendRequest("ACK");
            resolve(response.body);
          },
          onErrorResponse: failed("the telephone system refused"),
          onDialogError: () => {
            this.end();
            reject(new Error("the line is gone"));
          },
          onRequestTimeout: failed("the telephone system does not answer"),
          onTransportError: failed("the connection is lost"),
        },
      });
      this.keep();
    });
  }

  /** Tell Asterisk where this phone is reached now, after the WebSocket came back. */
  moved(): void {
    if (this.over || this.renewing) return;
    this.dialog.sendRequest("UPDATE", {
      extraHeaders: [`Contact: ${this.ua.contact}`],
      eventHandlers: { onDialogError: () => this.end() },
    });
    this.keep();
  }

  hangUp(): void {
    if (this.over) return;
    this.dialog.sendRequest("BYE");
    this.end();
  }

  tone(digits: string): void {
    const sender = this.pc.getSenders().find((each) => each.dtmf);
    sender?.dtmf?.insertDTMF(digits, 160, 70);
  }

  /** JsSIP hands over what Asterisk says inside the dialog. */
  receiveRequest(request: SipMessage): void {
    if (request.method === "BYE") {
      request.reply(200);
      this.end();
    } else if (request.method === "INVITE") {
      request.reply(488); // the PBX does not change the media of a nailed-up leg
    } else if (request.method !== "ACK") {
      request.reply(200);
    }
    this.keep();
  }

  /** Written often enough that a page that is reloaded finds it young. */
  keep(): void {
    if (this.over) return;
    const dialog = this.dialog;
    const is: KeptDialog = {
      user: this.user,
      at: Date.now(),
      callId: dialog._id.call_id,
      localTag: dialog._id.local_tag,
      remoteTag: dialog._id.remote_tag,
      localUri: dialog._local_uri.toString(),
      remoteUri: dialog._remote_uri.toString(),
      target: dialog._remote_target.toString(),
      routes: dialog._route_set,
      seq: dialog._local_seqnum ?? Math.floor(Math.random() * 10_000),
      remoteSeq: dialog._remote_seqnum,
    };
    localStorage.setItem(KEPT, JSON.stringify(is));
  }

  private watch(): void {
    const pc = this.pc;
    pc.ontrack = (event) => this.events.audio(event.streams[0] ?? new MediaStream([event.track]));
    pc.onconnectionstatechange = () => {
      if (pc !== this.pc || this.over) return;
      if (pc.connectionState === "connected") this.events.up();
      if (pc.connectionState === "failed") this.events.broken();
    };
    const remote = pc.getReceivers()[0]?.track;
    if (remote) this.events.audio(new MediaStream([remote]));
    if (pc.connectionState === "connected") this.events.up();
  }

  private end(): void {
    if (this.over) return;
    this.over = true;
    forget();
    this.pc.onconnectionstatechange = null;
    this.pc.close();
    this.dialog.terminate();
    this.events.ended();
  }
}

/** A-law first: what carriers speak, so that nothing is transcoded. */
function preferAlaw(pc: RTCPeerConnection): void {
  const all = RTCRtpSender.getCapabilities("audio")?.codecs ?? [];
  const wanted = ["audio/PCMA", "audio/PCMU", "audio/telephone-event"];
  const codecs = all
    .filter((codec) => wanted.includes(codec.mimeType) && codec.clockRate === 8000)
    .sort((x, y) => wanted.indexOf(x.mimeType) - wanted.indexOf(y.mimeType));
  if (codecs.length) pc.getTransceivers()[0]?.setCodecPreferences(codecs);
}

function gathered(pc: RTCPeerConnection): Promise<void> {
  if (pc.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    const limit = setTimeout(resolve, GATHER_LIMIT_MS);
    pc.addEventListener("icegatheringstatechange", () => {
      if (pc.iceGatheringState !== "complete") return;
      clearTimeout(limit);
      resolve();
    });
  });
}
