// Users, and what everybody did.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { patch, post, remove } from "../api/client";
import type { AuditAnswer, UsersAnswer, UserView } from "../api/types";
import { moment } from "../ui/format";
import { useLoaded } from "../ui/loading";
import { Do, Fault, Sheet } from "../ui/parts";

const ROLES = ["agent", "supervisor", "manager", "engineer", "administrator", "viewer"];

export default function Users(): JSX.Element {
  useEffect(() => {
    document.title = "Users · Overdial";
  }, []);
  const { data, fault, again } = useLoaded<UsersAnswer>("/v1/users");
  const adding = useSignal(false);
  const chosen = useSignal<UserView | null>(null);
  return (
    <>
      <div class="page-head">
        <h1>Users</h1>
        <button type="button" class="main" onClick={() => (adding.value = true)}>
          Add a user
        </button>
      </div>
      <Fault of={fault} />
      <section class="card panel">
        <div class="scroll">
          <table>
            <caption class="unseen">Users</caption>
            <thead>
              <tr>
                <th>User</th>
                <th>Roles</th>
                <th>Campaigns</th>
                <th>Phone</th>
                <th>Last seen</th>
                <th>
                  <span class="unseen">Open</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {data?.users.map((one) => (
                <tr key={one.name}>
                  <td>
                    <strong>{one.title || one.name}</strong> <span class="soft">{one.name}</span>
                    {one.disabled && <span class="tag bad">disabled</span>}
                    {one.totp && <span class="tag good">one-time codes</span>}
                  </td>
                  <td>{one.roles.join(", ")}</td>
                  <td>{one.campaigns == null ? "all" : one.campaigns.join(", ") || "none"}</td>
                  <td>{one.phone || "–"}</td>
                  <td>{moment(one.seen_at)}</td>
                  <td>
                    <button type="button" class="small" aria-label={`Open ${one.name}`} onClick={() => (chosen.value = one)}>
                      Open
                    </button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </section>
      <Audit />
      {(adding.value || chosen.value) && (
        <UserSheet
          of={chosen.value}
          close={() => {
            adding.value = false;
            chosen.value = null;
            again();
          }}
        />
      )}
    </>
  );
}

function UserSheet({ of, close }: { of: UserView | null; close: () => void }): JSX.Element {
  const roles = useSignal<string[]>(of?.roles ?? ["agent"]);
  const fault = useSignal<unknown>(null);
  const password = useSignal("");
  const path = `/v1/users/${encodeURIComponent(of?.name ?? "")}`;
  async function save(form: FormData): Promise<void> {
    fault.value = null;
    const text = (name: string) => String(form.get(name) ?? "").trim();
    const names = text("campaigns").split(/[\s,]+/).filter(Boolean);
    const campaigns = names.length ? names : null;
    try {
      if (of) {
        await patch(path, { roles: roles.value, ...(of.from_file ? {} : { title: text("title"), phone: text("phone"), campaigns }) });
        close();
      } else {
        const made = await post<{ password: string }>("/v1/users", { name: text("name"), title: text("title"), roles: roles.value, campaigns, phone: text("phone"), pbx: text("pbx") || "main" });
        password.value = made.password;
      }
    } catch (error) {
      fault.value = error;
    }
  }
  if (password.value)
    return (
      <Sheet title="A password for the first sign-in" close={close}>
        <p>It is told this once. At the first sign-in a password of their own is asked for.</p>
        <p class="digits mono">{password.value}</p>
        <button type="button" class="main" onClick={close}>
          Done
        </button>
      </Sheet>
    );
  return (
    <Sheet title={of ? of.title || of.name : "A new user"} close={close}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void save(new FormData(event.currentTarget));
        }}
      >
        {!of && (
          <label>
            Name
            <input name="name" required pattern="[A-Za-z0-9_.@\-]{1,64}" autocomplete="off" />
          </label>
        )}
        <fieldset>
          <legend>Roles</legend>
          <div class="row-of">
            {ROLES.map((role) => (
              <label class="check" key={role}>
                <input
                  type="checkbox"
                  checked={roles.value.includes(role)}
                  onChange={(event) => (roles.value = event.currentTarget.checked ? [...roles.value, role] : roles.value.filter((one) => one !== role))}
                />
                {role}
              </label>
            ))}
          </div>
        </fieldset>
        {of?.from_file ? (
          <p class="soft">Phone, campaigns and title are in dialer.yaml.</p>
        ) : (
          <>
            <label>
              Shown as
              <input name="title" maxLength={80} defaultValue={of?.title} />
            </label>
            <div class="two">
              <label>
                Phone
                <input name="phone" defaultValue={of?.phone} autocomplete="off" />
              </label>
              {!of && (
                <label>
                  PBX
                  <input name="pbx" defaultValue="main" autocomplete="off" />
                </label>
              )}
            </div>
            <label>
              Campaigns (empty: all)
              <input name="campaigns" defaultValue={of?.campaigns?.join(", ") ?? ""} autocomplete="off" />
            </label>
          </>
        )}
        <Fault of={fault.value} />
        <button class="main">{of ? "Save" : "Add"}</button>
      </form>
      {of && (
        <div class="row-of">
          <Do class="small" act={() => patch(path, { disabled: !of.disabled }).then(close)}>
            {of.disabled ? "Enable" : "Disable"}
          </Do>
          <Do class="small" act={() => post<{ password: string }>(`${path}/password`).then((made) => void (password.value = made.password))}>
            New password
          </Do>
          <Do class="small" act={() => remove(`${path}/sessions`)} done="Signed out everywhere.">
            Sign out
          </Do>
          {of.totp && (
            <Do class="small" act={() => remove(`${path}/totp`).then(close)}>
              Forget the authenticator
            </Do>
          )}
        </div>
      )}
    </Sheet>
  );
}

function Audit(): JSX.Element {
  const who = useSignal("");
  const action = useSignal("");
  const { data, fault } = useLoaded<AuditAnswer>("/v1/audit", { who: who.value, action: action.value, limit: 100 });
  return (
    <section class="card panel" aria-labelledby="audit-title">
      <div class="page-head">
        <h2 id="audit-title">Audit</h2>
        <label>
          Who
          <input value={who.value} onChange={(event) => (who.value = event.currentTarget.value.trim())} />
        </label>
        <label>
          Action
          <input value={action.value} onChange={(event) => (action.value = event.currentTarget.value.trim())} />
        </label>
      </div>
      <Fault of={fault} />
      <div class="scroll">
        <table>
          <caption class="unseen">Audit log, newest first</caption>
          <thead>
            <tr>
              <th>When</th>
              <th>Who</th>
              <th>Action</th>
              <th>What</th>
              <th>Detail</th>
            </tr>
          </thead>
          <tbody>
            {data?.entries.map((one) => (
              <tr key={one.id}>
                <td>{moment(one.at, "", true)}</td>
                <td>{one.who}</td>
                <td>{one.action}</td>
                <td>{one.object}</td>
                <td class="mono soft">{Object.keys(one.detail).length ? JSON.stringify(one.detail) : ""}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
