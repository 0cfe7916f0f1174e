// How did it go: dispositions with hot keys, what each requires, callback and promise to pay.

import { computed, signal } from "@preact/signals";
import type { JSX } from "preact";
import { words } from "../api/client";
import { clock } from "../api/clock";
import type { HoursAnswer, DispositionOffer } from "../api/types";
import { localValue, moment, windowAt, zoned } from "../ui/format";
import { Key } from "../ui/parts";
import { attempt, call, hours, send } from "./desk";

export interface Draft {
  note: string;
  callback: string; // as on the customer's clocks: "2026-11-23T09:30"
  mine: boolean;
  amount: string;
  due: string;
  reason: string;
}

const NOTHING: Draft = { note: "", callback: "", mine: false, amount: "", due: "", reason: "" };

export const draft = signal<Draft>(NOTHING);
const chosen = signal("");
const fault = signal("");
const asked = signal(false); // "press again" was said
const busy = signal(false);
let of = "";

/** What was typed belongs to one call, and outlives a reload within it. */
const KEPT = "overdial.draft";
attempt.subscribe((id) => {
  if (id === of) return;
  of = id;
  chosen.value = fault.value = "";
  asked.value = false;
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null") as { attempt: string; draft: Draft } | null;
  draft.value = id && kept?.attempt === id ? kept.draft : NOTHING;
  if (!id) sessionStorage.removeItem(KEPT);
});
draft.subscribe((now) => {
  if (of) sessionStorage.setItem(KEPT, JSON.stringify({ attempt: of, draft: now }));
});

const offer = computed<DispositionOffer | null>(() => call.value?.dispositions.find((one) => one.code === chosen.value) ?? null);

/** In the order in which they are filled in; what each is called in a refusal, and its element. */
const FIELDS: { name: string; id: string; filled: (now: Draft) => boolean; missing: string }[] = [
  { name: "callback_at", id: "callback", filled: (now) => now.callback !== "", missing: "Choose when to call back." },
  { name: "amount", id: "amount", filled: (now) => now.amount.trim() !== "", missing: "Say how much was promised." },
  { name: "due_on", id: "due", filled: (now) => now.due !== "", missing: "Say by when it is paid." },
  { name: "reason", id: "reason", filled: (now) => now.reason.trim() !== "", missing: "Say why." },
  { name: "note", id: "note", filled: (now) => now.note.trim() !== "", missing: "Write a note first." },
];

function missing(one: DispositionOffer): (typeof FIELDS)[number] | undefined {
  return FIELDS.find((field) => one.requires.includes(field.name) && !field.filled(draft.peek()));
}

export function press(one: DispositionOffer): void {
  const again = chosen.peek() === one.code;
  chosen.value = one.code;
  fault.value = "";
  const first = missing(one);
  if (first) {
    asked.value = false;
    setTimeout(() => document.getElementById(first.id)?.focus());
    return;
  }
  if (one.confirm && !(again && asked.peek())) {
    asked.value = true;
    return;
  }
  void save();
}

export async function save(): Promise<void> {
  const now = call.peek();
  const one = offer.peek();
  if (!now || !one || busy.peek()) return;
  const first = missing(one);
  if (first) {
    fault.value = first.missing;
    document.getElementById(first.id)?.focus();
    return;
  }
  const said = draft.peek();
  const wants = (name: string) => one.requires.includes(name);
  busy.value = true;
  try {
    await send("dispose", {
      attempt: now.attempt,
      code: one.code,
      note: said.note.trim(),
      ...(wants("callback_at") && { callback_at: zoned(said.callback, zone()), mine: said.mine }),
      ...(wants("amount") && { amount: said.amount.trim() }),
      ...(wants("due_on") && { due_on: said.due }),
      ...(wants("reason") && { reason: said.reason.trim() }),
    });
    if (attempt.peek() === now.attempt) {
      chosen.value = fault.value = "";
      asked.value = false;
    }
  } catch (error) {
    fault.value = words(error);
  } finally {
    busy.value = false;
  }
}

const zone = (): string => hours.peek()?.zones[0] ?? "";

function set(part: Partial<Draft>): void {
  draft.value = { ...draft.peek(), ...part };
  asked.value = false;
}

