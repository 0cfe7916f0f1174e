// The agent's desk.

import { signal, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { post, remove, session } from "../api/client";
import type { AgentView } from "../api/types";
import { sentence } from "../ui/format";
import { hotKeys, useKeys } from "../ui/keys";
import { attempt as tryIt, Clock, Do, Key, Sheet, Strip } from "../ui/parts";
import "./agent.css";
import { CustomerCard } from "./Customer";
import { account, agent, attempt, call, close, linkState, moreTime, open, send, sitDown, talking, useHere } from "./desk";
import { Dispose, press } from "./Dispose";
import { Knowledge, ManualDial, Search } from "./Finder";
import { CallControls, openKeypad, PhoneLine, toggleHold, toggleMute, toggleRecording } from "./Phone";
import { accept, Preview } from "./Preview";
import { Script } from "./Script";
import { Asking, complete, join, swap, takeBack, Transfer } from "./Transfer";

const IDLE: Record<string, [string, string]> = {
  "signing on": ["Your phone rings", "Pick up and stay on the line."],
  ready: ["Ready", "The next call arrives by itself, after a short beep."],
  reserved: ["A call is coming", "You are being connected."],
  preview: ["Look at the account", "Call it, or skip it and say why."],
  break: ["On a break", "Choose Ready when you are back."],
  "phone lost": ["Your phone hung up", "Choose Ready: it rings again."],
  leaving: ["Logging out", ""],
  unknown: ["One moment", "The telephone system is being asked where your line stands."],
};
const STATES: Record<string, string> = { talk: "On a call", "wrap-up": "Wrap-up", "signing on": "Signing on" };

type Open = "" | "search" | "knowledge" | "dial" | "keys" | "help" | "transfer";
const opened = signal<Open>("");
const breaks = signal(false);

function stateText(of: AgentView): string {
  const name = STATES[of.state] ?? sentence(of.state);
  const reason = of.state === "break" && of.reason ? `: ${of.reason}` : "";
  const busy = of.call != null || of.state === "reserved";
  const queued = busy && of.status !== "ready" ? ` · ${of.status}${of.reason ? ` (${of.reason})` : ""} after this call` : "";
  return name + reason + queued;
}

function choose(status: string, reason = ""): Promise<boolean> {
  breaks.value = false;
  return tryIt(() => send("status", { status, reason }));
}

const hangUp = () => void tryIt(() => send("hangup"));
const handOn = () => talking.peek() && (opened.value = "transfer");

const dialLead = (campaign: string, lead_id: number) => send("dial", { campaign, lead_id }).then(() => void (opened.value = ""));
const dialNumber = (campaign: string, phone: string, override: string) => send("dial", { campaign, phone, override });

export default function Agent(): JSX.Element {
  useEffect(() => {
    void tryIt(open);
    return close;
  }, []);
  const now = agent.value;
  const state = linkState.value;

  useEffect(() => {
    const name = now?.call ? (now.call.ended_at != null ? "Wrap-up" : "On a call") : now ? stateText(now) : "Agent";
    document.title = `${name} · Overdial`;
  }, [now?.state, now?.call?.ended_at, attempt.value]);

  // The customer's name takes the focus when a call arrives, unless the agent is typing elsewhere.
  useEffect(() => {
    if (!attempt.value) return;
    if (!document.activeElement || document.activeElement === document.body || document.activeElement.closest(".choose")) document.getElementById("lead-name")?.focus({ preventScroll: true });
  }, [attempt.value]);

  if (state === "no shift") return <Begin />;
  if (state === "taken over")
    return (
      <section class="idle" id="taken">
        <h1>You work in another tab</h1>
        <p>Calls are shown there. This tab can take over; a call that is under way comes along.</p>
        <p>
          <button type="button" class="main" onClick={useHere}>
            Work here
          </button>
        </p>
      </section>
    );
  if (state === "over") return <p class="idle soft">Signed out.</p>;
  if (state === "refused") return <Strip tone="bad">You may not work as an agent here.</Strip>;
  if (!now) return <p class="idle soft">Connecting…</p>;
  return <Desk now={now} />;
}

function Begin(): JSX.Element {
  return (
    <section class="idle" id="begin">
      <h1>Good to see you, {session.value?.user?.title || session.value?.user?.name}</h1>
      <p>{account.value ? "Your phone is in this page: use a headset. It is connected once and stays connected for the shift." : "Your phone rings when the shift begins. Pick up and stay on the line: calls then arrive by themselves."}</p>
      <PhoneLine />
      <p>
        <Do class="main" id="begin-shift" act={sitDown}>
          Begin the shift
        </Do>
      </p>
    </section>
  );
}

function Desk({ now }: { now: AgentView }): JSX.Element {
  const keys: Record<string, () => void> = {
    r: () => void choose("ready"),
    b: () => {
      breaks.value = true;
      setTimeout(() => document.querySelector<HTMLElement>("#break-list button")?.focus());
    },
    h: hangUp,
    m: toggleMute,
    o: toggleHold,
    c: toggleRecording,
    k: openKeypad,
    t: handOn,
    e: () => now.call?.ended_at != null && void tryIt(moreTime),
    n: () => document.getElementById("note")?.focus(),
    v: () => document.getElementById("verify-first")?.focus(),
    "/": () => (opened.value = "search"),
    i: () => (opened.value = "knowledge"),
    d: () => (opened.value = "dial"),
    "Shift+?": () => (opened.value = "keys"),
  };
  if (now.offer) {
    const offer = now.offer;
    keys.a = () => void tryIt(() => accept(offer));
    keys.x = () => document.getElementById("skip-reason")?.focus();
  }
  for (const one of now.call?.dispositions ?? []) if (one.hot_key) keys[one.hot_key] = () => press(one);
  if (now.call?.consult?.mine) {
    keys.t = () => void tryIt(complete);
    keys.o = () => void tryIt(takeBack);
    if (now.call.consult.outside) {
      keys.s = () => void tryIt(swap);
      keys.j = () => void tryIt(join);
    }
  }
  useKeys(keys);

  const [title, more] = IDLE[now.state] ?? [sentence(now.state), ""];
  const message = now.messages.at(-1);
  return (
    <div class="desk">
      {linkState.value === "lost" && (
        <Strip tone="bad" role="alert">
          <span id="lost">Connection lost. Your call goes on; connecting again…</span>
        </Strip>
      )}
      {now.notice && <Strip tone="warm">{now.notice}</Strip>}
      {now.monitors.map((one) => (
        <Strip tone="calm" key={one.by}>
          <span class="monitored">
            <strong>{one.by}</strong> {MONITORED[one.mode] ?? one.mode}
          </span>
        </Strip>
      ))}
      {message && (
        <Strip tone="calm">
          <strong>{message.by}:</strong> {message.text} <span class="soft"><Clock at={message.at} /> ago</span>
        </Strip>
      )}
      <div class="bar-top">
        <p class="state" id="state" data-state={now.state}>
          <span class="dot" aria-hidden="true" />
          <span id="state-text" aria-live="polite">
            {stateText(now)}
          </span>{" "}
          <Clock at={now.since} label="Time in this state" />
        </p>
        <div class="choose" role="group" aria-label="Status">
          <button type="button" id="choose-ready" aria-pressed={now.status === "ready"} aria-keyshortcuts="r" onClick={() => void choose("ready")}>
            Ready <Key of="R" />
          </button>
          <details
            id="breaks"
            class={now.status === "break" ? "chosen" : ""}
            open={breaks.value}
            onToggle={(event) => (breaks.value = event.currentTarget.open)}
            onKeyDown={(event) => event.key === "Escape" && (breaks.value = false)}
          >
            <summary id="choose-break" aria-keyshortcuts="b">
              Break <Key of="B" />
            </summary>
            <ul id="break-list" class="card plain">
              {(now.break_reasons.length ? now.break_reasons : [""]).map((reason) => (
                <li key={reason}>
                  <button type="button" onClick={() => void choose("break", reason)}>
                    {reason ? sentence(reason) : "Break"}
                  </button>
                </li>
              ))}
            </ul>
          </details>
          <button type="button" id="choose-out" onClick={() => void choose("logged out")}>
            End shift
          </button>
        </div>
        <PhoneLine />
        <div class="tools" role="group" aria-label="Tools">
          <button type="button" class="quiet" aria-keyshortcuts="/" onClick={() => (opened.value = "search")}>
            Find <Key of="/" />
          </button>
          <button type="button" class="quiet" aria-keyshortcuts="d" onClick={() => (opened.value = "dial")}>
            Dial <Key of="D" />
          </button>
          <button type="button" class="quiet" aria-keyshortcuts="i" onClick={() => (opened.value = "knowledge")}>
            Knowledge <Key of="I" />
          </button>
          {now.help ? (
            <Do class="quiet on" act={() => remove("/v1/agent/help")}>
              {now.help.taken_by ? `${now.help.taken_by} is coming` : "Help is asked for"} ✕
            </Do>
          ) : (
            <button type="button" class="quiet" onClick={() => (opened.value = "help")}>
              Ask for help
            </button>
          )}
        </div>
      </div>

      {now.call ? (
        <>
          {now.call.consult && <Asking of={now.call.consult} />}
          <CallControls hangUp={hangUp} handOn={handOn} />
          <div id="call" class="call" key={now.call.attempt}>
            <CustomerCard />
            <Script />
            <Dispose />
          </div>
        </>
      ) : now.offer ? (
        <Preview of={now.offer} key={now.offer.lead.lead_id} />
      ) : (
        <section id="idle" class="idle">
          <h1 id="idle-title">{now.state === "break" && now.reason ? `${title}: ${now.reason}` : title}</h1>
          <p id="idle-text">{more}</p>
          <p class="soft">{now.campaigns.join(", ")}</p>
        </section>
      )}
      <footer class="desk-foot">
        <label class="check">
          <input type="checkbox" id="hotkeys" checked={hotKeys.value} onChange={(event) => (hotKeys.value = event.currentTarget.checked)} />
          Hot keys <span class="soft">(off while you type; with Alt they work there too)</span>
        </label>
        <button type="button" class="quiet" onClick={() => (opened.value = "keys")}>
          All keys <Key of="?" />
        </button>
      </footer>
      <p id="announce" class="unseen" aria-live="assertive">
        {call.value && call.value.ended_at == null ? `Call from ${call.value.lead.name || call.value.lead.external_id}` : ""}
      </p>
      {opened.value === "search" && <Search close={() => (opened.value = "")} dial={now.call ? undefined : dialLead} />}
      {opened.value === "knowledge" && <Knowledge close={() => (opened.value = "")} />}
      {opened.value === "dial" && <ManualDial campaigns={now.campaigns} dial={dialNumber} close={() => (opened.value = "")} />}
      {opened.value === "help" && <AskHelp />}
      {opened.value === "keys" && <KeyList />}
      {opened.value === "transfer" && <Transfer close={() => (opened.value = "")} />}
    </div>
  );
}

function AskHelp(): JSX.Element {
  const text = useSignal("");
  return (
    <Sheet title="Ask a supervisor" close={() => (opened.value = "")}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void tryIt(() => post("/v1/agent/help", { text: text.value }), "A supervisor sees it now.").then((fine) => fine && (opened.value = ""));
        }}
      >
        <label>
          What about (may be empty)
          <input maxLength={200} onInput={(event) => (text.value = event.currentTarget.value)} />
        </label>
        <button class="main">Ask</button>
      </form>
    </Sheet>
  );
}

const MONITORED: Record<string, string> = {
  listen: "listens to this call.",
  whisper: "whispers: you hear it, the customer does not.",
  barge: "has joined the call.",
};

const KEYS: [string, string][] = [
  ["R", "Ready"],
  ["B", "Break"],
  ["1–9", "Dispositions"],
  ["H", "Hang up"],
  ["M", "Mute"],
  ["O", "Hold, and back"],
  ["C", "Begin or end a recording, where you may"],
  ["K", "Keypad"],
  ["T", "Hand the customer on"],
  ["S / J", "Swap customer and whom you asked outside / all three together"],
  ["E", "A minute more of wrap-up"],
  ["V", "Verification"],
  ["N", "Note"],
  ["Ctrl Enter", "Save, from the note"],
  ["A / X", "Call / skip what is in preview"],
  ["/", "Find a customer"],
  ["D", "Call a number"],
  ["I", "Knowledge"],
  ["?", "This list"],
];

function KeyList(): JSX.Element {
  return (
    <Sheet title="Keys" close={() => (opened.value = "")}>
      <dl class="keys">
        {KEYS.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Sheet>
  );
}
