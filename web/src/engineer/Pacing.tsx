// The telephony engineer's view: what the pacer saw, chose and why; outcomes by trunk; why a call was
// abandoned; what would happen if.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { get, post, remove, words } from "../api/client";
import { Chart } from "../ui/Chart";
import type { AbandonedAnswer, Decided, ExperimentsAnswer, ExperimentView, OutcomePart, OutcomesAnswer, Timeline, Trace as TraceAnswer } from "../api/types";
import { count, moment, percent, sentence } from "../ui/format";
import { type Loaded, useLoaded } from "../ui/loading";
import { Do, Empty, Fault } from "../ui/parts";
import { campaign, CampaignChoice } from "../manager/useCampaigns";
import { Forecast } from "./Forecast";
import "./engineer.css";
import { numbersOf, timeOf } from "./trace";

const KEPT_MAX = 3600; // decisions shown: half an hour at two a second

export default function Pacing(): JSX.Element {
  useEffect(() => {
    document.title = "Pacing · Overdial";
  }, []);
  const lab = useLoaded<ExperimentsAnswer>("/v1/experiments", {}, 2);
  return (
    <>
      <div class="page-head">
        <h1>Pacing</h1>
        <CampaignChoice />
      </div>
      {campaign.value && <Trace key={campaign.value} of={campaign.value} />}
      {campaign.value && <Forecast key={`f-${campaign.value}`} of={campaign.value} lab={lab} run={(one) => <Run of={one} again={lab.again} />} />}
      <div class="columns">
        <Why />
        <WhatIf lab={lab} />
      </div>
      <Outcomes />
    </>
  );
}

function Trace({ of }: { of: string }): JSX.Element {
  const records = useSignal<Decided[]>([]);
  const picked = useSignal<Decided | null>(null);
  const fault = useSignal("");
  useEffect(() => {
    let after: number | undefined;
    let gone = false;
    const ask = async (): Promise<void> => {
      try {
        const answer = await get<TraceAnswer>(`/v1/pacing/${encodeURIComponent(of)}/trace`, { after, limit: 1000 });
        if (gone) return;
        after = answer.next;
        fault.value = "";
        if (answer.records.length) records.value = [...records.peek(), ...answer.records].slice(-KEPT_MAX);
      } catch (error) {
        fault.value = words(error);
      }
    };
    void ask();
    const timer = setInterval(() => document.hidden || void ask(), 1000);
    return () => {
      gone = true;
      clearInterval(timer);
    };
  }, [of]);
  const now = records.value;
  const shown = picked.value ?? now.at(-1) ?? null;
  const at = useMemo(() => now.map(timeOf), [now]);
  const series = (name: string) => now.map((one) => numbersOf(one)[name] ?? null);
  return (
    <section class="card panel" aria-labelledby="trace-title">
      <h2 id="trace-title">What the pacer saw and chose</h2>
      <Fault of={fault.value} />
      {now.length === 0 ? (
        <Empty>No decision yet: the campaign has not dialled since this start.</Empty>
      ) : (
        <>
          <Chart
            title="Lines chosen, and who there was"
            summary="click a moment to see its reasons"
            at={at}
            lines={[
              { label: "Lines chosen", values: series("lines"), colour: "--accent", steps: true, fill: true },
              { label: "Given up", values: series("give_up"), colour: "--soft", steps: true },
              { label: "Idle agents", values: series("idle"), colour: "--good", steps: true },
              { label: "Ringing", values: series("ringing"), colour: "--warm", steps: true },
              { label: "Waiting", values: series("waiting"), colour: "--bad", steps: true },
            ]}
            height={260}
            onPick={(index) => (picked.value = now[index] ?? null)}
          />
          {shown && (
            <div class="why" aria-live="off">
              <p>
                <strong>{moment(timeOf(shown) * 1000, "", true)}</strong> {picked.value && <button type="button" class="small" onClick={() => (picked.value = null)}>Follow the newest</button>}
              </p>
              <p class="reason">{shown.why}</p>
              <dl class="inputs">
                {Object.entries(numbersOf(shown)).map(([name, value]) => (
                  <div key={name}>
                    <dt>{sentence(name)}</dt>
                    <dd>{Number.isInteger(value) ? value : value.toPrecision(3)}</dd>
                  </div>
                ))}
              </dl>
            </div>
          )}
        </>
      )}
    </section>
  );
}

