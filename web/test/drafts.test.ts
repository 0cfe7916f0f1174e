import { expect, test } from "vitest";
import { byLine, drafts, keep, keyOf, newLine, spanOf } from "../src/manager/drafts";

test("a line is found, also past the end and without a last newline", () => {
  const text = "a: 1\n\nsegments:\n  - id: x";
  expect(text.slice(...spanOf(text, 3))).toBe("segments:");
  expect(text.slice(...spanOf(text, 2))).toBe("");
  expect(text.slice(...spanOf(text, 99))).toBe("  - id: x");
  expect(spanOf("", 1)).toEqual([0, 0]);
});

test("Enter keeps the indent, goes deeper after a colon, and under the members of a list", () => {
  expect(newLine("steps:", 6)).toBe("\n  ");
  expect(newLine("  when: true", 12)).toBe("\n  ");
  expect(newLine("  - id: x", 9)).toBe("\n    ");
  expect(newLine("a: 1\nb: 2", 4)).toBe("\n");
});

test("faults of one line are told together", () => {
  const found = byLine([
    { line: 4, field: "segments[0].when", message: "there is no input x" },
    { line: 4, field: "", message: "is not YAML" },
  ]);
  expect([...found]).toEqual([[4, "segments[0].when: there is no input x; is not YAML"]]);
});

test("what was typed is kept until it is as saved", () => {
  const key = keyOf("spring", "strategy");
  keep(key, "new", "old");
  expect(drafts.value.get(key)).toBe("new");
  keep(key, "old", "old");
  expect(drafts.value.size).toBe(0);
});
