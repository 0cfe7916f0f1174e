// Where the live day stands against the band of a forecast.

import type { Curve } from "../api/types";

export type Figure = Exclude<keyof Curve, "start_s">;

export const FIGURES: { name: Figure; label: string; share: boolean }[] = [
  { name: "utilisation", label: "Utilisation", share: true },
  { name: "abandon_rate", label: "Abandoned so far", share: true },
  { name: "answers", label: "Answers a quarter of an hour", share: false },
];

/** The last known value and its place; place 0 when there is none. */
export function lastOf(values: readonly (number | null)[]): [number | null, number] {
  for (let n = values.length - 1; n >= 0; n -= 1) if (values[n] != null) return [values[n] as number, n];
  return [null, 0];
}

/** In words; empty when one of them is not known. */
export function verdict(now: number | null, low: number | null, high: number | null): string {
  if (now == null || low == null || high == null) return "";
  if (now < low) return "below the forecast";
  return now > high ? "above the forecast" : "as forecast";
}
