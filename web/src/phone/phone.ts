// The phone in the browser: registers with Asterisk over a WebSocket, answers the one call that the
// dialer makes at the log-in, and keeps that leg up for the shift.
//
// One tab has the phone (a Web Lock); the others show the same screen and take over when it closes.

import { effect, signal } from "@preact/signals";
import { Problem } from "../api/client";
import { forget, kept, Leg, type LegEvents } from "./leg";
import { parseUri, type RTCSession, Socket, UserAgent } from "./sip";

export interface PhoneAccount {
  url: string; // ws: or wss: of Asterisk, absolute or a path of this server
  user: string;
  password: string;
  ice: { urls: string[]; username: string; credential: string }[]; // STUN and TURN; credentials expire
}

/** What the agent is told of the phone. */
export type PhoneState =
  | "off"
  | "elsewhere" // another tab has it
  | "no microphone"
  | "connecting"
  | "refused" // Asterisk does not take the password
  | "unreachable"
  | "waiting" // registered; no leg yet
  | "up"
  | "renewing"; // the leg is there, its audio is on the way back

export const phoneState = signal<PhoneState>("off");
export const muted = signal(false);
export const levels = signal({ heard: 0, said: 0 }); // 0..1, what the meters show

export const PHONE_WORDS: Record<string, string> = {
  off: "off",
  elsewhere: "in another tab",
  "no microphone": "no microphone: allow this page to use it",
  connecting: "connecting",
  refused: "the telephone system refuses this phone's password",
  unreachable: "the telephone system cannot be reached",
  waiting: "ready to be rung",
  up: "connected",
  renewing: "audio is coming back",
};

const REGISTER_LIMIT_MS = 10_000;

/** Resolves when the phone of this page can be rung. */
export function ready(): Promise<void> {
  return new Promise((done, failed) => {
    const limit = setTimeout(() => finish(new Problem(0, "Your phone in the browser is not connected.", "See what it says beside its name.")), REGISTER_LIMIT_MS);
    const stop = phoneState.subscribe((state) => {
      if (state === "waiting" || state === "up" || state === "renewing") setTimeout(() => finish(null));
      if (state === "no microphone" || state === "refused") setTimeout(() => finish(new Problem(0, PHONE_WORDS[state] ?? state, "Then begin the shift again.")));
    });
    let over = false;
    function finish(why: Problem | null): void {
      if (over) return;
      over = true;
      clearTimeout(limit);
      stop();
      if (why) failed(why);
      else done();
    }
  });
}

const LOCK = "overdial.phone";
const MICROPHONE: MediaTrackConstraints = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
const REGISTER_S = 120;

export class Phone {
  private ua: UserAgent | null = null;
  private leg: Leg | null = null;
  private microphone: MediaStreamTrack | null = null;
  private readonly speaker = new Audio();
  private release: (() => void) | null = null;
  private ticking = 0;
  private closed = false;
  private readonly stopFollowing: () => void;

  /** `again` asks the server for the account anew: its TURN credentials are good for a while only. */
  constructor(
    private account: PhoneAccount,
    private readonly again: () => Promise<PhoneAccount | null> = () => Promise.resolve(null),
  ) {
    this.speaker.autoplay = true;
    // Muted is a fact of the sender: what the signal says is made so here and only here.
    this.stopFollowing = effect(() => {
      const mute = muted.value;
      if (this.microphone) this.microphone.enabled = !mute;
    });
  }

  /** Begins when this tab gets the phone; until then `phoneState` is "elsewhere". */
  start(): void {
    if (!navigator.mediaDevices || !("locks" in navigator)) {
      phoneState.value = "no microphone"; // browsers give both to secure pages only
      return;
    }
    phoneState.value = "elsewhere";
    void navigator.locks.request(LOCK, () => {
      if (this.closed) return Promise.resolve();
      void this.open();
      return new Promise<void>((release) => (this.release = release));
    });
  }

  close(hangUp = false): void {
    this.closed = true;
    if (hangUp) this.leg?.hangUp();
    window.clearInterval(this.ticking);
    this.stopFollowing();
    this.ua?.stop();
    this.microphone?.stop();
    this.release?.();
    phoneState.value = "off";
    muted.value = false;
  }

  tone(digits: string): void {
    this.leg?.tone(digits);
  }

  get connection(): RTCPeerConnection | null {
    return this.leg?.connection ?? null;
  }