function Why(): JSX.Element {
  const text = useSignal("");
  const asked = useSignal("");
  const lost = useLoaded<AbandonedAnswer>("/v1/abandoned", {}, 15);
  const { data, fault } = useLoaded<Timeline>(asked.value ? `/v1/attempts/${encodeURIComponent(asked.value)}/timeline` : "");
  return (
    <section class="card panel" aria-labelledby="why-title">
      <h2 id="why-title">Why was this call abandoned?</h2>
      <form
        class="row-of"
        onSubmit={(event) => {
          event.preventDefault();
          asked.value = text.value.trim();
        }}
      >
        <label class="grow">
          <span class="unseen">Attempt</span>
          <input id="why-attempt" placeholder="od-b3f1c2-c0000017" autocomplete="off" required value={text.value} onInput={(event) => (text.value = event.currentTarget.value)} />
        </label>
        <button class="main">Show</button>
      </form>
      <Fault of={fault ?? lost.fault} />
      {lost.data && lost.data.calls.length === 0 && <Empty>No call was abandoned in the last day.</Empty>}
      {lost.data && lost.data.calls.length > 0 && (
        <ul class="plain lost" aria-label="Abandoned in the last day">
          {lost.data.calls.map((one) => (
            <li key={one.attempt}>
              <button type="button" class="row" aria-pressed={asked.value === one.attempt} onClick={() => (asked.value = text.value = one.attempt)}>
                <span>{moment(one.at, "", true)}</span>
                <span class="mono">{one.attempt}</span>
                <span>{one.campaign}</span>
                {one.after_s != null && <span>{one.after_s.toFixed(1)} s after the answer</span>}
              </button>
            </li>
          ))}
        </ul>
      )}
      {data && (
        <>
          <p class="reason">{data.why || sentence(data.outcome)}</p>
          <ol class="timeline">
            {data.steps.map((one, n) => (
              <li key={n}>
                <span class="when mono">{moment(one.at, "", true)}</span> {sentence(one.step)} {one.agent && <span class="soft">{one.agent}</span>}
              </li>
            ))}
          </ol>
          {data.decisions.length > 0 && (
            <details>
              <summary>{data.decisions.length} decisions of the pacer around it</summary>
              <ul>
                {data.decisions.map((one, n) => (
                  <li key={n}>
                    <span class="mono">{moment(timeOf(one) * 1000, "", true)}</span> {one.why}
                  </li>
                ))}
              </ul>
            </details>
          )}
        </>
      )}
    </section>
  );
}

const NAMES: Record<string, string> = {
  utilisation: "Utilisation",
  abandon_rate: "Abandoned",
  connects_per_agent_hour: "Connects per agent and hour",
  lines_per_connect: "Lines per connect",
};
const SHARES = new Set(["utilisation", "abandon_rate"]);
const WISHES: Record<string, (value: number | string) => string> = {
  agents: (value) => `${value} agents`,
  answer_rate: (value) => `${percent(Number(value), 1)} answered`,
  limit: (value) => `limit ${percent(Number(value), 1)}`,
  days: (value) => `${value} days`,
};

const shown = (name: string, value: number) => (SHARES.has(name) ? percent(value, name === "abandon_rate" ? 2 : 1) : value.toPrecision(3));

function wished(of: ExperimentView): string {
  return Object.entries(of.request)
    .flatMap(([name, value]) => WISHES[name]?.(value) ?? [])
    .join(" · ");
}

/** Progress while it runs, its fault when it failed. */
function Run({ of, again }: { of: ExperimentView; again: () => void }): JSX.Element {
  const going = of.state === "running" || of.state === "waiting";
  return (
    <>
      <p class="row-of">
        <strong>{wished(of)}</strong>
        <span class={`tag ${of.state === "done" ? "good" : of.error ? "bad" : ""}`}>{of.state}</span>
        <Do class="small" act={() => remove(`/v1/experiments/${of.id}`).then(again)}>
          {going ? "Cancel" : "Forget"}
        </Do>
      </p>
      {going && <progress max={1} value={of.progress || undefined} aria-label="Progress of the simulation" />}
      {of.error && <p class="error">{of.error}</p>}
    </>
  );
}

