// Hand the customer on: another agent, a queue, a number outside; by click, or by digits. A colleague
// can be asked first, while the customer hears music.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { get, post, remove } from "../api/client";
import type { CallView, TransfersAnswer, TransferTarget } from "../api/types";
import { attempt, Do, Empty, Key, Sheet } from "../ui/parts";

const KINDS: [TransferTarget["to"], string][] = [
  ["agent", "Agents"],
  ["queue", "Queues"],
  ["outside", "Outside"],
];

export function Transfer({ close }: { close: () => void }): JSX.Element {
  const targets = useSignal<TransferTarget[] | null>(null);
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const look = () => attempt(() => get<TransfersAnswer>("/v1/agent/transfers").then((answer) => void (targets.value = answer.targets)));
    void look().then(() => list.current?.querySelector<HTMLElement>("button:enabled")?.focus());
    const timer = setInterval(() => void look(), 2000); // who is free changes
    return () => clearInterval(timer);
  }, []);
  const all = targets.value ?? [];
  const go = (one: TransferTarget) => void attempt(() => post("/v1/agent/transfers", { to: one.to, name: one.name }), `Handed on: ${one.title}.`).then((fine) => fine && close());
  const ask = (one: TransferTarget) => void attempt(() => post("/v1/agent/consult", { to: one.to, name: one.name })).then((fine) => fine && close());
  return (
    <Sheet title="Hand the customer on" close={close}>
      <p class="soft">You are free of the call at once, and write it up.</p>
      <div
        ref={list}
        id="transfers"
        onKeyDown={(event) => {
          const one = /^[1-9]$/.test(event.key) ? all[Number(event.key) - 1] : undefined;
          if (one?.free) go(one);
        }}
      >
        {KINDS.map(([kind, heading]) => {
          const those = all.filter((one) => one.to === kind);
          return those.length ? (
            <section key={kind}>
              <h3>{heading}</h3>
              <ul class="plain row-of">
                {those.map((one) => {
                  const number = all.indexOf(one) + 1;
                  return (
                    <li key={one.name}>
                      <button type="button" disabled={!one.free} data-to={`${one.to}:${one.name}`} onClick={() => go(one)}>
                        {one.title} {one.free ? number < 10 && <Key of={String(number)} /> : <span class="soft">not free</span>}
                      </button>
                      {kind !== "queue" && one.free && (
                        <button type="button" class="quiet" data-ask={one.name} onClick={() => ask(one)}>
                          Ask first
                        </button>
                      )}
                    </li>
                  );
                })}
              </ul>
            </section>
          ) : null;
        })}
        {targets.value && all.length === 0 && <Empty>Nobody works for this campaign besides you, and it names no number outside.</Empty>}
      </div>
    </Sheet>
  );
}

export const complete = () => post("/v1/agent/consult/complete");
export const takeBack = () => remove("/v1/agent/consult");
export const swap = () => post("/v1/agent/consult/swap");
export const join = () => post("/v1/agent/consult/join");

/** What an agent reads of somebody outside, by the consultation's state. */
const OUTSIDE: Record<string, string> = {
  dialling: "is being rung; the customer hears music.",
  talking: "is on the line; the customer hears music.",
  "with the customer": "hears music; you speak to the customer.",
  joined: "and the customer are with you: all three hear each other.",
};

function WithOutside({ of }: { of: NonNullable<CallView["consult"]> }): JSX.Element {
  const two = of.state === "talking" || of.state === "with the customer";
  const joined = of.state === "joined";
  return (
    <div class="strip calm" id="asking" role="status" data-state={of.state}>
      <span>
        <strong>{of.colleague}</strong> {OUTSIDE[of.state] ?? "is being connected…"}
      </span>
      <span class="row-of">
        <Do class="small" id="consult-swap" disabled={!two} aria-keyshortcuts="s" act={swap}>
          {of.state === "with the customer" ? `To ${of.colleague}` : "To the customer"} <Key of="S" />
        </Do>
        <Do class="small" id="consult-join" disabled={!two} aria-keyshortcuts="j" act={join}>
          All three <Key of="J" />
        </Do>
        <Do class="small main" id="consult-complete" disabled={!two && !joined} aria-keyshortcuts="t" act={complete}>
          {joined ? "Leave the two" : "Hand over"} <Key of="T" />
        </Do>
        <Do class="small" id="consult-back" disabled={!two && !joined && of.state !== "dialling"} aria-keyshortcuts="o" act={takeBack}>
          Customer alone <Key of="O" />
        </Do>
      </span>
    </div>
  );
}

/** While a colleague is asked: what becomes of the customer is the asker's to say. */
export function Asking({ of }: { of: NonNullable<CallView["consult"]> }): JSX.Element {
  if (of.outside) return <WithOutside of={of} />;
  const ready = of.state === "talking";
  return (
    <div class="strip calm" id="asking" role="status" data-state={of.state}>
      <span>
        {of.mine ? (
          <>
            The customer hears music. <strong>{of.colleague}</strong> {ready ? "is on the line." : "is being connected…"}
          </>
        ) : (
          <>
            <strong>{of.colleague}</strong> asks about this customer, who hears music.
          </>
        )}
      </span>
      {of.mine && (
        <span class="row-of">
          <Do class="small main" id="consult-complete" disabled={!ready} aria-keyshortcuts="t" act={complete}>
            Hand over <Key of="T" />
          </Do>
          <Do class="small" id="consult-back" disabled={!ready} aria-keyshortcuts="o" act={takeBack}>
            Back to the customer <Key of="O" />
          </Do>
        </span>
      )}
    </div>
  );
}
