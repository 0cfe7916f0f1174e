// The wallboard, and what a supervisor can do from it.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { get, may, patch, post, token, words } from "../api/client";
import { clock, beat } from "../api/clock";
import type { AgentRow, CampaignSettings, CampaignView, Chart as Series } from "../api/types";
import { Chart } from "../ui/Chart";
import { count, percent, seconds, sentence } from "../ui/format";
import { useLoaded } from "../ui/loading";
import { attempt, Clock, Do, Empty, Fault, Sheet, Strip } from "../ui/parts";
import "./floor.css";
import { MonitorButtons, MonitorStrip } from "./Monitor";
import { abandonTone, campaigns, drawn, escalations, link, links, open, rows, STAGES, STATES, type Tone, webhooks } from "./floor";

export default function Floor(): JSX.Element {
  const broadcast = useSignal(false);
  const chosen = useSignal("");
  useEffect(() => {
    document.title = "Floor · Overdial";
    return open();
  }, []);
  const state = link.value?.state.value;
  if (state === "over" || state === "refused")
    return <AskToken />;
  if (!drawn.value) return <p class="idle soft">Connecting…</p>;
  const row = rows.value.get(chosen.value);
  return (
    <div class="floor" id="board">
      <h1 class="unseen">Floor</h1>
      <Head broadcast={() => (broadcast.value = true)} />
      {may("direct") && !token.value && <MonitorStrip />}
      <Alerts />
      {campaigns.value.map((one) => (
        <Campaign key={one.name} of={one} />
      ))}
      {campaigns.value.length === 0 && <Empty>No campaign yet.</Empty>}
      <Agents choose={(agent) => (chosen.value = agent)} />
      {!token.value && campaigns.value.length > 0 && <Day />}
      {broadcast.value && <Broadcast close={() => (broadcast.value = false)} />}
      {row && <AgentSheet of={row} close={() => (chosen.value = "")} />}
    </div>
  );
}

function AskToken(): JSX.Element {
  const text = useSignal("");
  return (
    <form
      class="card stack ask panel"
      id="ask"
      onSubmit={(event) => {
        event.preventDefault();
        token.value = text.value.trim();
        location.reload();
      }}
    >
      <h1>Wallboard</h1>
      <p class="error" role="alert" id="ask-error">
        {token.value ? "This token is not valid (any more)." : "You may not look at the floor."}
      </p>
      <label>
        A viewer's token
        <input id="ask-token" type="password" autocomplete="off" required value={text.value} onInput={(event) => (text.value = event.currentTarget.value)} />
      </label>
      <button class="main">Show the floor</button>
      {token.value && (
        <button type="button" onClick={() => ((token.value = ""), location.assign("/"))}>
          Sign in instead
        </button>
      )}
    </form>
  );
}

function Head({ broadcast }: { broadcast: () => void }): JSX.Element {
  void beat.value;
  const hooks = webhooks.value;
  return (
    <div class="floor-top">
      <p class="time" id="time">
        {clock.date().toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })}
      </p>
      <ul id="links" class="plain links" aria-label="Connections">
        {links.value.map((one) => (
          <li key={one.pbx} class={one.up ? "up" : "down"}>
            <span class="dot" aria-hidden="true" /> PBX {one.pbx}
            {one.up ? ` · ${one.lines_in_use}${one.lines_limit ? `/${one.lines_limit}` : ""} lines` : " is down"}
            {one.up && one.trunks.length > 0 && <span class="soft">({one.trunks.map((trunk) => `${trunk.name} ${trunk.lines_in_use}/${trunk.lines_limit}`).join(", ")})</span>}
          </li>
        ))}
        {hooks && (
          <li class={hooks.failing ? "down" : hooks.dead ? "warm" : "up"}>
            <span class="dot" aria-hidden="true" /> CRM · {hooks.backlog ? `${count(hooks.backlog)} waiting` : "up to date"}
            {hooks.dead > 0 && ` · ${count(hooks.dead)} given up`}
          </li>
        )}
      </ul>
      {may("direct") && (
        <button type="button" onClick={broadcast} id="broadcast">
          Broadcast
        </button>
      )}
    </div>
  );
}