export function Dispose(): JSX.Element | null {
  const now = call.value;
  if (!now) return null;
  const one = offer.value;
  const wants = (name: string) => one?.requires.includes(name) ?? false;
  return (
    <section class="card dispose" aria-labelledby="dispose-title">
      <h2 id="dispose-title">How did it go?</h2>
      <ol id="offers" class="plain">
        {now.dispositions.map((each) => {
          const needs = each.requires.map((name) => ({ callback_at: "a time", due_on: "a day", amount: "an amount", note: "a note", reason: "a reason" })[name] ?? name);
          const on = each.code === (chosen.value || now.disposition);
          return (
            <li key={each.code}>
              <button type="button" data-code={each.code} aria-pressed={on} class={on && each.confirm && asked.value ? "sure" : ""} aria-keyshortcuts={each.hot_key || undefined} onClick={() => press(each)}>
                <Key of={each.hot_key} />
                <span>{each.label}</span>
                {needs.length > 0 && <small>needs {needs.join(", ")}</small>}
              </button>
            </li>
          );
        })}
      </ol>
      <form
        id="extra"
        novalidate
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        {wants("callback_at") && <Callback />}
        {(wants("amount") || wants("due_on")) && (
          <div class="two">
            {wants("amount") && (
              <label>
                Promised amount
                <input id="amount" inputMode="decimal" autocomplete="off" placeholder="120.50" value={draft.value.amount} onInput={(event) => set({ amount: event.currentTarget.value.replace(",", ".") })} />
              </label>
            )}
            {wants("due_on") && (
              <label>
                Paid by
                <input id="due" type="date" min={localValue(clock.date(), zone()).slice(0, 10)} value={draft.value.due} onInput={(event) => set({ due: event.currentTarget.value })} />
              </label>
            )}
          </div>
        )}
        {wants("reason") && (
          <label>
            Reason
            <input id="reason" maxLength={200} autocomplete="off" value={draft.value.reason} onInput={(event) => set({ reason: event.currentTarget.value })} />
          </label>
        )}
        <label>
          <span>
            Note <Key of="N" />
          </span>
          <textarea
            id="note"
            maxLength={2000}
            value={draft.value.note}
            onInput={(event) => set({ note: event.currentTarget.value })}
            onKeyDown={(event) => {
              if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
                event.preventDefault();
                void save();
              }
            }}
          />
        </label>
        {fault.value && (
          <p id="dispose-error" class="error" role="alert">
            {fault.value}
          </p>
        )}
        {one && (
          <button id="save" class={one.confirm ? "danger" : "main"} disabled={busy.value} onClick={() => (asked.value = true)}>
            {one.confirm ? `Yes, ${one.label.toLowerCase()}` : `Save: ${one.label}`}
          </button>
        )}
        <p class="unseen" aria-live="assertive">
          {asked.value && one?.confirm ? `Press again to confirm: ${one.label}` : ""}
        </p>
      </form>
    </section>
  );
}

/** When to call back, on the customer's clocks, with the hours in which the law lets one call. */
function Callback(): JSX.Element {
  const may = hours.value;
  const there = may?.zones[0] ?? "";
  const now = clock.date();
  const value = draft.value.callback;
  const at = value ? new Date(zoned(value, there)) : null;
  const fine = at == null || may == null || windowAt(at, may.windows) != null;
  const quick = may ? suggestions(may, now) : [];
  return (
    <fieldset class="callback">
      <legend>Call back</legend>
      {there && <p class="soft">On the customer's clocks, {there.replaceAll("_", " ")}.</p>}
      {quick.length > 0 && (
        <div class="quick" role="group" aria-label="Suggestions">
          {quick.map((one) => (
            <button type="button" key={one.label} aria-pressed={localValue(one.at, there) === value} onClick={() => set({ callback: localValue(one.at, there) })}>
              {one.label}
            </button>
          ))}
        </div>
      )}
      <label>
        Date and time
        <input id="callback" type="datetime-local" step={300} min={localValue(now, there)} value={value} aria-invalid={!fine} aria-describedby="callback-zone" onInput={(event) => set({ callback: event.currentTarget.value })} />
      </label>
      <p id="callback-zone" class={fine ? "soft" : "error"}>
        {at == null ? window_words(may, now, there) : fine ? `${moment(at, there)} for the customer, ${moment(at)} for you.` : `Nobody may call then. ${window_words(may, at, there)}`}
      </p>
      <label class="check">
        <input type="checkbox" checked={draft.value.mine} onChange={(event) => set({ mine: event.currentTarget.checked })} /> Only I call back
      </label>
    </fieldset>
  );
}

function window_words(may: HoursAnswer | null, after: Date, there: string): string {
  const next = may?.windows.find((one) => new Date(one.to) > after);
  if (!next) return may ? "No calling hours are known for this customer." : "";
  const clockOf = (at: string) => new Date(at).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: there || undefined });
  return `The law lets one call ${moment(next.from, there).slice(0, -7)} ${clockOf(next.from)} to ${clockOf(next.to)}.`;
}

const AHEAD: [string, number][] = [
  ["In 1 hour", 3_600_000],
  ["In 3 hours", 3 * 3_600_000],
  ["Tomorrow", 24 * 3_600_000],
  ["In a week", 7 * 24 * 3_600_000],
];

/** Times one click away; each is moved to the next minute at which one may call. */
function suggestions(may: HoursAnswer, now: Date): { label: string; at: Date }[] {
  const found: { label: string; at: Date }[] = [];
  for (const [label, ahead] of AHEAD) {
    const wanted = new Date(Math.ceil((now.getTime() + ahead) / 300_000) * 300_000);
    const fits = windowAt(wanted, may.windows) ?? may.windows.find((one) => new Date(one.from) > wanted);
    if (!fits) continue;
    const at = wanted >= new Date(fits.from) ? wanted : new Date(Math.ceil(new Date(fits.from).getTime() / 300_000) * 300_000);
    if (!found.some((one) => one.at.getTime() === at.getTime())) found.push({ label, at });
  }
  return found;
}

