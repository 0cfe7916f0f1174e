// The application: who is signed in decides which screens there are; each screen is fetched when it
// is opened.

import { effect, signal } from "@preact/signals";
import { type ComponentType, type JSX, render } from "preact";
import { useEffect } from "preact/hooks";
import { clock } from "./api/clock";
import { may, post, refreshSession, remove, session, token, words } from "./api/client";
import type { SessionAnswer } from "./api/types";
import { failedSignIn, SignIn } from "./SignIn";
import { attempt, Mark, Toasts } from "./ui/parts";
import "./ui/base.css";

interface Screen {
  path: string;
  name: string;
  right: string;
  load: () => Promise<{ default: ComponentType }>;
}

const SCREENS: Screen[] = [
  { path: "/agent", name: "Calls", right: "work", load: () => import("./agent/Agent") },
  { path: "/wallboard", name: "Floor", right: "watch", load: () => import("./floor/Floor") },
  { path: "/campaigns", name: "Campaigns", right: "manage", load: () => import("./manager/Campaigns") },
  { path: "/lists", name: "Lists", right: "manage", load: () => import("./manager/Lists") },
  { path: "/strategies", name: "Strategies", right: "manage", load: () => import("./manager/Strategies") },
  { path: "/reports", name: "Reports", right: "manage", load: () => import("./manager/Reports") },
  { path: "/pacing", name: "Pacing", right: "engineer", load: () => import("./engineer/Pacing") },
  { path: "/deliveries", name: "Deliveries", right: "engineer", load: () => import("./admin/Deliveries") },
  { path: "/users", name: "Users", right: "administer", load: () => import("./admin/Users") },
];

const path = signal(location.pathname);
const screen = signal<{ path: string; of: ComponentType } | null>(null);
const failed = signal("");
const account = signal<ComponentType | null>(null); // one's own, opened over the screen

async function openAccount(): Promise<void> {
  const { default: Account } = await import("./Account");
  account.value = () => <Account close={() => (account.value = null)} />;
}

export function go(to: string): void {
  if (to === path.peek()) return;
  history.pushState(null, "", to);
  path.value = to;
}
window.addEventListener("popstate", () => (path.value = location.pathname));

function allowed(): Screen[] {
  if (token.value) return SCREENS.filter((one) => one.path === "/wallboard");
  return SCREENS.filter((one) => may(one.right));
}

// The screen of the address, once the session is known and allows it.
effect(() => {
  if (!session.value || (!session.value.signed_in && !token.value) || session.value.must_change_password) {
    screen.value = null;
    return;
  }
  const mine = allowed();
  const wanted = mine.find((one) => one.path === path.value) ?? mine[0];
  if (!wanted) {
    failed.value = "You are signed in, but nothing here is yours to see. Ask an administrator for a role.";
    return;
  }
  if (wanted.path !== path.value) {
    history.replaceState(null, "", wanted.path);
    path.value = wanted.path;
  }
  if (screen.peek()?.path === wanted.path) return;
  failed.value = "";
  wanted.load().then(
    (module) => {
      if (path.peek() === wanted.path) screen.value = { path: wanted.path, of: module.default };
    },
    () => (failed.value = "This screen could not be fetched. Reload the page."),
  );
});

function Navigation(): JSX.Element {
  const user = session.value?.user;
  return (
    <header class="top">
      <a
        class="brand"
        href="/"
        onClick={(event) => {
          event.preventDefault();
          const first = allowed()[0];
          if (first) go(first.path);
        }}
      >
        <Mark /> <span>Overdial</span>
      </a>
      <nav aria-label="Screens">
        {allowed().length > 1 &&
          allowed().map((one) => (
            <a
              key={one.path}
              href={one.path}
              aria-current={path.value === one.path ? "page" : undefined}
              onClick={(event) => {
                if (event.ctrlKey || event.metaKey || event.shiftKey) return;
                event.preventDefault();
                go(one.path);
              }}
            >
              {one.name}
            </a>
          ))}
      </nav>
      {user && (
        <p class="who">
          {session.value?.csrf ? (
            <button type="button" class="quiet" id="who-name" aria-haspopup="dialog" onClick={() => void attempt(openAccount)}>
              {user.title || user.name}
            </button>
          ) : (
            <span id="who-name">{user.title || user.name}</span>
          )}
          <button type="button" class="quiet" id="sign-out" onClick={() => void attempt(() => remove("/v1/session").then(refreshSession))}>
            Sign out
          </button>
        </p>
      )}
    </header>
  );
}

function App(): JSX.Element {
  useEffect(() => {
    void begin();
  }, []);
  const now = session.value;
  if (failed.value && !screen.value)
    return (
      <main class="login">
        <p class="error" role="alert">
          {failed.value}
        </p>
        {now?.signed_in && (
          <button type="button" onClick={() => void remove("/v1/session").then(refreshSession)}>
            Sign out
          </button>
        )}
      </main>
    );
  if (!now) return <main class="login" aria-busy="true" />;
  if ((!now.signed_in && !token.value) || now.must_change_password) return <SignIn />;
  const Current = screen.value?.of;
  const Own = account.value;
  return (
    <div class={`app ${path.value === "/wallboard" ? "wide" : ""}`}>
      <a class="skip" href="#main">
        To the content
      </a>
      <Navigation />
      <main id="main" tabIndex={-1}>
        {Current ? <Current /> : null}
      </main>
      {Own && <Own />}
      <Toasts />
    </div>
  );
}

/** Fragments carry what must not reach a log: a sign-in ticket, or a wall display's token. */
async function begin(): Promise<void> {
  const fragment = new URLSearchParams(location.hash.slice(1));
  if (location.hash) history.replaceState(null, "", location.pathname);
  try {
    if (fragment.get("token")) token.value = fragment.get("token") as string;
    const ticket = fragment.get("ticket");
    if (ticket) session.value = await post<SessionAnswer>("/v1/session/ticket", { ticket });
    else await refreshSession();
    clock.set(session.value!.clock);
    if (fragment.get("signin")) failedSignIn.value = fragment.get("signin") as string;
  } catch (error) {
    failedSignIn.value = words(error);
    await refreshSession().catch(() => (failed.value = words(error)));
  }
}

render(<App />, document.getElementById("app")!);
