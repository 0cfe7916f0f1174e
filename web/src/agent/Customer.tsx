// Who is on the line.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { post } from "../api/client";
import { beat, clock } from "../api/clock";
import type { CallView, CustomerView } from "../api/types";
import { duration, moment, sentence } from "../ui/format";
import { Clock, Do, Fault, Key } from "../ui/parts";
import { call, customer, moreTime, refreshCustomer, talking } from "./desk";

export function Timer({ of }: { of: CallView }): JSX.Element {
  void beat.value;
  const now = clock.now();
  const over = of.ended_at != null;
  const limit = of.wrap_up_limit_s;
  if (!over && !talking.value)
    return (
      <div class="talk">
        <p id="call-label">{of.stage === "ringing" ? "Ringing" : of.mode === "manual" || of.mode === "preview" ? "Calling" : "Connecting"}</p>
      </div>
    );
  const left = over ? of.ended_at! + limit - now : 0;
  return (
    <div class="talk">
      <p id="call-label">{over ? (limit ? "Wrap-up ends in" : "Wrap-up") : of.stage === "on hold" ? "On hold" : "Talking"}</p>
      <p id="call-clock" class="clock" role="timer" aria-live="off">
        {over ? duration(limit ? left : now - of.ended_at!) : of.connected_at == null ? "" : duration(now - of.connected_at)}
      </p>
      {over && limit > 0 && <progress max={limit} value={Math.max(0, left)} aria-label="Time left for wrap-up" />}
      {over && limit > 0 && (
        <Do class="quiet small" id="more-time" aria-keyshortcuts="e" act={moreTime}>
          A minute more <Key of="E" />
        </Do>
      )}
    </div>
  );
}

export function CustomerCard(): JSX.Element | null {
  const now = call.value;
  if (!now) return null;
  const lead = now.lead;
  const more = customer.value;
  const masked = new Set(now.masked);
  const fields = Object.entries({ ...(lead.external_id ? { account: lead.external_id } : {}), ...lead.fields });
  const zone = more?.zones[0] ?? "";
  void beat.value;
  return (
    <section class="card customer" aria-labelledby="lead-name">
      <div class="head">
        <div>
          <p class="kicker">
            <span id="lead-campaign">{now.campaign}</span> · attempt <span id="lead-attempt">{lead.attempt_no}</span>
            {now.callback && <span class="tag">callback</span>}
            {now.queue && <span class="tag">{now.queue}</span>}
          </p>
          <h1 id="lead-name" tabIndex={-1}>
            {lead.name || lead.external_id || `Account ${lead.lead_id}`}
          </h1>
          <p class="phone" id="lead-phone">
            {lead.phone}
          </p>
          {zone && (
            <p class="soft" id="lead-time">
              {moment(clock.date(), zone)} there · {zone}
            </p>
          )}
        </div>
        <Timer of={now} />
      </div>
      <dl id="lead-fields" class="fields">
        {fields.map(([name, value]) => (
          <div key={name}>
            <dt>{sentence(name)}</dt>
            <dd>{masked.has(name) && !value ? <span class="masked">after verification</span> : value || "–"}</dd>
          </div>
        ))}
      </dl>
      {more && <Verify of={more} verified={now.verified || more.verified} live={now.ended_at == null} />}
      {more && more.phones.length > 1 && (
        <details>
          <summary>Other numbers</summary>
          <ul class="plain">
            {more.phones.map((one) => (
              <li key={one.phone}>
                {one.phone} <span class="soft">{one.label}</span> {one.bad && <span class="tag bad">bad</span>}
              </li>
            ))}
          </ul>
        </details>
      )}
      {more && <History of={more} />}
    </section>
  );
}

/** Right-party verification: masked fields are shown once enough answers match. */
function Verify({ of, verified, live }: { of: CustomerView; verified: boolean; live: boolean }): JSX.Element | null {
  const answers = useSignal<Record<string, string>>({});
  const fault = useSignal<unknown>(null);
  const said = useSignal("");
  if (verified)
    return (
      <p class="verified" id="verified">
        ✓ Right party verified
      </p>
    );
  if (!of.verify.identifiers.length || !of.masked.length) return null;
  return (
    <form
      class="verify"
      aria-labelledby="verify-title"
      onSubmit={(event) => {
        event.preventDefault();
        fault.value = null;
        post<{ verified: boolean; matched: number; need: number }>("/v1/agent/verify", { answers: answers.value }).then(
          (result) => {
            said.value = result.verified ? "" : `${result.matched} of ${result.need} match.`;
            if (result.verified) void refreshCustomer();
          },
          (error: unknown) => (fault.value = error),
        );
      }}
    >
      <h2 id="verify-title">
        Is it the right party? <Key of="V" />
      </h2>
      <p class="soft">Ask; {of.verify.need} must match. Then what is masked is shown.</p>
      <div class="verify-fields">
        {of.verify.identifiers.map((one, n) => (
          <label key={one.field}>
            {one.label || sentence(one.field)}
            <input id={n === 0 ? "verify-first" : undefined} autocomplete="off" disabled={!live} value={answers.value[one.field] ?? ""} onInput={(event) => (answers.value = { ...answers.value, [one.field]: event.currentTarget.value })} />
          </label>
        ))}
        <button class="main" disabled={!live}>
          Verify
        </button>
      </div>
      {said.value && (
        <p class="error" role="alert">
          {said.value}
        </p>
      )}
      <Fault of={fault.value} />
    </form>
  );
}

function History({ of }: { of: CustomerView }): JSX.Element {
  return (
    <section class="history" aria-labelledby="history-title">
      <h2 id="history-title">History</h2>
      {of.history.length === 0 ? (
        <p class="soft">Nobody has called before.</p>
      ) : (
        <ol class="plain">
          {of.history.map((one) => (
            <li key={one.attempt}>
              <span class="when">{moment(one.at)}</span> <strong>{sentence(one.code || one.outcome) || "This call"}</strong>{" "}
              <span class="soft">
                {[one.agent, one.talk_s != null && one.talk_s > 0 ? duration(one.talk_s) : ""].filter(Boolean).join(" · ")}
              </span>
              {one.note && <p class="note">{one.note}</p>}
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

export function Since({ at }: { at: number }): JSX.Element {
  return <Clock at={at} />;
}