function WhatIf({ lab }: { lab: Loaded<ExperimentsAnswer> }): JSX.Element {
  const { data, fault, again } = lab;
  const refused = useSignal<unknown>(null);
  return (
    <section class="card panel" aria-labelledby="if-title">
      <h2 id="if-title">What if</h2>
      <form
        class="two ask-if"
        onSubmit={(event) => {
          event.preventDefault();
          const form = new FormData(event.currentTarget);
          refused.value = null;
          post<ExperimentView>("/v1/experiments", {
            campaign: campaign.value,
            agents: Number(form.get("agents")),
            answer_rate: Number(form.get("answer")) / 100,
            limit: Number(form.get("limit")) / 100,
          }).then(again, (error: unknown) => (refused.value = error));
        }}
      >
        <label>
          Agents
          <input name="agents" type="number" min="1" max="2000" defaultValue="20" required />
        </label>
        <label>
          Answered, %
          <input name="answer" type="number" min="1" max="65" step="0.5" defaultValue="25" required />
        </label>
        <label>
          Limit, %
          <input name="limit" type="number" min="0.1" max="10" step="0.1" defaultValue="3" required />
        </label>
        <button class="main">Simulate</button>
      </form>
      <Fault of={refused.value ?? fault} />
      <ul class="plain runs">
        {data?.experiments
          .filter((one) => !one.forecast)
          .map((one) => (
            <li key={one.id}>
              <Run of={one} again={again} />
              {one.result && (
                <div class="scroll">
                  <table>
                    <thead>
                      <tr>
                        <th>A day</th>
                        <th class="number">as it is</th>
                        <th class="number">95 %</th>
                        <th class="number">what if</th>
                        <th class="number">95 %</th>
                      </tr>
                    </thead>
                    <tbody>
                      {Object.keys(NAMES).map((name) => {
                        const [was, would] = [one.result!.as_is[name], one.result!.what_if[name]];
                        if (!was || !would) return null;
                        return (
                          <tr key={name}>
                            <td>{NAMES[name]}</td>
                            <td class="number">{shown(name, was.value)}</td>
                            <td class="number soft">
                              {shown(name, was.low)} – {shown(name, was.high)}
                            </td>
                            <td class="number">
                              <strong>{shown(name, would.value)}</strong>
                            </td>
                            <td class="number soft">
                              {shown(name, would.low)} – {shown(name, would.high)}
                            </td>
                          </tr>
                        );
                      })}
                    </tbody>
                  </table>
                </div>
              )}
            </li>
          ))}
      </ul>
    </section>
  );
}

function Outcomes(): JSX.Element {
  const hours = useSignal(24);
  const { data, fault } = useLoaded<OutcomesAnswer>("/v1/outcomes", { hours: hours.value }, 30);
  const trunks = new Map<string, OutcomePart[]>();
  for (const row of data?.rows ?? []) {
    const key = `${row.pbx} · ${row.trunk}`;
    trunks.set(key, [...(trunks.get(key) ?? []), row]);
  }
  return (
    <section class="card panel" aria-labelledby="outcomes-title">
      <div class="page-head">
        <h2 id="outcomes-title">Outcomes by trunk</h2>
        <label>
          <span class="unseen">Hours</span>
          <select value={hours.value} onChange={(event) => (hours.value = Number(event.currentTarget.value))}>
            {[1, 8, 24, 168].map((one) => (
              <option key={one} value={one}>
                last {one} h
              </option>
            ))}
          </select>
        </label>
      </div>
      <Fault of={fault} />
      {data && trunks.size === 0 && <Empty>No call has ended in this time.</Empty>}
      {[...trunks].map(([trunk, of]) => {
        const all = of.reduce((sum, row) => sum + row.calls, 0);
        return (
          <div class="scroll" key={trunk}>
            <table>
              <caption>
                {trunk}: {count(all)} calls
              </caption>
              <thead>
                <tr>
                  <th>Campaign</th>
                  <th>Outcome</th>
                  <th class="number">SIP</th>
                  <th class="number">Cause</th>
                  <th class="number">Calls</th>
                  <th class="number">Share</th>
                </tr>
              </thead>
              <tbody>
                {[...of]
                  .sort((x, y) => y.calls - x.calls)
                  .map((row, n) => (
                    <tr key={n}>
                      <td>{row.campaign}</td>
                      <td>{row.outcome}</td>
                      <td class="number">{row.sip ?? "–"}</td>
                      <td class="number">{row.cause ?? "–"}</td>
                      <td class="number">{count(row.calls)}</td>
                      <td class="number">{percent(row.calls / Math.max(1, all))}</td>
                    </tr>
                  ))}
              </tbody>
            </table>
          </div>
        );
      })}
    </section>
  );
}
