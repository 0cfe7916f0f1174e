// Numbers and times as people read them.

export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const h = Math.floor(whole / 3600);
  const m = Math.floor((whole % 3600) / 60);
  const s = String(whole % 60).padStart(2, "0");
  return h ? `${h}:${String(m).padStart(2, "0")}:${s}` : `${m}:${s}`;
}

export const percent = (fraction: number | null | undefined, digits = 1): string =>
  fraction == null ? "–" : `${(100 * fraction).toFixed(digits)}\u202f%`;

export const count = (number: number): string => number.toLocaleString("en").replaceAll(",", "\u202f");

export const seconds = (value: number | null | undefined): string => (value == null ? "–" : `${value.toFixed(1)}\u202fs`);

export function sentence(word: string): string {
  const spaced = word.replaceAll("_", " ").trim();
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

/** An instant in a time zone: "Tue 24 Nov, 09:30". An empty zone is the browser's. */
export function moment(at: string | number | Date | null | undefined, zone = "", seconds = false): string {
  if (at == null || at === "") return "–";
  const date = at instanceof Date ? at : new Date(at);
  if (Number.isNaN(date.getTime())) return "–";
  return date.toLocaleString("en-GB", {
    weekday: "short",
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
    second: seconds ? "2-digit" : undefined,
    timeZone: zone || undefined,
  });
}

/** Minutes that a zone is ahead of UTC at an instant. */
export function offsetMinutes(at: Date, zone: string): number {
  const parts = Object.fromEntries(
    new Intl.DateTimeFormat("en-US", {
      timeZone: zone || undefined,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    })
      .formatToParts(at)
      .map((part) => [part.type, Number(part.value)]),
  ) as Record<string, number>;
  const local = Date.UTC(parts.year!, parts.month! - 1, parts.day!, parts.hour!, parts.minute!, parts.second!);
  return Math.round((local - Math.floor(at.getTime() / 1000) * 1000) / 60_000);
}

/** "2026-11-23T09:30" as read from clocks in `zone`, with the offset it has there at that time.
 * In the hour that is skipped in spring the offset of before holds, as clocks had it. */
export function zoned(local: string, zone: string): string {
  if (!local) return "";
  const asUtc = new Date(`${local.slice(0, 16)}:00Z`);
  let offset = offsetMinutes(asUtc, zone);
  offset = offsetMinutes(new Date(asUtc.getTime() - offset * 60_000), zone);
  const sign = offset < 0 ? "-" : "+";
  const two = (number: number) => String(Math.floor(Math.abs(number))).padStart(2, "0");
  return `${local.slice(0, 16)}:00${sign}${two(offset / 60)}:${two(Math.abs(offset) % 60)}`;
}

/** An instant as a value for <input type="datetime-local">, on clocks in `zone`. */
export function localValue(at: Date, zone: string): string {
  return new Date(at.getTime() + offsetMinutes(at, zone) * 60_000).toISOString().slice(0, 16);
}

/** The window of legal calling hours an instant is in, if any. */
export function windowAt(at: Date, windows: readonly { from: string; to: string }[]): { from: string; to: string } | null {
  return windows.find((one) => at >= new Date(one.from) && at < new Date(one.to)) ?? null;
}
