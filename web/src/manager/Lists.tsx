// Lists: send a file, say which column is what, try it out, bring it in, take it back.

import { signal, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { get, post, remove, request } from "../api/client";
import type { BatchesAnswer, BatchView, ListResult, UndoneAnswer, UploadView } from "../api/types";
import { count, moment, percent, sentence } from "../ui/format";
import { useLoaded } from "../ui/loading";
import { attempt, Do, Empty, Fault, Sheet } from "../ui/parts";
import "./manager.css";
import { campaign, CampaignChoice } from "./useCampaigns";

/** The upload that is being worked on, kept over a change of screens. */
const upload = signal<UploadView | null>(null);

export default function Lists(): JSX.Element {
  useEffect(() => {
    document.title = "Lists · Overdial";
  }, []);
  const batches = useLoaded<BatchesAnswer>(campaign.value ? "/v1/lists" : "", { campaign: campaign.value });
  return (
    <>
      <div class="page-head">
        <h1>Lists</h1>
        <CampaignChoice />
      </div>
      {upload.value ? (
        <Work
          of={upload.value}
          done={() => {
            upload.value = null;
            batches.again();
          }}
          changed={batches.again}
        />
      ) : (
        <Send />
      )}
      <Batches of={batches.data?.batches ?? []} fault={batches.fault} again={batches.again} />
    </>
  );
}

function Send(): JSX.Element {
  const fault = useSignal<unknown>(null);
  const busy = useSignal(false);
  async function send(file: File | undefined): Promise<void> {
    if (!file || !campaign.peek()) return;
    fault.value = null;
    busy.value = true;
    try {
      const answer = await request("POST", "/v1/lists/uploads", {
        query: { campaign: campaign.peek(), name: file.name },
        body: file,
        headers: { "Content-Type": file.type || "application/octet-stream" },
      });
      upload.value = (await answer.json()) as UploadView;
    } catch (error) {
      fault.value = error;
    } finally {
      busy.value = false;
    }
  }
  return (
    <section
      class="card panel"
      aria-labelledby="send-title"
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        void send(event.dataTransfer?.files[0]);
      }}
    >
      <h2 id="send-title">Send a list</h2>
      <label>
        CSV, TSV or XLSX
        <input id="list-file" type="file" accept=".csv,.tsv,.txt,.xlsx" disabled={busy.value || !campaign.value} onChange={(event) => void send(event.currentTarget.files?.[0])} />
      </label>
      <p class="soft">{busy.value ? "Sending…" : "Encoding, delimiter and columns are found out. Nothing is brought in before you say so."}</p>
      <Fault of={fault.value} />
    </section>
  );
}

/** "phone2" is one of "phone"'s kind; targets that may be given to several columns are numbered. */
function mappingOf(columns: { header: string; target: string }[]): Record<string, string> {
  const found: Record<string, string> = {};
  const used: Record<string, number> = {};
  for (const { header, target } of columns) {
    const base = target.replace(/\d+$/, "") || "field";
    used[base] = (used[base] ?? 0) + 1;
    found[used[base] === 1 ? base : `${base}${used[base]}`] = header;
  }
  return found;
}

