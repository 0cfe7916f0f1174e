// Reading a decision of a pacer.

import type { Decided } from "../api/types";

const NOT_SHOWN = new Set(["at", "civil_s"]);

export const timeOf = (one: Decided): number => one.civil_s;

/** All numbers of a decision under one name each: what was seen and chosen, then its own inputs. */
export function numbersOf(one: Decided): Record<string, number> {
  const found: Record<string, number> = {};
  for (const [name, value] of Object.entries(one)) if (typeof value === "number" && !NOT_SHOWN.has(name)) found[name] = value;
  return { ...one.inputs, ...found };
}
