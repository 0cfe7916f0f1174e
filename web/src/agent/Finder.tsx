// Looking up customers, reading knowledge pages, calling by hand.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { CustomersAnswer, CustomerView, PageAnswer, PagesAnswer } from "../api/types";
import { duration, moment, sentence } from "../ui/format";
import { useLoaded } from "../ui/loading";
import { Do, Empty, Fault, Rendered, Sheet } from "../ui/parts";

export function Search({ close, dial }: { close: () => void; dial?: (campaign: string, lead: number) => Promise<void> }): JSX.Element {
  const text = useSignal("");
  const asked = useSignal("");
  const lead = useSignal(0);
  useEffect(() => {
    const timer = setTimeout(() => (asked.value = text.value.trim()), 200);
    return () => clearTimeout(timer);
  }, [text.value]);
  const enough = asked.value.length >= 3;
  const found = useLoaded<CustomersAnswer>(enough ? "/v1/customers" : "", { q: asked.value, limit: 20 });
  return (
    <Sheet title="Find a customer" close={close} wide>
      <label>
        Name, number or id
        <input id="search" type="search" autocomplete="off" value={text.value} onInput={(event) => (text.value = event.currentTarget.value)} />
      </label>
      <Fault of={found.fault} />
      {lead.value ? (
        <CustomerSheet lead={lead.value} back={() => (lead.value = 0)} dial={dial} />
      ) : enough && found.data ? (
        found.data.customers.length ? (
          <ul class="plain results">
            {found.data.customers.map((one) => (
              <li key={`${one.campaign}/${one.lead_id}`}>
                <button type="button" class="row" onClick={() => (lead.value = one.lead_id)}>
                  <strong>{one.name || one.external_id || one.lead_id}</strong>
                  <span>{one.phone}</span>
                  <span class="soft">
                    {one.campaign} · {one.state} · {one.attempts} attempts
                  </span>
                </button>
              </li>
            ))}
            {found.data.more && <li class="soft">There are more: say more of the name or the number.</li>}
          </ul>
        ) : (
          <Empty>Nobody was found.</Empty>
        )
      ) : (
        <p class="soft">Three signs or more: part of a name, the end of a number, an id.</p>
      )}
    </Sheet>
  );
}

function CustomerSheet({ lead, back, dial }: { lead: number; back: () => void; dial?: (campaign: string, lead: number) => Promise<void> }): JSX.Element {
  const { data, fault } = useLoaded<CustomerView>(`/v1/customers/${lead}`);
  return (
    <div class="found">
      <button type="button" class="quiet" onClick={back}>
        ← Back to the list
      </button>
      <Fault of={fault} />
      {data && (
        <>
          <h3>{data.name || data.external_id}</h3>
          <p class="soft">
            {data.campaign} · {data.state}
            {data.why && `: ${data.why}`} {data.next_at && `· next call ${moment(data.next_at)}`}
          </p>
          <p>{data.phones.map((one) => one.phone).join(", ")}</p>
          <dl class="fields">
            {Object.entries(data.fields).map(([name, value]) => (
              <div key={name}>
                <dt>{sentence(name)}</dt>
                <dd>{data.masked.includes(name) && !value ? <span class="masked">masked</span> : value || "–"}</dd>
              </div>
            ))}
          </dl>
          {dial && (
            <Do class="main" act={() => dial(data.campaign, data.lead_id)} done="Calling.">
              Call now
            </Do>
          )}
          <ol class="plain history">
            {data.history.map((one) => (
              <li key={one.attempt}>
                <span class="when">{moment(one.at)}</span> <strong>{sentence(one.code || one.outcome)}</strong>{" "}
                <span class="soft">{[one.agent, one.talk_s ? duration(one.talk_s) : ""].filter(Boolean).join(" · ")}</span>
                {one.note && <p class="note">{one.note}</p>}
              </li>
            ))}
          </ol>
        </>
      )}
    </div>
  );
}

export function Knowledge({ close }: { close: () => void }): JSX.Element {
  const page = useSignal("");
  const list = useLoaded<PagesAnswer>("/v1/knowledge");
  const shown = useLoaded<PageAnswer>(page.value ? `/v1/knowledge/${page.value}` : "");
  return (
    <Sheet title="Knowledge" close={close} wide>
      <Fault of={list.fault ?? shown.fault} />
      <div class="knowledge">
        <ul class="plain">
          {list.data?.pages.map((one) => (
            <li key={one.page}>
              <button type="button" class="row" aria-pressed={page.value === one.page} onClick={() => (page.value = one.page)}>
                {one.title}
              </button>
            </li>
          ))}
        </ul>
        {list.data?.pages.length === 0 && <Empty>No pages yet: a manager writes them in Markdown.</Empty>}
        {shown.data && (
          <article
            onClick={(event) => {
              const link = (event.target as HTMLElement).closest("a");
              const inside = link?.getAttribute("href") ?? "";
              if (!link || /^https?:/.test(inside)) return;
              event.preventDefault(); // a link to another page stays in here
              page.value = inside.replace(/^.*\//, "").replace(/\.md$/, "");
            }}
          >
            <h3>{shown.data.title}</h3>
            <Rendered html={shown.data.html} />
          </article>
        )}
      </div>
    </Sheet>
  );
}

export function ManualDial({ campaigns, dial, close }: { campaigns: readonly string[]; dial: (campaign: string, phone: string, override: string) => Promise<void>; close: () => void }): JSX.Element {
  const campaign = useSignal(campaigns[0] ?? "");
  const phone = useSignal("");
  const override = useSignal("");
  const fault = useSignal<unknown>(null);
  return (
    <Sheet title="Call a number" close={close}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          fault.value = null;
          dial(campaign.value, phone.value.trim(), override.value.trim()).then(close, (error: unknown) => (fault.value = error));
        }}
      >
        <label>
          Number
          <input id="dial-number" type="tel" required autocomplete="off" value={phone.value} onInput={(event) => (phone.value = event.currentTarget.value)} />
        </label>
        {campaigns.length > 1 && (
          <label>
            Campaign
            <select value={campaign.value} onChange={(event) => (campaign.value = event.currentTarget.value)}>
              {campaigns.map((one) => (
                <option key={one}>{one}</option>
              ))}
            </select>
          </label>
        )}
        <details>
          <summary>Set a rule aside</summary>
          <label>
            Why (audited; needs permission)
            <input maxLength={400} value={override.value} onInput={(event) => (override.value = event.currentTarget.value)} />
          </label>
        </details>
        <Fault of={fault.value} />
        <p class="soft">The same rules as for every call are asked first.</p>
        <button class="main">Call</button>
      </form>
    </Sheet>
  );
}
