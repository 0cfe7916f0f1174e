// The telephony engineer's view: what the pacer saw, chose and why; outcomes by trunk; why a call was
// abandoned; what would happen if.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { get, post, Problem, remove, words } from "../api/client";
import { Chart } from "../ui/Chart";
import type { OutcomePart, OutcomesAnswer, Decided, Timeline, Trace as TraceAnswer } from "../api/types";
import { count, moment, percent, sentence } from "../ui/format";
import { useLoaded } from "../ui/loading";
import { Do, Empty, Fault } from "../ui/parts";
import { campaign, CampaignChoice } from "../manager/useCampaigns";
import "./engineer.css";
import { numbersOf, timeOf } from "./trace";

const KEPT_MAX = 3600; // decisions shown: half an hour at two a second

export default function Pacing(): JSX.Element {
  useEffect(() => {
    document.title = "Pacing · Overdial";
  }, []);
  return (
    <>
      <div class="page-head">
        <h1>Pacing</h1>
        <CampaignChoice />
      </div>
      {campaign.value && <Trace key={campaign.value} of={campaign.value} />}
      <div class="columns">
        <Why />
        <WhatIf />
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
      <Fault of={fault} />
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

interface Experiment {
  id: string;
  state: string;
  progress: number;
  request: Record<string, number | string>;
  result: unknown;
  error: string;
}

/** Numbers of a result with their intervals, whatever the experiment measured. */
function figures(result: unknown, path = ""): { name: string; value: number; low?: number; high?: number }[] {
  if (typeof result !== "object" || result === null) return [];
  const one = result as Record<string, unknown>;
  const middle = one.value ?? one.mean;
  if (typeof middle === "number") return [{ name: path, value: middle, low: one.low as number | undefined, high: one.high as number | undefined }];
  return Object.entries(one).flatMap(([name, value]) => (typeof value === "number" ? [{ name: path ? `${path} ${name}` : name, value }] : figures(value, path ? `${path} ${name}` : name)));
}

const number = (value: number, share: boolean) => (share ? percent(value, 2) : Number.isInteger(value) ? count(value) : value.toPrecision(3));

function WhatIf(): JSX.Element | null {
  const { data, fault, again } = useLoaded<{ experiments: Experiment[] }>("/v1/experiments", {}, 2);
  const refused = useSignal<unknown>(null);
  if (fault instanceof Problem && fault.status === 404) return null; // this server runs no experiments
  return (
    <section class="card panel" aria-labelledby="if-title">
      <h2 id="if-title">What if</h2>
      <form
        class="two"
        onSubmit={(event) => {
          event.preventDefault();
          const form = new FormData(event.currentTarget);
          refused.value = null;
          post<Experiment>("/v1/experiments", {
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
          Answered, per cent
          <input name="answer" type="number" min="1" max="100" step="0.5" defaultValue="25" required />
        </label>
        <label>
          Abandon limit, per cent
          <input name="limit" type="number" min="0.1" max="10" step="0.1" defaultValue="3" required />
        </label>
        <button class="main">Simulate</button>
      </form>
      <Fault of={refused.value ?? fault} />
      <ul class="plain runs">
        {data?.experiments.map((one) => (
          <li key={one.id}>
            <p class="row-of">
              <strong>{Object.entries(one.request).map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`).join(", ")}</strong>
              <span class={`tag ${one.state === "done" ? "good" : one.error ? "bad" : ""}`}>{one.state}</span>
              <Do class="small" act={() => remove(`/v1/experiments/${one.id}`).then(again)}>
                {one.state === "running" || one.state === "waiting" ? "Cancel" : "Forget"}
              </Do>
            </p>
            {(one.state === "running" || one.state === "waiting") && <progress max={1} value={one.progress} aria-label="Progress of the simulation" />}
            {one.error && <p class="error">{one.error}</p>}
            {one.result != null && (
              <div class="scroll">
                <table>
                  <thead>
                    <tr>
                      <th>Forecast</th>
                      <th class="number">Value</th>
                      <th class="number">95 % interval</th>
                    </tr>
                  </thead>
                  <tbody>
                    {figures(one.result).map((figure) => {
                      const share = /rate|share|utili|abandon|occupancy/.test(figure.name) && Math.abs(figure.value) <= 1;
                      return (
                        <tr key={figure.name}>
                          <td>{sentence(figure.name)}</td>
                          <td class="number">{number(figure.value, share)}</td>
                          <td class="number">{figure.low != null && figure.high != null ? `${number(figure.low, share)} – ${number(figure.high, share)}` : "–"}</td>
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
