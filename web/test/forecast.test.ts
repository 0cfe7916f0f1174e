import { expect, test } from "vitest";
import { lastOf, verdict } from "../src/engineer/forecast";

test("the last known quarter counts, also after gaps", () => {
  expect(lastOf([0.5, null, 0.7, null])).toEqual([0.7, 2]);
  expect(lastOf([null])).toEqual([null, 0]);
  expect(lastOf([])).toEqual([null, 0]);
});

test("a day is as forecast within the band, its bounds included", () => {
  expect(verdict(0.8, 0.8, 0.9)).toBe("as forecast");
  expect(verdict(0.79, 0.8, 0.9)).toBe("below the forecast");
  expect(verdict(0.91, 0.8, 0.9)).toBe("above the forecast");
  expect(verdict(null, 0.8, 0.9)).toBe("");
  expect(verdict(0.8, null, 0.9)).toBe("");
});
