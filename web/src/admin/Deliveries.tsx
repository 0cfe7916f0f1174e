// What goes to the CRM: endpoints, deliveries, and sending again.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { post } from "../api/client";
import type { DeliveriesAnswer, DeliveryView, Detail, EndpointsAnswer } from "../api/types";
import { count, duration, moment, seconds } from "../ui/format";
import { useLoaded } from "../ui/loading";
import { attempt, Do, Empty, Fault, Sheet } from "../ui/parts";

const TONE: Record<string, string> = { delivered: "good", pending: "warm", dead: "bad", closed: "good", open: "bad", "half open": "warm", disabled: "bad" };

export default function Deliveries(): JSX.Element {
  useEffect(() => {
    document.title = "Deliveries · Overdial";
  }, []);
  const endpoint = useSignal("");
  const state = useSignal("");
  const type = useSignal("");
  const before = useSignal<number[]>([]);
  const chosen = useSignal<DeliveryView | null>(null);
  const endpoints = useLoaded<EndpointsAnswer>("/v1/bridge/endpoints", {}, 5);
  const list = useLoaded<DeliveriesAnswer>("/v1/bridge/deliveries", { endpoint: endpoint.value, state: state.value, type: type.value, before: before.value.at(-1), limit: 50 }, before.value.length ? 0 : 5);
  const again = () => {
    list.again();
    endpoints.again();
  };
  const only = (signal: typeof state, value: string) => {
    signal.value = value;
    before.value = [];
  };
  return (
    <>
      <div class="page-head">
        <h1>Deliveries to the CRM</h1>
      </div>
      <Fault of={endpoints.fault ?? list.fault} />
      {endpoints.data?.endpoints.length === 0 && <Empty>No endpoint is configured: see crm: in dialer.yaml.</Empty>}
      {!!endpoints.data?.endpoints.length && (
        <section class="card panel" aria-labelledby="ends-title">
          <h2 id="ends-title">Endpoints</h2>
          <div class="scroll">
            <table>
              <thead>
                <tr>
                  <th>Endpoint</th>
                  <th>Circuit</th>
                  <th class="number">Waiting</th>
                  <th class="number">Oldest</th>
                  <th class="number">Given up</th>
                  <th class="number">Delivered</th>
                  <th class="number">Latency</th>
                  <th>
                    <span class="unseen">Actions</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {endpoints.data.endpoints.map((one) => (
                  <tr key={one.name}>
                    <td>
                      <strong>{one.name}</strong> <span class="soft">{one.connector}</span>
                      <br />
                      <span class="mono soft">{one.url}</span>
                    </td>
                    <td>
                      <span class={`tag ${TONE[one.circuit] ?? ""}`}>{one.circuit}</span> {one.why}
                    </td>
                    <td class="number">{count(one.waiting)}</td>
                    <td class="number">{one.waiting ? duration(one.oldest_s) : "–"}</td>
                    <td class="number">{count(one.dead)}</td>
                    <td class="number">{count(one.delivered)}</td>
                    <td class="number">{seconds(one.latency_s)}</td>
                    <td>
                      <span class="row-of">
                        <Do
                          class="small"
                          act={async () => {
                            const result = await post<{ ok: boolean; error: string; took_s: number }>(`/v1/bridge/endpoints/${encodeURIComponent(one.name)}/test`);
                            if (!result.ok) throw new Error(result.error);
                          }}
                          done="The test event arrived."
                        >
                          Test
                        </Do>
                        {one.circuit === "disabled" && (
                          <Do class="small" act={() => post(`/v1/bridge/endpoints/${encodeURIComponent(one.name)}/enable`).then(again)} done="Enabled.">
                            Enable
                          </Do>
                        )}
                        {one.dead > 0 && (
                          <Do class="small" act={() => post("/v1/bridge/replay", { endpoint: one.name }).then(again)} done="They are sent again.">
                            Replay all given up
                          </Do>
                        )}
                      </span>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </section>
      )}
      <section class="card panel" aria-labelledby="list-title">
        <div class="page-head">
          <h2 id="list-title">Deliveries</h2>
          <label>
            Endpoint
            <select value={endpoint.value} onChange={(event) => only(endpoint, event.currentTarget.value)}>
              <option value="">all</option>
              {endpoints.data?.endpoints.map((one) => (
                <option key={one.name}>{one.name}</option>
              ))}
            </select>
          </label>
          <label>
            State
            <select value={state.value} onChange={(event) => only(state, event.currentTarget.value)}>
              {["", "pending", "delivered", "dead"].map((one) => (
                <option key={one} value={one}>
                  {one || "all"}
                </option>
              ))}
            </select>
          </label>
          <label>
            Type
            <input placeholder="call.*" value={type.value} onChange={(event) => only(type, event.currentTarget.value.trim())} />
          </label>
        </div>
        {list.data?.deliveries.length === 0 && <Empty>None.</Empty>}
        {!!list.data?.deliveries.length && (
          <div class="scroll">
            <table>
              <thead>
                <tr>
                  <th>Happened</th>
                  <th>Type</th>
                  <th>Endpoint</th>
                  <th>State</th>
                  <th class="number">Tries</th>
                  <th>Last answer</th>
                  <th>
                    <span class="unseen">Open</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {list.data.deliveries.map((one) => (
                  <tr key={`${one.endpoint}/${one.seq}`}>
                    <td>{moment(one.happened_at, "", true)}</td>
                    <td class="mono">{one.type}</td>
                    <td>{one.endpoint}</td>
                    <td>
                      <span class={`tag ${TONE[one.state] ?? ""}`}>{one.state}</span>
                    </td>
                    <td class="number">{one.attempts}</td>
                    <td>{one.error || one.status || "–"}</td>
                    <td>
                      <button type="button" class="small" onClick={() => (chosen.value = one)} aria-label={`Open ${one.type} ${one.seq}`}>
                        Open
                      </button>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
        <div class="row-of">
          {before.value.length > 0 && (
            <button type="button" onClick={() => (before.value = before.value.slice(0, -1))}>
              Newer
            </button>
          )}
          {!!list.data?.next && (
            <button type="button" onClick={() => (before.value = [...before.value, list.data!.next])}>
              Older
            </button>
          )}
        </div>
      </section>
      {chosen.value && <DeliverySheet of={chosen.value} close={() => (chosen.value = null)} again={again} />}
    </>
  );
}

function DeliverySheet({ of, close, again }: { of: DeliveryView; close: () => void; again: () => void }): JSX.Element {
  const { data, fault } = useLoaded<Detail>(`/v1/bridge/deliveries/${encodeURIComponent(of.endpoint)}/${of.seq}`);
  const now = data?.delivery ?? of;
  return (
    <Sheet title={`${of.type} to ${of.endpoint}`} close={close} wide>
      <p>
        <span class={`tag ${TONE[now.state] ?? ""}`}>{now.state}</span> {now.attempts} tries {now.next_at && `· next ${moment(now.next_at, "", true)}`} <span class="mono soft">{now.id}</span>
      </p>
      <Fault of={fault} />
      {now.state !== "pending" && (
        <p>
          <Do
            class="main"
            act={() => post("/v1/bridge/replay", { endpoint: of.endpoint, ids: [of.id], delivered: now.state === "delivered" })}
            done="It is sent again."
          >
            Send again
          </Do>
        </p>
      )}
      {data?.requests.map((one, n) => (
        <details key={n} open={n === 0}>
          <summary class="mono">
            {one.step ? `${one.step}: ` : ""}
            {one.method} {one.url}
          </summary>
          <pre tabIndex={0}>{typeof one.body === "string" ? one.body : JSON.stringify(one.body, null, 2)}</pre>
        </details>
      ))}
      {!!data?.attempts.length && (
        <table>
          <thead>
            <tr>
              <th>Tried</th>
              <th class="number">Took</th>
              <th>Answer</th>
            </tr>
          </thead>
          <tbody>
            {data.attempts.map((one, n) => (
              <tr key={n}>
                <td>{moment(one.at, "", true)}</td>
                <td class="number">{seconds(one.took_s)}</td>
                <td>{[one.status, one.error, one.answer].filter(Boolean).join(" · ")}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <button type="button" onClick={() => (void attempt(async () => again()), close())}>
        Done
      </button>
    </Sheet>
  );
}
