// Asking the server for something to show, and again when it may have changed.

import { useSignal } from "@preact/signals";
import { useCallback, useEffect } from "preact/hooks";
import { get } from "../api/client";

export interface Loaded<T> {
  data: T | null;
  fault: unknown;
  again: () => void;
}

/** GET `path` now, on `again()`, and every `every_s` seconds. An empty path asks for nothing. */
export function useLoaded<T>(path: string, query: Record<string, string | number | null | undefined> = {}, every_s = 0): Loaded<T> {
  const data = useSignal<T | null>(null);
  const fault = useSignal<unknown>(null);
  const count = useSignal(0);
  const key = JSON.stringify([path, query]);
  const ask = useCallback(
    (signal: AbortSignal) =>
      get<T>(path, query, signal).then(
        (answer) => {
          data.value = answer;
          fault.value = null;
        },
        (error: unknown) => {
          if (!signal.aborted) fault.value = error;
        },
      ),
    [key],
  );
  useEffect(() => {
    data.value = null;
  }, [key]);
  useEffect(() => {
    if (!path) return undefined;
    const stop = new AbortController();
    void ask(stop.signal);
    const timer = every_s ? window.setInterval(() => document.hidden || void ask(stop.signal), every_s * 1000) : 0;
    return () => {
      stop.abort();
      window.clearInterval(timer);
    };
  }, [key, count.value, every_s]);
  return { data: data.value, fault: fault.value, again: () => (count.value += 1) };
}
