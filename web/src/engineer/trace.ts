// Reading a decision of a pacer.

import type { Decided } from "../api/types";

const NOT_SHOWN = new Set(["at", "civil_s"]);

/** Unix seconds at which clocks here show what the campaign's showed then. */
export const timeOf = (one: Decided): number => one.civil_s + new Date(one.civil_s * 1000).getTimezoneOffset() * 60;

/** All numbers of a decision under one name each: what was seen and chosen, then its own inputs. */
export function numbersOf(one: Decided): Record<string, number> {
  const found: Record<string, number> = {};
  for (const [name, value] of Object.entries(one)) if (typeof value === "number" && !NOT_SHOWN.has(name)) found[name] = value;
  return { ...one.inputs, ...found };
}
