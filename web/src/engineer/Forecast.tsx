// The live day against the simulator's forecast: a world fitted to the campaign's own calls, its days
// played, and the band that eight of ten of them stay in.

import { useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { post } from "../api/client";
import type { Curve, ExperimentsAnswer, ExperimentView } from "../api/types";
import { Chart } from "../ui/Chart";
import { count, percent } from "../ui/format";
import { type Loaded, useLoaded } from "../ui/loading";
import { Empty, Fault } from "../ui/parts";
import { FIGURES, lastOf, verdict } from "./forecast";

interface Props {
  of: string;
  lab: Loaded<ExperimentsAnswer>;
  run: (of: ExperimentView) => ComponentChildren;
}

export function Forecast({ of, lab, run }: Props): JSX.Element {
  const live = useLoaded<Curve>(`/v1/pacing/${encodeURIComponent(of)}/day`, {}, 30);
  const refused = useSignal<unknown>(null);
  const mine = lab.data?.experiments.find((one) => one.forecast && one.request.campaign === of);
  const going = mine?.state === "running" || mine?.state === "waiting";
  const band = mine?.band;
  const day = live.data;
  const at = band ? band.middle.start_s.map((start) => start / 3600) : [];
  return (
    <section class="card panel" aria-labelledby="forecast-title" id="forecast">
      <div class="page-head">
        <h2 id="forecast-title">The live day against the forecast</h2>
        <button
          type="button"
          class="small main"
          id="begin-forecast"
          disabled={going}
          onClick={() => {
            refused.value = null;
            post<ExperimentView>("/v1/forecasts", { campaign: of }).then(lab.again, (error: unknown) => (refused.value = error));
          }}
        >
          {band ? "Forecast anew" : "Forecast"}
        </button>
      </div>
      <Fault of={refused.value ?? live.fault} />
      {mine && !band && run(mine)}
      {!mine && <Empty>The simulator fits a world to this campaign's own calls and plays twenty days of it. Where today leaves the band of those days, something has changed: the list, the carrier, or the floor.</Empty>}
      {band && day && (
        <>
          <p class="row-of" id="verdicts">
            {FIGURES.map(({ name, label, share }) => {
              const [now, n] = lastOf(day[name]);
              const low = band.low[name][n] ?? null;
              const high = band.high[name][n] ?? null;
              const said = verdict(now, low, high);
              const words = (value: number | null) => (value == null ? "–" : share ? percent(value, name === "abandon_rate" ? 2 : 0) : count(Math.round(value)));
              return (
                <span key={name}>
                  {label} <strong>{words(now)}</strong> <span class="soft">of {words(low)} to {words(high)}</span>
                  <span class={`tag ${said === "as forecast" ? "good" : said ? "warm" : ""}`}>{said || "not known yet"}</span>
                </span>
              );
            })}
          </p>
          <div class="columns thirds">
            {FIGURES.map(({ name, label, share }) => (
              <Chart
                key={name}
                title={label}
                summary={`hours since the first call; ${band.days} days played`}
                time={false}
                at={at}
                height={190}
                band={[0, 1]}
                lines={[
                  { label: "High", values: band.high[name], colour: "--accent", dash: true, thin: true, percent: share },
                  { label: "Low", values: band.low[name], colour: "--accent", dash: true, thin: true, percent: share },
                  { label: "Forecast", values: band.middle[name], colour: "--accent", percent: share },
                  { label: "Today", values: at.map((_, n) => day[name][n] ?? null), colour: "--bad", percent: share },
                ]}
              />
            ))}
          </div>
          {day.start_s.length === 0 && <p class="soft">Today is drawn from its first whole quarter of an hour on.</p>}
        </>
      )}
    </section>
  );
}
