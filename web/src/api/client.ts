// Requests to this server, and the problems it answers with.

import { signal } from "@preact/signals";
import type { SessionAnswer } from "./types";

/** Who is signed in; null until the server has said. */
export const session = signal<SessionAnswer | null>(null);

/** A wall display has a token instead of a person; it came in the fragment and stays in this tab. */
export const token = signal(sessionStorage.getItem("overdial.token") ?? "");
token.subscribe((now) => (now ? sessionStorage.setItem("overdial.token", now) : sessionStorage.removeItem("overdial.token")));

export interface FieldFault {
  field: string;
  message: string;
}

/** What the server refused, in words for people: what, which fields, and the mend. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly detail: string,
    readonly mend = "",
    readonly errors: FieldFault[] = [],
  ) {
    super([detail, ...errors.map((one) => `${one.field}: ${one.message}.`), mend].filter(Boolean).join(" "));
  }
}

type Query = Record<string, string | number | boolean | null | undefined>;

export function address(path: string, query: Query = {}): string {
  const left = Object.entries(query).filter(([, value]) => value != null && value !== "");
  if (!left.length) return path;
  return `${path}?${new URLSearchParams(left.map(([name, value]) => [name, String(value)]))}`;
}

export interface Options {
  query?: Query;
  body?: unknown; // sent as JSON; a Blob or FormData as it is
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

export async function request(method: string, path: string, options: Options = {}): Promise<Response> {
  const headers: Record<string, string> = { ...options.headers };
  if (method !== "GET" && session.peek()?.csrf) headers["X-CSRF-Token"] = session.peek()!.csrf;
  if (token.peek()) headers.Authorization = `Bearer ${token.peek()}`;
  let body: BodyInit | undefined;
  if (options.body instanceof Blob || options.body instanceof FormData) body = options.body;
  else if (options.body !== undefined) {
    body = JSON.stringify(options.body);
    headers["Content-Type"] ??= "application/json";
  }
  let answer: Response;
  try {
    answer = await fetch(address(path, options.query), { method, headers, body, signal: options.signal, cache: "no-store" });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Problem(0, "The server does not answer.", "It is tried again when you are.");
  }
  if (answer.ok) return answer;
  const said = (await answer.json().catch(() => ({}))) as Partial<Problem>;
  if (answer.status === 401 && session.peek()?.signed_in) void refreshSession().catch(() => undefined);
  throw new Problem(answer.status, said.detail ?? `The server answered ${answer.status}.`, said.mend ?? "", said.errors ?? []);
}

async function json<T>(method: string, path: string, options: Options): Promise<T> {
  const answer = await request(method, path, options);
  return (answer.status === 204 ? undefined : await answer.json()) as T;
}

export const get = <T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> => json<T>("GET", path, { query, signal });
export const post = <T = void>(path: string, body?: unknown, query?: Query): Promise<T> => json<T>("POST", path, { body, query });
export const put = <T = void>(path: string, body?: unknown): Promise<T> => json<T>("PUT", path, { body });
export const patch = <T = void>(path: string, body?: unknown): Promise<T> => json<T>("PATCH", path, { body });
export const remove = <T = void>(path: string, body?: unknown): Promise<T> => json<T>("DELETE", path, { body });

export async function refreshSession(): Promise<void> {
  session.value = await get<SessionAnswer>("/v1/session");
}

export function may(right: string): boolean {
  return session.value?.user?.rights.includes(right) ?? false;
}

/** An error as one text for people. */
export function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
