// One's own password and one-time codes. Whatever changes here, one goes on in a new session.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { post, put, remove, session } from "./api/client";
import type { SessionAnswer } from "./api/types";
import { Fault, say, Sheet } from "./ui/parts";

export default function Account({ close }: { close: () => void }): JSX.Element {
  const now = session.value;
  return (
    <Sheet title={now?.user?.title || now?.user?.name || "Account"} close={close}>
      <p class="soft">{now?.user?.roles.join(", ")}</p>
      {now?.totp ? <CodesOff /> : <CodesOn />}
      <Password close={close} />
    </Sheet>
  );
}

/** A form that keeps its fault; what it sends answers with the session as it is then. */
function Form({ id, title, button, children, send }: { id: string; title: string; button: string; children?: JSX.Element | JSX.Element[]; send: (fields: Record<string, string>) => Promise<void> }): JSX.Element {
  const fault = useSignal<unknown>(null);
  const busy = useSignal(false);
  return (
    <form
      class="stack"
      id={id}
      onSubmit={(event) => {
        event.preventDefault();
        const form = event.currentTarget;
        busy.value = true;
        fault.value = null;
        send(Object.fromEntries(new FormData(form)) as Record<string, string>)
          .then(
            () => form.reset(),
            (error: unknown) => (fault.value = error),
          )
          .finally(() => (busy.value = false));
      }}
    >
      <fieldset class="stack">
        <legend>{title}</legend>
        {children}
        <Fault of={fault.value} />
        <button disabled={busy.value}>{button}</button>
      </fieldset>
    </form>
  );
}

function Secret({ name, label, complete = "current-password" }: { name: string; label: string; complete?: "current-password" | "new-password" }): JSX.Element {
  return (
    <label>
      {label}
      <input type="password" name={name} autocomplete={complete} required minLength={complete === "new-password" ? 10 : 1} maxLength={256} />
    </label>
  );
}

function CodesOn(): JSX.Element {
  const given = useSignal<{ secret: string; uri: string } | null>(null);
  if (!given.value)
    return (
      <Form
        id="codes-begin"
        title="One-time codes are off"
        button="Switch on"
        send={async (fields) => {
          given.value = await post("/v1/session/totp", { password: fields.password });
        }}
      >
        <p class="soft">An authenticator on your telephone gives a code that is asked for beside the password.</p>
        <Secret name="password" label="Your password" />
      </Form>
    );
  return (
    <Form
      id="codes-confirm"
      title="One-time codes"
      button="Confirm"
      send={async (fields) => {
        session.value = await put<SessionAnswer>("/v1/session/totp", { code: fields.code });
        say("One-time codes are on. You are signed out everywhere else.");
      }}
    >
      <p class="soft">
        Type this key into your authenticator, or <a href={given.value.uri}>open it on this device</a>.
      </p>
      <p class="mono digits" id="codes-secret">
        {given.value.secret.replace(/(.{4})(?=.)/g, "$1 ")}
      </p>
      <label>
        The code it shows
        <input name="code" inputMode="numeric" autocomplete="one-time-code" pattern="[0-9]{6}" maxLength={6} required />
      </label>
    </Form>
  );
}

function CodesOff(): JSX.Element {
  return (
    <Form
      id="codes-end"
      title="One-time codes are on"
      button="Switch off"
      send={async (fields) => {
        session.value = await remove<SessionAnswer>("/v1/session/totp", { password: fields.password });
        say("One-time codes are off. You are signed out everywhere else.");
      }}
    >
      <Secret name="password" label="Your password" />
    </Form>
  );
}

function Password({ close }: { close: () => void }): JSX.Element {
  return (
    <Form
      id="password"
      title="Password"
      button="Change"
      send={async (fields) => {
        session.value = await post<SessionAnswer>("/v1/session/password", { old: fields.old, new: fields.new });
        say("The password is changed. You are signed out everywhere else.");
        close();
      }}
    >
      <input type="hidden" name="username" autocomplete="username" value={session.value?.user?.name} />
      <Secret name="old" label="The one you have" />
      <Secret name="new" label="A new one" complete="new-password" />
    </Form>
  );
}
