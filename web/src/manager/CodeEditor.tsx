// A plain text area with numbered lines: the keyboard, the screen reader and the browser's own undo
// work in it as everywhere. Tab leaves it.

import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { DraftFault } from "../api/types";
import { byLine, newLine, spanOf } from "./drafts";

interface Props {
  label: string;
  text: string;
  faults: readonly DraftFault[];
  readOnly: boolean;
  goTo: { line: number } | null; // a new object each time it is asked for
  change: (text: string) => void;
}

export function CodeEditor({ label, text, faults, readOnly, goTo, change }: Props): JSX.Element {
  const area = useRef<HTMLTextAreaElement>(null);
  const gutter = useRef<HTMLDivElement>(null);
  const marked = byLine(faults);
  const lines = text.split("\n").length;

  useEffect(() => {
    if (!goTo || !area.current) return;
    const [from, to] = spanOf(area.current.value, goTo.line);
    area.current.focus();
    area.current.setSelectionRange(from, to);
    const height = area.current.scrollHeight / Math.max(1, lines);
    area.current.scrollTop = Math.max(0, (goTo.line - 6) * height);
  }, [goTo]);

  return (
    <div class="editor">
      <div class="gutter" ref={gutter} aria-hidden="true">
        {Array.from({ length: lines }, (_, n) => (
          <i key={n} class={marked.has(n + 1) ? "faulty" : ""} title={marked.get(n + 1)}>
            {n + 1}
          </i>
        ))}
      </div>
      <textarea
        ref={area}
        id="editor"
        class="code"
        aria-label={label}
        aria-invalid={faults.length ? "true" : undefined}
        aria-describedby="editor-state"
        spellcheck={false}
        autocomplete="off"
        wrap="off"
        readOnly={readOnly}
        value={text}
        onInput={(event) => change(event.currentTarget.value)}
        onScroll={(event) => {
          if (gutter.current) gutter.current.scrollTop = event.currentTarget.scrollTop;
        }}
        onKeyDown={(event) => {
          const at = event.currentTarget;
          if (event.key !== "Enter" || event.isComposing || event.ctrlKey || event.metaKey || readOnly) return;
          event.preventDefault();
          // As typed, so that the browser can undo it.
          document.execCommand("insertText", false, newLine(at.value, at.selectionStart));
        }}
      />
    </div>
  );
}
