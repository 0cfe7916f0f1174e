// Hand the customer on: another agent, a queue, a number outside; by click, or by digits.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { get, post } from "../api/client";
import type { TransfersAnswer, TransferTarget } from "../api/types";
import { attempt, Empty, Key, Sheet } from "../ui/parts";

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
