// Signing in: password, one-time code where wanted, the company's provider; a new password at first.

import { signal, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { post, Problem, session } from "./api/client";
import type { SessionAnswer } from "./api/types";
import { Fault, Mark } from "./ui/parts";

export const failedSignIn = signal("");

export function SignIn(): JSX.Element {
  useEffect(() => {
    document.title = "Sign in · Overdial";
  }, []);
  return <main class="login">{session.value?.must_change_password ? <NewPassword /> : <Password />}</main>;
}

function Password(): JSX.Element {
  const name = useSignal("");
  const password = useSignal("");
  const code = useSignal("");
  const wantsCode = useSignal(false);
  const fault = useSignal<unknown>(null);
  const busy = useSignal(false);
  const ways = session.value?.ways;
  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    fault.value = null;
    failedSignIn.value = "";
    busy.value = true;
    try {
      session.value = await post<SessionAnswer>("/v1/session", { name: name.value.trim(), password: password.value, code: code.value.trim() });
    } catch (error) {
      if (error instanceof Problem && error.errors.some((one) => one.field === "code")) {
        if (wantsCode.value) fault.value = error;
        wantsCode.value = true;
        setTimeout(() => document.getElementById("login-code")?.focus());
      } else fault.value = error;
    } finally {
      busy.value = false;
    }
  }
  return (
    <form class="card stack" onSubmit={(event) => void submit(event)} id="login-form">
      <h1 class="brand">
        <Mark /> Overdial
      </h1>
      {failedSignIn.value && (
        <p class="error" role="alert">
          {failedSignIn.value}
        </p>
      )}
      <div id="login-error">
        <Fault of={fault.value} />
      </div>
      {ways?.password !== false && (
        <>
          <label>
            Name
            <input id="login-name" name="username" autocomplete="username" autocapitalize="none" spellcheck={false} required maxLength={64} value={name.value} onInput={(event) => (name.value = event.currentTarget.value)} />
          </label>
          <label>
            Password
            <input id="login-password" name="password" type="password" autocomplete="current-password" required maxLength={256} value={password.value} onInput={(event) => (password.value = event.currentTarget.value)} />
          </label>
          {wantsCode.value && (
            <label>
              One-time code
              <input id="login-code" inputMode="numeric" autocomplete="one-time-code" maxLength={6} required value={code.value} onInput={(event) => (code.value = event.currentTarget.value)} />
            </label>
          )}
          <button class="main" disabled={busy.value} id="login-button">
            Sign in
          </button>
        </>
      )}
      {ways?.oidc && (
        <a class="button" href="/v1/session/oidc">
          {ways.oidc}
        </a>
      )}
    </form>
  );
}

function NewPassword(): JSX.Element {
  const old = useSignal("");
  const next = useSignal("");
  const fault = useSignal<unknown>(null);
  return (
    <form
      class="card stack"
      onSubmit={(event) => {
        event.preventDefault();
        fault.value = null;
        post<SessionAnswer>("/v1/session/password", { old: old.value, new: next.value }).then(
          (answer) => (session.value = answer),
          (error: unknown) => (fault.value = error),
        );
      }}
    >
      <h1 class="brand">
        <Mark /> A password of your own
      </h1>
      <p class="soft">The one you were given was for the first sign-in only.</p>
      <Fault of={fault.value} />
      <input type="hidden" autocomplete="username" value={session.value?.user?.name} />
      <label>
        The one you were given
        <input type="password" autocomplete="current-password" required value={old.value} onInput={(event) => (old.value = event.currentTarget.value)} />
      </label>
      <label>
        Yours
        <input id="new-password" type="password" autocomplete="new-password" required minLength={10} maxLength={256} value={next.value} onInput={(event) => (next.value = event.currentTarget.value)} />
      </label>
      <button class="main">Keep it</button>
    </form>
  );
}
