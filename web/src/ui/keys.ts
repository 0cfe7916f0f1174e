// Single-letter hot keys (WCAG 2.1.4: they can be switched off). They are off while one types; with
// Alt they work there too.

import { signal } from "@preact/signals";
import { useLayoutEffect } from "preact/hooks";
import { tinykeys } from "tinykeys";

const KEPT = "overdial.hotkeys";
export const hotKeys = signal(localStorage.getItem(KEPT) !== "off");
hotKeys.subscribe((on) => localStorage.setItem(KEPT, on ? "on" : "off"));

function typing(event: KeyboardEvent): boolean {
  const at = event.target;
  return at instanceof HTMLElement && (at.isContentEditable || /^(TEXTAREA|SELECT)$/.test(at.tagName) || (at instanceof HTMLInputElement && !/^(checkbox|radio|button|submit)$/.test(at.type)));
}

/** `bindings`: a key ("r", "1", "/") to what it does, while the caller is on the screen. */
export function useKeys(bindings: Record<string, () => void>): void {
  // Before the screen is painted: whoever sees a thing can press its key.
  useLayoutEffect(() => {
    const all: Record<string, (event: KeyboardEvent) => void> = {};
    for (const [key, act] of Object.entries(bindings)) {
      const press = (event: KeyboardEvent) => {
        if (!hotKeys.peek() || event.repeat || document.querySelector("dialog[open]")) return;
        if (typing(event) && !event.altKey) return;
        event.preventDefault();
        act();
      };
      all[key] = press;
      all[`Alt+${key}`] = press;
    }
    return tinykeys(window, all);
  });
}
