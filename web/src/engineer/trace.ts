// Reading a record of a pacing decision (dialer.pacing.trace).

export interface TraceRecord {
  at: number;
  civil_s: number; // s on the wall clock since 1970
  bound: string;
  why?: string;
  window: string;
  inputs: Record<string, number>;
  [name: string]: unknown;
}

const NOT_SHOWN = new Set(["at", "civil_s"]);

export const timeOf = (one: TraceRecord): number => one.civil_s;

/** All numbers of a record under one name each; what has two names has the plain one here. */
export function numbersOf(one: TraceRecord): Record<string, number> {
  const found: Record<string, number> = {};
  for (const [name, value] of Object.entries(one)) if (typeof value === "number" && !NOT_SHOWN.has(name)) found[name] = value;
  return { ...found, ...one.inputs };
}

export function reasonOf(one: TraceRecord): string {
  return one.why || `${String(one.lines)} lines: ${one.bound}`;
}