function Work({ of, done, changed }: { of: UploadView; done: () => void; changed: () => void }): JSX.Element {
  const targets = useSignal<string[]>(of.columns.map((one) => one.target));
  const duplicates = useSignal("");
  const across = useSignal("");
  const strict = useSignal(false);
  const save = useSignal(false);
  const fault = useSignal<unknown>(null);
  const job = of.job;
  const running = job?.state === "waiting" || job?.state === "running";

  useEffect(() => {
    if (!running) return undefined;
    const timer = setInterval(() => {
      get<UploadView>(`/v1/lists/uploads/${of.upload}`).then(
        (now) => {
          upload.value = now;
          if (now.job?.kind === "commit" && now.job.state === "done") changed();
        },
        (error: unknown) => (fault.value = error),
      );
    }, 1000);
    return () => clearInterval(timer);
  }, [running, of.upload]);

  const begin = (kind: "check" | "commit") => async () => {
    fault.value = null;
    const moved = of.columns.some((one, n) => one.target !== targets.value[n]);
    upload.value = await post<UploadView>(`/v1/lists/uploads/${of.upload}/${kind}`, {
      ...(moved && { mapping: mappingOf(of.columns.map((one, n) => ({ header: one.header, target: targets.value[n] ?? "" }))) }),
      ...(duplicates.value && { duplicates: duplicates.value }),
      ...(across.value && { across: across.value }),
      ...(strict.value && { strict: true }),
      ...(save.value && { save_mapping: true }),
    });
  };

  return (
    <section class="card panel stack" aria-labelledby="work-title">
      <div class="page-head">
        <h2 id="work-title">{of.name}</h2>
        <span class="soft">
          {[of.kind.toUpperCase(), of.encoding, of.delimiter && `separated by ${of.delimiter === "\t" ? "tab" : of.delimiter}`, `${count(Math.ceil(of.size / 1024))} KiB`].filter(Boolean).join(" · ")}
        </span>
        <button type="button" class="small" onClick={() => void attempt(() => remove(`/v1/lists/uploads/${of.upload}`)).then(done)}>
          Forget
        </button>
      </div>
      <div class="scroll">
        <table>
          <caption class="unseen">Columns and what they mean</caption>
          <thead>
            <tr>
              <th>Column</th>
              <th>Is</th>
              <th>Examples</th>
            </tr>
          </thead>
          <tbody>
            {of.columns.map((one, n) => (
              <tr key={one.header}>
                <td>
                  <strong>{one.header}</strong>
                </td>
                <td>
                  <select
                    aria-label={`${one.header} is`}
                    disabled={running}
                    value={targets.value[n]}
                    onChange={(event) => (targets.value = targets.value.map((each, at) => (at === n ? event.currentTarget.value : each)))}
                  >
                    <option value="">carried along for the agent</option>
                    {[...new Set([...of.targets, ...targets.value])]
                      .filter(Boolean)
                      .map((target) => (
                        <option key={target} value={target}>
                          {sentence(target)}
                        </option>
                      ))}
                  </select>
                </td>
                <td class="soft">{one.sample.slice(0, 3).join(" · ")}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div class="mapping">
        <label>
          Duplicates
          <select value={duplicates.value} onChange={(event) => (duplicates.value = event.currentTarget.value)}>
            <option value="">as the campaign says</option>
            {["skip", "update", "reject"].map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
        <label>
          People whom another campaign calls
          <select value={across.value} onChange={(event) => (across.value = event.currentTarget.value)}>
            <option value="">as the campaign says</option>
            {["allow", "skip"].map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
        <label class="check">
          <input type="checkbox" checked={strict.value} onChange={(event) => (strict.value = event.currentTarget.checked)} /> All rows or none
        </label>
        <label class="check">
          <input type="checkbox" checked={save.value} onChange={(event) => (save.value = event.currentTarget.checked)} /> Read further files of {of.source} so
        </label>
      </div>
      <Fault of={fault.value} />
      {running && (
        <p aria-live="polite">
          {job.kind === "check" ? "Trying it out" : "Bringing it in"}: {count(job.rows)} rows <progress max={1} value={job.share} aria-label="Rows read" />
        </p>
      )}
      {job?.state === "failed" && <Fault of={job.fault} />}
      {job?.state === "done" && job.result && <Outcome of={job.result} kind={job.kind} upload={of.upload} />}
      <div class="row-of">
        <Do disabled={running} class={job?.state === "done" ? "" : "main"} act={begin("check")}>
          Try it out
        </Do>
        {job?.kind === "commit" && job.state === "done" ? (
          <button type="button" class="main" onClick={done}>
            Done
          </button>
        ) : (
          <Do disabled={running || job?.state !== "done"} class={job?.state === "done" ? "main" : ""} act={begin("commit")}>
            Bring it in
          </Do>
        )}
      </div>
    </section>
  );
}

const FIGURES: [keyof ListResult, string][] = [
  ["rows", "Rows"],
  ["accepted", "Accepted"],
  ["updated", "Updated"],
  ["rejected", "Rejected"],
  ["skipped", "Skipped"],
  ["duplicates", "Duplicates"],
  ["invalid", "Invalid numbers"],
  ["numbers_dropped", "Numbers dropped"],
  ["held", "Held back"],
];

function Outcome({ of, kind, upload: id }: { of: ListResult; kind: string; upload: string }): JSX.Element {
  return (
    <div class="stack" aria-live="polite">
      <h3>{kind === "check" ? "What would come of it" : "It is in"}</h3>
      <dl class="counts">
        {FIGURES.filter(([name]) => of[name] || name === "rows" || name === "accepted").map(([name, label]) => (
          <div key={name}>
            <dt>{label}</dt>
            <dd>{count(of[name] as number)}</dd>
          </div>
        ))}
      </dl>
      <div class="columns">
        <Counts title="May be called" rows={of.verdicts.map((one) => [one.rule ? `${one.when}: ${one.rule}` : one.when, one.count])} all={of.accepted} />
        <Counts title="Time zones" rows={of.zones.map((one) => [one.zones || "unknown", one.count])} all={of.accepted} />
        <Counts title="Rejected because" rows={of.reasons.map((one) => [one.reason, one.count])} all={of.rows} />
      </div>
      {of.has_rejects && (
        <a class="button" href={`/v1/lists/uploads/${id}/rejects`} download>
          Rejected rows as CSV, with reasons
        </a>
      )}
    </div>
  );
}

function Counts({ title, rows, all }: { title: string; rows: [string, number][]; all: number }): JSX.Element | null {
  if (!rows.length) return null;
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th>{title}</th>
            <th class="number">Count</th>
            <th class="number">Share</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(([name, n]) => (
            <tr key={name}>
              <td>{name}</td>
              <td class="number">{count(n)}</td>
              <td class="number">{percent(n / Math.max(1, all))}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Batches({ of, fault, again }: { of: BatchView[]; fault: unknown; again: () => void }): JSX.Element {
  const chosen = useSignal<number | null>(null);
  return (
    <section class="card panel" aria-labelledby="batches-title">
      <h2 id="batches-title">Brought in</h2>
      <Fault of={fault} />
      {of.length === 0 ? (
        <Empty>No list yet.</Empty>
      ) : (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th>List</th>
                <th>When</th>
                <th>State</th>
                <th class="number">Accepted</th>
                <th class="number">Rejected</th>
                <th>
                  <span class="unseen">Open</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {of.map((one) => (
                <tr key={one.batch}>
                  <td>
                    <strong>{one.name}</strong> <span class="soft">{one.file}</span>
                  </td>
                  <td>{moment(one.imported_at)}</td>
                  <td>{one.state}</td>
                  <td class="number">{count(one.accepted)}</td>
                  <td class="number">{count(one.rejected)}</td>
                  <td>
                    <button type="button" class="small" aria-label={`Open ${one.name}`} onClick={() => (chosen.value = one.batch)}>
                      Open
                    </button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {chosen.value != null && (
        <BatchSheet
          id={chosen.value}
          close={() => {
            chosen.value = null;
            again();
          }}
        />
      )}
    </section>
  );
}

function BatchSheet({ id, close }: { id: number; close: () => void }): JSX.Element {
  const { data, fault, again } = useLoaded<BatchView>(`/v1/lists/${id}`);
  const undo = (undialled_only: boolean) => () => post<UndoneAnswer>(`/v1/lists/${id}/undo`, { undialled_only }).then(again);
  return (
    <Sheet title={data?.name ?? "List"} close={close}>
      <Fault of={fault} />
      {data && (
        <>
          <dl class="counts">
            {(["accepted", "rejected", "leads", "attempted"] as const).map((name) => (
              <div key={name}>
                <dt>{name === "leads" ? "There now" : sentence(name)}</dt>
                <dd>{count(data[name])}</dd>
              </div>
            ))}
          </dl>
          <ol class="plain">
            {data.history.map((one, n) => (
              <li key={n}>
                {moment(one.at)} {sentence(one.step)} <span class="soft">{one.who}</span>
              </li>
            ))}
          </ol>
          <p class="soft">A list can be taken back while nobody on it was called; after that, only those who were not.</p>
          <div class="row-of">
            <Do class="danger" act={undo(false)} done="Taken back.">
              Take it back
            </Do>
            <Do act={undo(true)} done="Taken back.">
              Only who was not called
            </Do>
          </div>
        </>
      )}
    </Sheet>
  );
}
