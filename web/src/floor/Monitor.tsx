// Listening in on a call: from an agent's sheet, and while it lasts a strip above the floor.

import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { attempt, Do, Key } from "../ui/parts";
import { useKeys } from "../ui/keys";
import { rows } from "./floor";
import { begin, leave, monitor, type MonitorMode, open } from "./monitor";

const MODES: [MonitorMode, string, string, string][] = [
  ["listen", "Listen", "l", "nobody hears you"],
  ["whisper", "Whisper", "w", "the agent hears you"],
  ["barge", "Barge in", "j", "both hear you"],
];

export function MonitorButtons({ agent, began }: { agent: string; began: () => void }): JSX.Element {
  return (
    <div class="row-of" role="group" aria-label="Be part of the call">
      {MODES.map(([mode, name, , what]) => (
        <Do key={mode} id={`monitor-${mode}`} title={what} act={() => begin(agent, mode).then(began)}>
          {name}
        </Do>
      ))}
    </div>
  );
}

export function MonitorStrip(): JSX.Element | null {
  useEffect(open, []);
  const now = monitor.value;
  const keys: Record<string, () => void> = {};
  if (now) {
    for (const [mode, , key] of MODES) keys[key] = () => void attempt(() => begin(now.agent, mode));
    keys.e = () => void attempt(leave);
  }
  useKeys(keys);
  if (!now) return null;
  const name = rows.value.get(now.agent)?.name || now.agent;
  const said = MODES.find(([mode]) => mode === now.heard);
  return (
    <div class="strip calm" id="monitor" role="status" data-heard={now.heard}>
      <span>
        <strong>{name}</strong>: {said ? `${said[1].toLowerCase()}, ${said[3]}` : "your phone rings"}
      </span>
      <span class="row-of">
        {MODES.map(([mode, label, key]) => (
          <Do class="small" key={mode} aria-pressed={now.heard === mode} aria-keyshortcuts={key} disabled={!now.heard} act={() => begin(now.agent, mode)}>
            {label} <Key of={key.toUpperCase()} />
          </Do>
        ))}
        <Do class="small danger" id="monitor-leave" aria-keyshortcuts="e" act={leave}>
          Leave <Key of="E" />
        </Do>
      </span>
    </div>
  );
}