function Alerts(): JSX.Element {
  const hooks = webhooks.value;
  return (
    <div id="alerts" role="status" class="stack-tight">
      {link.value?.state.value === "lost" && <Strip tone="bad">Connection lost. These numbers are old; connecting again…</Strip>}
      {links.value
        .filter((one) => !one.up)
        .map((one) => (
          <Strip tone="bad" key={one.pbx}>
            PBX {one.pbx}: {one.why || "no connection"}
          </Strip>
        ))}
      {hooks?.failing && (
        <Strip tone="warm">
          CRM: {hooks.failing} ({count(hooks.backlog)} waiting)
        </Strip>
      )}
      {campaigns.value
        .filter((one) => one.why_not_dialling)
        .map((one) => (
          <Strip tone="warm" key={one.name}>
            {one.title || one.name} is not dialling: {one.why_not_dialling}
          </Strip>
        ))}
      {escalations.value.map((one) => (
        <div class="strip calm" key={one.id}>
          <span>
            <strong>{rows.value.get(one.agent)?.name || one.agent}</strong> asks for help{one.text && `: ${one.text}`} · <Clock at={one.at} />
          </span>
          {may("direct") && (
            <span class="row-of">
              {one.taken_by ? (
                <span class="soft">taken by {one.taken_by}</span>
              ) : (
                <Do class="small" act={() => post(`/v1/escalations/${one.id}/take`)}>
                  Take
                </Do>
              )}
              <Do class="small" act={() => post(`/v1/escalations/${one.id}/close`)}>
                Close
              </Do>
            </span>
          )}
        </div>
      ))}
    </div>
  );
}

function Tile({ name, value, more, tone = "", wide = false }: { name: string; value: string; more?: string; tone?: Tone; wide?: boolean }): JSX.Element {
  return (
    <div class={wide ? "tile wide" : "tile"} data-tone={tone || undefined}>
      <dt>{name}</dt>
      <dd>
        <span class="figure">{value}</span>
        {more && <span class="more">{more}</span>}
      </dd>
    </div>
  );
}

function Campaign({ of }: { of: CampaignView }): JSX.Element {
  const caps = useSignal(false);
  const a = of.abandon;
  const over = a.budget_left < 0;
  const left = Object.entries(of.leads).reduce((sum, [, n]) => sum + n, 0);
  const total = STAGES.reduce((sum, [stage]) => sum + of.lines[stage], 0);
  return (
    <section class="card campaign" aria-labelledby={`c-${of.name}`}>
      <div class="campaign-head">
        <h2 id={`c-${of.name}`}>{of.title || of.name}</h2>
        <span class={`tag ${of.state === "running" ? "good" : "warm"}`}>{of.state}</span>
        <span class="tag">{of.mode}</span>
        {may("direct") && <Actions of={of} caps={() => (caps.value = true)} />}
      </div>
      <dl class="tiles">
        <Tile
          name="Abandoned"
          tone={abandonTone(a)}
          value={percent(a.rate, 2)}
          more={`limit ${percent(a.limit, 0)} · ${over ? `${-a.budget_left} over the limit` : `${a.budget_left} more allowed`} · ${a.abandoned} of ${count(a.live)} live`}
          wide
        />
        <Tile name="Utilisation" value={percent(of.utilisation, 0)} more="talk and wrap-up of staffed time" />
        <Tile name="Agents wait" value={seconds(of.agent_wait_mean_s)} more="between two calls, mean" />
        <Tile name="Callers wait" value={seconds(of.caller_wait_mean_s)} more="for an agent, mean" tone={of.caller_wait_mean_s != null && of.caller_wait_mean_s > 1 ? "warm" : ""} />
        <Tile name="Connects" value={count(of.connects)} more={`${count(of.calls)} calls · ${count(of.live_answers)} answered`} />
        <Tile name="List left" value={count(left)} more={Object.entries(of.leads).map(([verdict, n]) => `${count(n)} ${verdict}`).join(" · ") || "no list"} />
      </dl>
      <div class="lines">
        <div class="lines-bar" role="img" aria-label={STAGES.map(([stage, name]) => `${of.lines[stage]} ${name}`).join(", ")}>
          {STAGES.map(([stage]) => (of.lines[stage] ? <i key={stage} class={`s-${stage}`} style={{ flexGrow: of.lines[stage] }} /> : null))}
        </div>
        <ul class="plain stages">
          {STAGES.map(([stage, name]) => (
            <li key={stage}>
              <i class={`s-${stage}`} aria-hidden="true" /> {of.lines[stage]} {name}
            </li>
          ))}
          <li class="soft">
            {total}
            {of.lines.limit ? ` of ${of.lines.limit}` : ""} lines
          </li>
        </ul>
        {of.pacing && <p class="soft pacing">Pacing: {of.pacing.reason}</p>}
        {a.window && <p class="soft pacing">Window: {a.window}</p>}
      </div>
      {caps.value && <Caps of={of} close={() => (caps.value = false)} />}
    </section>
  );
}

