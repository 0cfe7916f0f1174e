// Key figures, each with its formula and its counts; when people are reached.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { address, may } from "../api/client";
import type { BestTimes, Kpi, KpiReport } from "../api/types";
import { count, percent, sentence } from "../ui/format";
import { useLoaded } from "../ui/loading";
import { Empty, Fault } from "../ui/parts";
import "./manager.css";
import { campaign, CampaignChoice } from "./useCampaigns";

const SPANS: [string, number][] = [
  ["Today", 0],
  ["7 days", 7],
  ["30 days", 30],
  ["All", -1],
];
const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

function since(days: number): string {
  if (days < 0) return "";
  const day = new Date();
  day.setHours(0, 0, 0, 0);
  day.setDate(day.getDate() - days);
  return day.toISOString();
}

function value(of: Kpi): string {
  if (of.value == null) return "–";
  return of.unit === "share" ? percent(of.value) : of.value.toFixed(2);
}

export default function Reports(): JSX.Element {
  useEffect(() => {
    document.title = "Reports · Overdial";
  }, []);
  const by = useSignal("campaign");
  const days = useSignal(-1);
  const query = { by: by.value, since: since(days.value) };
  const path = campaign.value ? `/v1/campaigns/${encodeURIComponent(campaign.value)}` : "";
  const report = useLoaded<KpiReport>(path && `${path}/kpis`, query);
  const times = useLoaded<BestTimes>(path && `${path}/best-times`, { since: query.since });
  return (
    <>
      <div class="page-head">
        <h1>Reports</h1>
        <CampaignChoice />
        <label>
          Split by
          <select value={by.value} onChange={(event) => (by.value = event.currentTarget.value)}>
            {["campaign", "segment", "arm", "list"].map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
        <label>
          Span
          <select value={days.value} onChange={(event) => (days.value = Number(event.currentTarget.value))}>
            {SPANS.map(([name, n]) => (
              <option key={name} value={n}>
                {name}
              </option>
            ))}
          </select>
        </label>
        {path && (
          <a class="button" href={address(`${path}/kpis.csv`, query)} download>
            CSV
          </a>
        )}
        {path && may("manage") && (
          <a
            class="button"
            href={address(`${path}/evidence`, { since: query.since })}
            title="Calls, decisions, rates and rules of this span in one archive. It is audited who took it."
            download
          >
            Evidence
          </a>
        )}
      </div>
      <Fault of={report.fault ?? times.fault} />
      {report.data?.groups.map((group) => (
        <section class="card panel" key={group.key}>
          {group.key && <h2>{group.key}</h2>}
          <div class="scroll">
            <table>
              <caption class="unseen">Key figures {group.key}</caption>
              <thead>
                <tr>
                  <th>Figure</th>
                  <th class="number">Value</th>
                  <th class="number">95 % interval</th>
                  <th class="number">Counts</th>
                  <th>Formula</th>
                </tr>
              </thead>
              <tbody>
                {group.kpis.map((one) => (
                  <tr key={one.id}>
                    <td>
                      <strong>{one.name}</strong>
                    </td>
                    <td class="number big">{value(one)}</td>
                    <td class="number">{one.low != null && one.high != null ? `${percent(one.low)} – ${percent(one.high)}` : "–"}</td>
                    <td class="number">
                      {count(one.numerator)} / {count(one.denominator)}
                    </td>
                    <td class="soft formula">{one.formula}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </section>
      ))}
      {report.data?.groups.length === 0 && <Empty>No attempts in this span.</Empty>}
      {times.data && times.data.cells.length > 0 && (
        <section class="card panel" aria-labelledby="times-title">
          <h2 id="times-title">When people are reached</h2>
          <p class="soft">{sentence(times.data.formula)}; on the called party's clock.</p>
          <div class="scroll">
            <Heat of={times.data} />
          </div>
        </section>
      )}
    </>
  );
}

function Heat({ of }: { of: BestTimes }): JSX.Element {
  const hours = [...new Set(of.cells.map((one) => one.hour))].sort((x, y) => x - y);
  const most = Math.max(...of.cells.map((one) => one.right_party_rate), 0.0001);
  return (
    <table class="heat">
      <caption class="unseen">Right-party rate by weekday and hour</caption>
      <thead>
        <tr>
          <td />
          {hours.map((hour) => (
            <th key={hour} scope="col" class="number">
              {hour}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {DAYS.map((day, n) => [day, n] as const).filter(([, n]) => of.cells.some((one) => one.weekday === n)).map(([day, n]) => (
          <tr key={day}>
            <th scope="row">{day}</th>
            {hours.map((hour) => {
              const cell = of.cells.find((one) => one.weekday === n && one.hour === hour);
              const step = cell ? Math.min(4, Math.floor((5 * cell.right_party_rate) / most)) : -1;
              return (
                <td key={hour} class={`number heat-${step < 0 ? "none" : step}`} title={cell ? `${cell.right_party} of ${cell.attempts}` : "no attempt"}>
                  {cell ? Math.round(100 * cell.right_party_rate) : ""}
                </td>
              );
            })}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
