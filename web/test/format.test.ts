import { describe, expect, test } from "vitest";
import { duration, localValue, moment, offsetMinutes, percent, windowAt, zoned } from "../src/ui/format";

describe("a time on the customer's clocks", () => {
  test("carries the offset that holds there then, not now and not here", () => {
    expect(zoned("2026-11-23T09:30", "Europe/Berlin")).toBe("2026-11-23T09:30:00+01:00");
    expect(zoned("2026-07-01T09:30", "Europe/Berlin")).toBe("2026-07-01T09:30:00+02:00");
    expect(zoned("2026-07-01T09:30", "America/New_York")).toBe("2026-07-01T09:30:00-04:00");
    expect(zoned("2026-07-01T09:30", "Asia/Kolkata")).toBe("2026-07-01T09:30:00+05:30");
    expect(zoned("2026-07-01T09:30", "America/St_Johns")).toBe("2026-07-01T09:30:00-02:30");
    expect(zoned("", "Europe/Berlin")).toBe("");
  });

  test("around the change of the clocks means one instant", () => {
    // Spring, Berlin 2026-03-29: 02:00 to 03:00 does not exist; autumn, 2026-10-25: it comes twice.
    expect(new Date(zoned("2026-03-29T01:59", "Europe/Berlin")).toISOString()).toBe("2026-03-29T00:59:00.000Z");
    expect(new Date(zoned("2026-03-29T03:00", "Europe/Berlin")).toISOString()).toBe("2026-03-29T01:00:00.000Z");
    const twice = new Date(zoned("2026-10-25T02:30", "Europe/Berlin")).toISOString();
    expect(["2026-10-25T00:30:00.000Z", "2026-10-25T01:30:00.000Z"]).toContain(twice);
  });

  test("comes back as it was typed", () => {
    for (const zone of ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"])
      for (const local of ["2026-01-05T00:00", "2026-06-30T23:55", "2026-11-01T12:10"]) expect(localValue(new Date(zoned(local, zone)), zone)).toBe(local);
  });

  test("offsets are whole minutes, also within a second", () => {
    expect(offsetMinutes(new Date("2026-07-01T12:00:00.987Z"), "Europe/Berlin")).toBe(120);
  });
});

test("a window of calling hours has its beginning and not its end", () => {
  const windows = [{ from: "2026-11-23T08:00:00Z", to: "2026-11-23T20:00:00Z" }];
  expect(windowAt(new Date("2026-11-23T08:00:00Z"), windows)).toBe(windows[0]);
  expect(windowAt(new Date("2026-11-23T20:00:00Z"), windows)).toBeNull();
  expect(windowAt(new Date("2026-11-23T07:59:59Z"), windows)).toBeNull();
});

test("numbers for people", () => {
  expect(duration(59.9)).toBe("0:59");
  expect(duration(3661)).toBe("1:01:01");
  expect(duration(-3)).toBe("0:00");
  expect(percent(0.0207, 2)).toBe("2.07\u202f%");
  expect(percent(null)).toBe("–");
  expect(moment("")).toBe("–");
  expect(moment("no date")).toBe("–");
});