function Actions({ of, caps }: { of: CampaignView; caps: () => void }): JSX.Element {
  const act = (action: string) => () => post(`/v1/campaigns/${encodeURIComponent(of.name)}/${action}`);
  return (
    <span class="row-of actions">
      {of.state === "running" && (
        <Do class="small" act={act("pause")} done="Paused.">
          Pause
        </Do>
      )}
      {of.state === "paused" && (
        <Do class="small main" act={act("resume")} done="Goes on.">
          Resume
        </Do>
      )}
      {(of.state === "stopped" || of.state === "new") && (
        <Do class="small main" act={act("start")} done="Started.">
          Start
        </Do>
      )}
      <button type="button" class="small" onClick={caps}>
        Mode and caps
      </button>
    </span>
  );
}

function Caps({ of, close }: { of: CampaignView; close: () => void }): JSX.Element {
  const path = `/v1/campaigns/${encodeURIComponent(of.name)}/settings`;
  const { data, fault } = useLoaded<CampaignSettings>(path);
  const refused = useSignal<unknown>(null);
  return (
    <Sheet title={`${of.title || of.name}: mode and caps`} close={close}>
      <Fault of={fault ?? refused.value} />
      {data && (
        <form
          class="stack"
          onSubmit={(event) => {
            event.preventDefault();
            const form = new FormData(event.currentTarget);
            patch(path, { mode: form.get("mode"), abandon_limit: Number(form.get("limit")) / 100, lines_max: Number(form.get("lines")) }).then(close, (error: unknown) => (refused.value = error));
          }}
        >
          <label>
            Mode
            <select name="mode" defaultValue={data.mode}>
              {["progressive", "predictive"].map((mode) => (
                <option key={mode} selected={mode === data.mode}>
                  {mode}
                </option>
              ))}
            </select>
          </label>
          <label>
            Abandon limit, per cent (at most {100 * data.abandon_limit_most})
            <input name="limit" type="number" step="0.1" min="0.1" max={100 * data.abandon_limit_most} defaultValue={String(Math.round(1000 * data.abandon_limit) / 10)} />
          </label>
          <label>
            Lines at most (0: what the trunk allows)
            <input name="lines" type="number" min="0" defaultValue={String(data.lines_max)} />
          </label>
          {data.changed_by && <p class="soft">Last changed by {data.changed_by}.</p>}
          <div class="row-of">
            <button class="main">Change</button>
            <Do act={() => patch(path, { mode: null, abandon_limit: null, lines_max: null }).then(close)}>Back to the file's</Do>
          </div>
        </form>
      )}
    </Sheet>
  );
}

function Agents({ choose }: { choose: (agent: string) => void }): JSX.Element {
  const by = new Map<string, number>();
  for (const row of rows.value.values()) by.set(row.state, (by.get(row.state) ?? 0) + 1);
  const order = (state: string) => (STATES.indexOf(state) + 100) % 100;
  const sorted = [...rows.value.values()].sort((x, y) => order(x.state) - order(y.state) || x.since - y.since);
  const canAct = may("direct");
  return (
    <section class="card agents" aria-labelledby="floor-title">
      <div class="campaign-head">
        <h2 id="floor-title">{count(rows.value.size)} agents</h2>
        <ul id="states" class="plain row-of">
          {[...by].sort(([x], [y]) => order(x) - order(y)).map(([state, n]) => (
            <li key={state} class={`state-count t-${state.replaceAll(" ", "-")}`}>
              {n} {state}
            </li>
          ))}
        </ul>
      </div>
      <ul id="agents" class="plain">
        {sorted.slice(0, 300).map((row) => {
          const inside = (
            <>
              <strong>{row.name || row.agent}</strong>
              <Clock at={row.since} />
              <span class="what">
                {row.state === "break" && row.reason ? `break: ${row.reason}` : row.state}
                {!row.screen && <em> · no screen</em>}
              </span>
            </>
          );
          return (
            <li key={row.agent} class={`agent t-${row.state.replaceAll(" ", "-")}`}>
              {canAct ? (
                <button type="button" onClick={() => choose(row.agent)}>
                  {inside}
                </button>
              ) : (
                <div>{inside}</div>
              )}
            </li>
          );
        })}
      </ul>
      {rows.value.size === 0 && <Empty>Nobody is here.</Empty>}
    </section>
  );
}

