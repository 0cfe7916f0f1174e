// A lead to look at before it is called: accept, or skip with a reason.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { OfferView } from "../api/types";
import { sentence } from "../ui/format";
import { attempt, Clock, Do, Key } from "../ui/parts";
import { send } from "./desk";

export function accept(of: OfferView): Promise<void> {
  return send("accept", { lead_id: of.lead.lead_id });
}

export function Preview({ of }: { of: OfferView }): JSX.Element {
  const reason = useSignal(of.skip_reasons[0] ?? "");
  const escalate = useSignal(false);
  return (
    <section class="card customer preview" aria-labelledby="offer-name">
      <div class="head">
        <div>
          <p class="kicker">
            {of.campaign} · attempt {of.lead.attempt_no} {of.callback && <span class="tag">callback</span>} {of.queue && <span class="tag">{of.queue}</span>}
          </p>
          <h1 id="offer-name" tabIndex={-1}>
            {of.lead.name || of.lead.external_id || `Account ${of.lead.lead_id}`}
          </h1>
          <p class="phone">{of.lead.phone}</p>
        </div>
        <div class="talk">
          <p>{of.on_timeout === "dial" ? "Called in" : "Goes back in"}</p>
          <p>
            <Clock at={of.until} until />
          </p>
        </div>
      </div>
      <dl class="fields">
        {Object.entries({ ...(of.lead.external_id ? { account: of.lead.external_id } : {}), ...of.lead.fields }).map(([name, value]) => (
          <div key={name}>
            <dt>{sentence(name)}</dt>
            <dd>{value || "–"}</dd>
          </div>
        ))}
      </dl>
      <div class="foot">
        <Do class="main" id="accept" aria-keyshortcuts="a" act={() => accept(of)}>
          Call <Key of="A" />
        </Do>
        <form
          class="skip"
          onSubmit={(event) => {
            event.preventDefault();
            void attempt(() => send("skip", { lead_id: of.lead.lead_id, reason: reason.value, escalate: escalate.value }));
          }}
        >
          <label>
            <span class="unseen">Why it is skipped</span>
            {of.skip_reasons.length ? (
              <select id="skip-reason" value={reason.value} onChange={(event) => (reason.value = event.currentTarget.value)}>
                {of.skip_reasons.map((one) => (
                  <option key={one}>{one}</option>
                ))}
              </select>
            ) : (
              <input id="skip-reason" required maxLength={200} placeholder="Why" value={reason.value} onInput={(event) => (reason.value = event.currentTarget.value)} />
            )}
          </label>
          {of.may_escalate && (
            <label class="check">
              <input type="checkbox" checked={escalate.value} onChange={(event) => (escalate.value = event.currentTarget.checked)} /> to a supervisor
            </label>
          )}
          <button id="skip" aria-keyshortcuts="x">
            Skip <Key of="X" />
          </button>
        </form>
      </div>
    </section>
  );
}
