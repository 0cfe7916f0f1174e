// Texts that are being changed, kept over a change of screens, and what an editor does with them.

import { signal } from "@preact/signals";
import type { DraftFault, DraftFile } from "../api/types";

/** What was typed and not saved, by campaign and file. */
export const drafts = signal<ReadonlyMap<string, string>>(new Map());

export const keyOf = (campaign: string, file: string): string => `${campaign}\n${file}`;

export function keep(key: string, text: string, saved: string): void {
  const next = new Map(drafts.peek());
  if (text === saved) next.delete(key);
  else next.set(key, text);
  drafts.value = next;
}

/** "Strategy", "Campaign", "Script", "Page: payments". */
export function nameOf(file: DraftFile): string {
  if (file.file.startsWith("page:")) return `Page: ${file.file.slice(5)}`;
  return file.file.charAt(0).toUpperCase() + file.file.slice(1);
}

/** Where line `line` (from 1) begins and ends. */
export function spanOf(text: string, line: number): [number, number] {
  const lines = text.split("\n");
  const nth = Math.min(Math.max(1, line), lines.length) - 1;
  const from = lines.slice(0, nth).reduce((sum, one) => sum + one.length + 1, 0);
  return [from, from + lines[nth]!.length];
}

/** What Enter puts in at `at`: the indent of the line, two more after a colon that ends it. */
export function newLine(text: string, at: number): string {
  const before = text.slice(text.lastIndexOf("\n", at - 1) + 1, at);
  const indent = /^ */.exec(before)![0].length + (/^ *- /.test(before) ? 2 : 0);
  return `\n${" ".repeat(indent + (/:\s*$/.test(before) ? 2 : 0))}`;
}

/** The lines that have faults, each with what is wrong there. */
export function byLine(faults: readonly DraftFault[]): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  for (const one of faults) {
    const words = one.field ? `${one.field}: ${one.message}` : one.message;
    found.set(one.line, found.has(one.line) ? `${found.get(one.line)}; ${words}` : words);
  }
  return found;
}
