// Small parts that all screens are made of.

import { signal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { words } from "../api/client";
import { beat, clock } from "../api/clock";
import { duration } from "./format";

export function Mark(): JSX.Element {
  return (
    <svg class="mark" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="currentColor" />
      <path d="M8 21a8 8 0 0 1 16 0" fill="none" stroke="var(--card)" stroke-width="3" stroke-linecap="round" />
      <circle cx="16" cy="21" r="2.6" fill="var(--card)" />
    </svg>
  );
}

/** How long ago, on the server's clock; or how long until, for a time to come. */
export function Clock({ at, until = false, label }: { at: number; until?: boolean; label?: string }): JSX.Element {
  void beat.value;
  const now = clock.now();
  return (
    <span class="clock" role="timer" aria-live="off" aria-label={label}>
      {duration(until ? at - now : now - at)}
    </span>
  );
}

export function Key({ of, show = true }: { of: string; show?: boolean }): JSX.Element | null {
  return show && of ? <kbd aria-hidden="true">{of}</kbd> : null;
}

/** A fault, told at once and read aloud. */
export function Fault({ of }: { of: unknown }): JSX.Element | null {
  if (!of) return null;
  return (
    <p class="error" role="alert">
      {words(of)}
    </p>
  );
}

export function Strip({ tone, children, role = "status" }: { tone: "bad" | "warm" | "calm"; children: ComponentChildren; role?: "status" | "alert" }): JSX.Element {
  return (
    <div class={`strip ${tone}`} role={role}>
      <span>{children}</span>
    </div>
  );
}

export function Empty({ children }: { children: ComponentChildren }): JSX.Element {
  return <p class="empty">{children}</p>;
}

/** A modal of the browser's own: focus is in its first field and stays inside, Escape closes, focus returns. */
export function Sheet({ title, close, children, wide = false }: { title: string; close: () => void; children: ComponentChildren; wide?: boolean }): JSX.Element {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    box.current?.showModal();
    box.current?.querySelector<HTMLElement>(":is(input, select, textarea):not([type=hidden], :disabled)")?.focus();
    return () => (before instanceof HTMLElement ? before.focus() : undefined);
  }, []);
  return (
    <dialog ref={box} class={wide ? "sheet wide" : "sheet"} aria-label={title} onClose={close} onClick={(event) => event.target === box.current && close()}>
      <div class="sheet-inside">
        <header class="sheet-head">
          <h2>{title}</h2>
          <button type="button" class="quiet" aria-label={`Close: ${title}`} onClick={close}>
            ✕
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

/** HTML that the server made from Markdown: no raw HTML comes through it (docs/api.md). */
export function Rendered({ html }: { html: string }): JSX.Element {
  return <div class="prose" dangerouslySetInnerHTML={{ __html: html }} />;
}

// --- words that pass -----------------------------------------------------------------------------

interface Toast {
  id: number;
  text: string;
  bad: boolean;
}
const toasts = signal<Toast[]>([]);
let last = 0;

export function say(text: string, bad = false): void {
  const id = (last += 1);
  toasts.value = [...toasts.value.slice(-2), { id, text, bad }];
  window.setTimeout(() => (toasts.value = toasts.value.filter((one) => one.id !== id)), bad ? 8000 : 4000);
}

/** Carry something out and say so; a refusal is said as well. */
export async function attempt(what: () => Promise<unknown>, done = ""): Promise<boolean> {
  try {
    await what();
    if (done) say(done);
    return true;
  } catch (error) {
    say(words(error), true);
    return false;
  }
}

export function Toasts(): JSX.Element {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((one) => (
        <p key={one.id} class={one.bad ? "toast bad" : "toast"}>
          {one.text}
        </p>
      ))}
    </div>
  );
}

/** A button that is busy while its promise is, and says what failed. */
export function Do({ act, done, children, ...rest }: { act: () => Promise<unknown>; done?: string; children: ComponentChildren } & JSX.IntrinsicElements["button"]): JSX.Element {
  const busy = useRef(false);
  return (
    <button
      type="button"
      {...rest}
      onClick={async () => {
        if (busy.current) return;
        busy.current = true;
        await attempt(act, done);
        busy.current = false;
      }}
    >
      {children}
    </button>
  );
}