  private async open(): Promise<void> {
    phoneState.value = "connecting";
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: MICROPHONE });
      this.microphone = stream.getAudioTracks()[0] ?? null;
    } catch {
      phoneState.value = "no microphone";
      return;
    }
    if (this.closed || !this.microphone) return;
    const { url, user, password } = this.account;
    const address = new URL(url, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const ua = (this.ua = new UserAgent({
      sockets: [new Socket(address.href)],
      uri: `sip:${user}@${address.hostname}`,
      contact_uri: `sip:${user}@${user}.invalid;transport=ws`,
      authorization_user: user,
      password,
      register_expires: REGISTER_S,
      session_timers: false,
      connection_recovery_min_interval: 1,
      connection_recovery_max_interval: 8,
    }));
    let registeredBefore = false;
    ua.on("registered", () => {
      const again = registeredBefore;
      registeredBefore = true;
      if (this.leg) {
        this.leg.moved();
        // The network is another one: do not wait until the old way is given up for dead.
        if (this.leg.connection.connectionState !== "connected") void this.leg.renew().catch(() => undefined);
      } else if (again || !this.resume()) phoneState.value = "waiting";
    });
    ua.on("registrationFailed", (event: { response?: { status_code: number } }) => {
      const code = event.response?.status_code ?? 0;
      if (!this.leg) phoneState.value = code === 401 || code === 403 ? "refused" : "unreachable";
    });
    ua.on("disconnected", () => {
      if (!this.leg && !this.closed) phoneState.value = "unreachable";
    });
    ua.on("newRTCSession", (event: { originator: string; session: unknown }) => {
      if (event.originator === "remote") this.answer(event.session as RTCSession);
    });
    ua.start();
    this.ticking = window.setInterval(() => void this.tick(), 200);
  }

  private answer(session: RTCSession): void {
    if (!this.microphone) {
      session.terminate({ status_code: 480 });
      return;
    }
    if (this.leg) this.leg.hangUp(); // the dialer rang anew: the old leg is nobody's
    session.on("confirmed", () => {
      const microphone = this.microphone;
      if (!microphone) return;
      const made = session as unknown as Parameters<typeof Leg.adopt>[2];
      this.leg = Leg.adopt(this.ua!, this.account.user, made, microphone, this.events());
    });
    session.on("failed", () => {
      if (!this.leg) phoneState.value = "waiting";
    });
    session.answer({ mediaStream: new MediaStream([this.microphone]), pcConfig: { iceServers: servers(this.account) } });
  }

  /** After a reload: the leg this tab had, if Asterisk still has it. */
  private resume(): boolean {
    const was = kept(this.account.user);
    if (!was || !this.ua || !this.microphone) return false;
    phoneState.value = "renewing";
    Leg.resume(this.ua, was, this.microphone, this.events(), parseUri).then(
      (leg) => (this.leg = leg),
      () => {
        forget();
        phoneState.value = "waiting";
      },
    );
    return true;
  }

  private events(): LegEvents {
    return {
      servers: async () => {
        this.account = (await this.again().catch(() => null)) ?? this.account;
        return servers(this.account);
      },
      audio: (stream) => {
        this.speaker.srcObject = stream;
        void this.speaker.play().catch(() => undefined); // a page nobody touched yet may not play
      },
      up: () => (phoneState.value = "up"),
      broken: () => {
        phoneState.value = "renewing";
        void this.leg?.renew().catch(() => undefined); // the tick tries again
      },
      ended: () => {
        this.leg = null;
        muted.value = false;
        if (!this.closed) phoneState.value = this.ua?.isRegistered() ? "waiting" : "unreachable";
      },
    };
  }

  private ticks = 0;
  private async tick(): Promise<void> {
    const leg = this.leg;
    if (!leg) {
      if (levels.peek().heard || levels.peek().said) levels.value = { heard: 0, said: 0 };
      return;
    }
    this.ticks += 1;
    if (this.ticks % 10 === 0) leg.keep();
    if (this.ticks % 25 === 0 && leg.connection.connectionState === "failed") void leg.renew().catch(() => undefined);
    let heard = 0;
    let said = 0;
    for (const report of (await leg.connection.getStats()).values()) {
      if (report.type === "inbound-rtp") heard = report.audioLevel ?? 0;
      if (report.type === "media-source") said = report.audioLevel ?? 0;
    }
    levels.value = { heard, said };
  }
}

function servers(account: PhoneAccount): RTCIceServer[] {
  return account.ice.map((one) => (one.username ? one : { urls: one.urls }));
}

/** The zip tone: a call is there. In the agent's ears only. */
export function beep(): void {
  const context = new AudioContext();
  const voice = context.createOscillator();
  const gain = context.createGain();
  voice.frequency.value = 880;
  gain.gain.setValueAtTime(0.12, context.currentTime);
  gain.gain.setTargetAtTime(0, context.currentTime + 0.12, 0.02);
  voice.connect(gain).connect(context.destination);
  voice.start();
  voice.stop(context.currentTime + 0.25);
  voice.onended = () => void context.close();
}
