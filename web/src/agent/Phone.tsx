// The phone's controls: microphone, hold, keypad, recording.

import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { post } from "../api/client";
import { attempt, Do, Key, Sheet } from "../ui/parts";
import { levels, muted, PHONE_WORDS, phoneState } from "../phone/phone";
import { account, call, phone, talking } from "./desk";

const keypad = signal(false);
const sent = signal("");

export function toggleMute(): void {
  if (account.peek() && talking.peek()) muted.value = !muted.peek();
}

/** Music for the customer, from the PBX: it does not matter which phone the agent has. */
const hold = (on: boolean) => post("/v1/agent/hold", { on });

export function toggleHold(): void {
  if (talking.peek()) void attempt(() => hold(!call.peek()?.on_hold));
}

const record = (to: "on" | "paused" | "off") => post("/v1/agent/recording", { to });

/** Begin a recording or end it, where agents may. */
export function toggleRecording(): void {
  const now = call.peek();
  if (now?.may_record && talking.peek()) void attempt(() => record(now.recording === "off" ? "on" : "off"));
}

export function openKeypad(): void {
  if (talking.peek()) keypad.value = true;
}

/** A digit to the customer: by the browser's phone, or by the server where the phone is a desk phone. */
function press(digit: string): void {
  sent.value += digit;
  if (account.peek()) phone?.tone(digit);
  else void attempt(() => post("/v1/agent/digits", { digits: digit }));
}

function Meter({ of, label }: { of: number; label: string }): JSX.Element {
  return <meter min={0} max={1} value={Math.min(1, Math.sqrt(of))} aria-label={label} title={label} />;
}

export function PhoneLine(): JSX.Element | null {
  if (account.value === undefined) return null;
  if (account.value === null) return null;
  const state = phoneState.value;
  const good = state === "up" || state === "waiting";
  return (
    <p class={good ? "phone-line" : "phone-line bad"} id="phone-state" data-phone={state}>
      <span class="dot" aria-hidden="true" />
      Phone: {PHONE_WORDS[state]}
      {state === "up" && (
        <span class="meters">
          <Meter of={levels.value.heard} label="You hear" />
          <Meter of={levels.value.said} label="You say" />
        </span>
      )}
    </p>
  );
}

export function CallControls({ hangUp, handOn }: { hangUp: () => void; handOn: () => void }): JSX.Element {
  const here = account.value != null;
  const live = talking.value;
  const recording = call.value?.recording || "off";
  const onHold = call.value?.on_hold ?? false;
  return (
    <div class="controls" role="group" aria-label="Call">
      {here && (
        <button type="button" aria-pressed={muted.value} disabled={!live} aria-keyshortcuts="m" onClick={toggleMute} id="mute">
          {muted.value ? "Muted" : "Mute"} <Key of="M" />
        </button>
      )}
      {!call.value?.consult && (
        <Do aria-pressed={onHold} disabled={!live} aria-keyshortcuts="o" act={() => hold(!onHold)} id="hold">
          {onHold ? "Back to the customer" : "Hold"} <Key of="O" />
        </Do>
      )}
      <button type="button" disabled={!live} aria-keyshortcuts="k" onClick={openKeypad} id="keypad">
        Keypad <Key of="K" />
      </button>
      {recording !== "off" && (
        <Do class="rec" id="record-pause" aria-pressed={recording === "paused"} disabled={!live} act={() => record(recording === "paused" ? "on" : "paused")}>
          {recording === "paused" ? "Recording paused" : "● Recording"}
        </Do>
      )}
      {call.value?.may_record && (
        <Do class={recording === "off" ? "rec" : "quiet"} id="record" disabled={!live || (recording === "off" && onHold)} aria-keyshortcuts="c" act={() => record(recording === "off" ? "on" : "off")}>
          {recording === "off" ? "Record" : "End recording"} <Key of="C" />
        </Do>
      )}
      <button type="button" disabled={!live} aria-keyshortcuts="t" onClick={handOn} id="transfer">
        Hand on <Key of="T" />
      </button>
      <button type="button" class="danger" id="hangup" disabled={!live && !(call.value && call.value.ended_at == null)} aria-keyshortcuts="h" onClick={hangUp}>
        Hang up <Key of="H" />
      </button>
      {keypad.value && (
        <Sheet title="Keypad" close={() => ((keypad.value = false), (sent.value = ""))}>
          <p class="digits" aria-live="polite">
            {sent.value || "\u00a0"}
          </p>
          <div class="pad" onKeyDown={(event) => /^[0-9*#]$/.test(event.key) && press(event.key)}>
            {[..."123456789*0#"].map((digit) => (
              <button type="button" key={digit} onClick={() => press(digit)}>
                {digit}
              </button>
            ))}
          </div>
          <p class="soft">Type the digits, or press them.</p>
        </Sheet>
      )}
    </div>
  );
}
