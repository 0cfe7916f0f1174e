// Campaigns for their manager: life cycle, what is left, where the next step is.

import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { may, post } from "../api/client";
import type { CampaignView } from "../api/types";
import { count, percent } from "../ui/format";
import { useLoaded } from "../ui/loading";
import { Do, Empty, Fault } from "../ui/parts";

export default function Campaigns(): JSX.Element {
  useEffect(() => {
    document.title = "Campaigns · Overdial";
  }, []);
  const { data, fault, again } = useLoaded<{ campaigns: CampaignView[] }>("/v1/campaigns", {}, 5);
  const act = (one: CampaignView, action: string) => () => post(`/v1/campaigns/${encodeURIComponent(one.name)}/${action}`).then(again);
  return (
    <>
      <div class="page-head">
        <h1>Campaigns</h1>
      </div>
      <Fault of={fault} />
      {data?.campaigns.length === 0 && <Empty>No campaign is configured: name one in dialer.yaml.</Empty>}
      {data?.campaigns.filter((one) => one.state !== "archived").map((one) => (
        <section class="card panel" key={one.name} aria-labelledby={`m-${one.name}`}>
          <div class="page-head">
            <h2 id={`m-${one.name}`}>
              {one.title || one.name}
              <span class={`tag ${one.state === "running" ? "good" : "warm"}`}>{one.state}</span>
              <span class="tag">{one.mode}</span>
            </h2>
            {may("run") && (
              <span class="row-of">
                {(one.state === "stopped" || one.state === "new") && <Do class="small main" act={act(one, "start")}>Start</Do>}
                {one.state === "running" && <Do class="small" act={act(one, "pause")}>Pause</Do>}
                {one.state === "paused" && <Do class="small main" act={act(one, "resume")}>Resume</Do>}
                {one.state !== "stopped" && <Do class="small danger" act={act(one, "stop")}>Stop</Do>}
                {one.state === "stopped" && <Do class="small" act={act(one, "archive")}>Archive</Do>}
              </span>
            )}
          </div>
          {one.why_not_dialling && <p class="warn">Not dialling: {one.why_not_dialling}</p>}
          <div class="columns">
            <div class="scroll">
              <table>
                <caption class="unseen">Leads of {one.name} by verdict</caption>
                <thead>
                  <tr>
                    <th>Leads left</th>
                    <th class="number">Count</th>
                  </tr>
                </thead>
                <tbody>
                  {Object.entries(one.leads).map(([verdict, n]) => (
                    <tr key={verdict}>
                      <td>{verdict}</td>
                      <td class="number">{count(n)}</td>
                    </tr>
                  ))}
                  {Object.keys(one.leads).length === 0 && (
                    <tr>
                      <td colSpan={2}>No list yet: upload one under Lists.</td>
                    </tr>
                  )}
                </tbody>
              </table>
            </div>
            <div class="scroll">
              <table>
                <caption class="unseen">Calls of {one.name} since its start</caption>
                <thead>
                  <tr>
                    <th>Outcome</th>
                    <th class="number">Calls</th>
                    <th class="number">Share</th>
                  </tr>
                </thead>
                <tbody>
                  {Object.entries(one.outcomes)
                    .sort(([, x], [, y]) => y - x)
                    .map(([outcome, n]) => (
                      <tr key={outcome}>
                        <td>{outcome}</td>
                        <td class="number">{count(n)}</td>
                        <td class="number">{percent(n / Math.max(1, one.calls))}</td>
                      </tr>
                    ))}
                  {Object.keys(one.outcomes).length === 0 && (
                    <tr>
                      <td colSpan={3}>No call has ended yet.</td>
                    </tr>
                  )}
                </tbody>
              </table>
            </div>
          </div>
        </section>
      ))}
      {data?.campaigns.some((one) => one.state === "archived") && (
        <details class="card panel">
          <summary>Archived</summary>
          <ul class="plain">
            {data.campaigns
              .filter((one) => one.state === "archived")
              .map((one) => (
                <li key={one.name} class="row-of">
                  <strong>{one.title || one.name}</strong>
                  {may("run") && (
                    <Do class="small" aria-label={`Start ${one.title || one.name} again`} act={act(one, "start")}>
                      Start again
                    </Do>
                  )}
                </li>
              ))}
          </ul>
        </details>
      )}
    </>
  );
}