function AgentSheet({ of, close }: { of: AgentRow; close: () => void }): JSX.Element {
  const reason = useSignal("");
  const force = (status: string) => post(`/v1/agents/${encodeURIComponent(of.agent)}/status`, { status, reason: status === "break" ? reason.value : "" }).then(close);
  return (
    <Sheet title={of.name || of.agent} close={close}>
      <p>
        {sentence(of.state)} for <Clock at={of.since} />
        {of.campaign && ` · ${of.campaign}`}
        {!of.screen && " · no screen is connected"}
      </p>
      {of.state === "talk" && !token.value && <MonitorButtons agent={of.agent} began={close} />}
      <p class="soft">A status that is forced during a call comes after it, and is audited under your name.</p>
      <div class="row-of">
        <Do class="main" act={() => force("ready")} done="Done.">
          Ready
        </Do>
        <label>
          <span class="unseen">Break code</span>
          <input placeholder="break code" value={reason.value} onInput={(event) => (reason.value = event.currentTarget.value)} />
        </label>
        <Do act={() => force("break")} done="Done.">
          Break
        </Do>
        <Do class="danger" act={() => force("logged out")} done="The shift ends.">
          End the shift
        </Do>
      </div>
    </Sheet>
  );
}

function Broadcast({ close }: { close: () => void }): JSX.Element {
  const text = useSignal("");
  return (
    <Sheet title="To the agents' screens" close={close}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void attempt(() => post<{ reached: number }>("/v1/broadcasts", { text: text.value, campaigns: [] }), "Sent.").then((fine) => fine && close());
        }}
      >
        <label>
          What they shall read
          <textarea id="broadcast-text" required maxLength={500} value={text.value} onInput={(event) => (text.value = event.currentTarget.value)} />
        </label>
        <button class="main">Send</button>
      </form>
    </Sheet>
  );
}

const CURVES: [string, string, string][] = [
  ["talk", "Agents talking", "--good"],
  ["ready", "Agents ready", "--accent"],
  ["wrap_up", "In wrap-up", "--warm"],
  ["ringing", "Lines ringing", "--soft"],
  ["waiting", "Callers waiting", "--bad"],
];

/** The day so far in quarters of an hour, and the last hours in ten seconds. */
function Day(): JSX.Element {
  const campaign = useSignal(campaigns.peek()[0]?.name ?? "");
  const day = useSignal<Series | null>(null);
  const recent = useSignal<Series | null>(null);
  const fault = useSignal("");
  useEffect(() => {
    const ask = () =>
      Promise.all([get<Series>("/v1/charts/day", { campaign: campaign.value }), get<Series>("/v1/charts/recent", { campaign: campaign.value })]).then(
        ([one, two]) => {
          day.value = one;
          recent.value = two;
          fault.value = "";
        },
        (error: unknown) => (fault.value = words(error)),
      );
    void ask();
    const timer = setInterval(() => document.hidden || void ask(), 15_000);
    return () => clearInterval(timer);
  }, [campaign.value]);
  const d = day.value?.series;
  const r = recent.value?.series;
  const at = (series: Record<string, (number | null)[]>) => (series.at ?? []).map(Number);
  return (
    <section class="card panel" aria-labelledby="day-title">
      <div class="page-head">
        <h2 id="day-title">The day</h2>
        {campaigns.value.length > 1 && (
          <label>
            <span class="unseen">Campaign</span>
            <select value={campaign.value} onChange={(event) => (campaign.value = event.currentTarget.value)}>
              {campaigns.value.map((one) => (
                <option key={one.name} value={one.name}>
                  {one.title || one.name}
                </option>
              ))}
            </select>
          </label>
        )}
      </div>
      {fault.value && <Fault of={fault.value} />}
      <div class="columns">
        {d && (
          <Chart
            title="Calls, answers and connects"
            summary="per quarter of an hour"
            at={at(d)}
            lines={[
              { label: "Calls", values: d.calls ?? [], colour: "--soft", steps: true },
              { label: "Answered", values: d.live ?? [], colour: "--accent", steps: true },
              { label: "Connected", values: d.connects ?? [], colour: "--good", fill: true, steps: true },
              { label: "Abandoned", values: d.abandoned ?? [], colour: "--bad", steps: true },
            ]}
          />
        )}
        {r && (
          <Chart
            title="Agents and lines"
            summary="the last hours"
            at={at(r)}
            lines={CURVES.filter(([name]) => r[name]).map(([name, label, colour]) => ({ label, values: r[name] ?? [], colour }))}
          />
        )}
      </div>
    </section>
  );
}
