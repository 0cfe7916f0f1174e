// What to say: the script of the campaign, with this customer's data in it, step by step.

import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { Rendered } from "../ui/parts";
import { attempt, script } from "./desk";

const KEPT = "overdial.script";
const said = signal<ReadonlySet<string>>(new Set());
let of = "";
attempt.subscribe((id) => {
  if (id === of) return;
  of = id;
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null") as { attempt: string; said: string[] } | null;
  said.value = new Set(id && kept?.attempt === id ? kept.said : []);
});

function toggle(id: string, on: boolean): void {
  const now = new Set(said.peek());
  if (on) now.add(id);
  else now.delete(id);
  said.value = now;
  sessionStorage.setItem(KEPT, JSON.stringify({ attempt: of, said: [...now] }));
}

export function Script(): JSX.Element | null {
  const steps = script.value;
  if (!steps.length) return null;
  const left = steps.filter((one) => one.required && !said.value.has(one.id));
  return (
    <section class="card script" aria-labelledby="script-title">
      <h2 id="script-title">Script</h2>
      <p class={left.length ? "soft warn" : "soft"} aria-live="polite">
        {left.length ? `To be said still: ${left.map((one) => one.title).join(", ")}` : "All required steps are said."}
      </p>
      <ol class="steps">
        {steps.map((one) => (
          <li key={one.id} class={said.value.has(one.id) ? "said" : ""}>
            <label class="check">
              <input type="checkbox" checked={said.value.has(one.id)} onChange={(event) => toggle(one.id, event.currentTarget.checked)} />
              <strong>{one.title}</strong>
              {one.required && <span class="tag">required</span>}
            </label>
            <Rendered html={one.html} />
          </li>
        ))}
      </ol>
    </section>
  );
}
