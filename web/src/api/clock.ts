// The server's clock, as of its last word, and a beat for whatever shows time.

import { signal } from "@preact/signals";

export interface ClockView {
  now: number; // s on the server's clock
  utc: string;
  speed: number; // seconds of it in each real one
}

export class ServerClock {
  private at = performance.now();
  private read = 0;
  private utc = NaN;
  private utcRead = 0;
  speed = 1;

  set(clock: ClockView): void {
    this.speed = clock.speed;
    this.utc = Date.parse(clock.utc);
    this.utcRead = clock.now;
    this.tell(clock.now);
  }

  tell(now: number): void {
    this.read = now;
    this.at = performance.now();
  }

  now(): number {
    return this.read + ((performance.now() - this.at) / 1000) * this.speed;
  }

  /** The instant of a time on the server's clock. */
  date(at = this.now()): Date {
    return new Date(Number.isNaN(this.utc) ? Date.now() : this.utc + (at - this.utcRead) * 1000);
  }
}

export const clock = new ServerClock();

/** Changes twice a second: read it where time is shown. */
export const beat = signal(0);
setInterval(() => (beat.value += 1), 500);
