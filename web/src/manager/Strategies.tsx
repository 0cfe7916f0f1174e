// A campaign's files: strategy, dispositions and rules, script, pages. Faults are shown while one
// types, whom an edit moves before it is saved, and older versions can be looked at.

import { signal, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { get, post, put } from "../api/client";
import type { DraftFile, DraftView, MoveView, VersionsAnswer } from "../api/types";
import { count, moment } from "../ui/format";
import { useLoaded } from "../ui/loading";
import { Do, Empty, Fault, Rendered, say } from "../ui/parts";
import { CodeEditor } from "./CodeEditor";
import { drafts, keep, keyOf, nameOf } from "./drafts";
import "./manager.css";
import { campaign, CampaignChoice } from "./useCampaigns";

const LINT_MS = 250;
const COUNT_MS = 900; // whom it moves is counted in the database: when one stops typing

const chosen = signal("strategy");

const path = (of: string) => `/v1/campaigns/${encodeURIComponent(of)}`;

export default function Strategies(): JSX.Element {
  useEffect(() => {
    document.title = "Strategies · Overdial";
    const warn = (event: BeforeUnloadEvent) => drafts.peek().size && event.preventDefault();
    window.addEventListener("beforeunload", warn);
    return () => window.removeEventListener("beforeunload", warn);
  }, []);
  const { data, fault, again } = useLoaded<{ files: DraftFile[] }>(campaign.value ? `${path(campaign.value)}/files` : "");
  const files = data?.files ?? [];
  const open = files.find((one) => one.file === chosen.value) ?? files[0];
  return (
    <>
      <div class="page-head">
        <h1>Strategies</h1>
        <CampaignChoice />
      </div>
      <Fault of={fault} />
      {data && files.length === 0 && <Empty>This campaign has no file here.</Empty>}
      {files.length > 0 && (
        <div class="row-of tabs" role="group" aria-label="Files of the campaign">
          {files.map((one) => (
            <button type="button" key={one.file} class="small" aria-pressed={one === open} onClick={() => (chosen.value = one.file)}>
              {nameOf(one)}
              {drafts.value.has(keyOf(campaign.value, one.file)) && <span aria-label=", changed"> ●</span>}
            </button>
          ))}
          {!files.some((one) => one.file === "strategy") && <span class="soft">No strategy: the campaign's file names one by strategy: FILE.</span>}
        </div>
      )}
      {open && <Work key={keyOf(campaign.value, open.file)} of={open} in={campaign.value} again={again} />}
    </>
  );
}

function Work({ of, in: name, again }: { of: DraftFile; in: string; again: () => void }): JSX.Element {
  const key = keyOf(name, of.file);
  const text = drafts.value.get(key) ?? of.text;
  const seen = useSignal<DraftView | null>(null);
  const fault = useSignal<unknown>(null);
  const goTo = useSignal<{ line: number } | null>(null);
  const saved = useSignal(0); // changes with each save, so that all is asked anew
  const changed = text !== of.text;
  const strategy = of.file === "strategy";
  const at = `${path(name)}/files/${encodeURIComponent(of.file)}`;

  useEffect(() => {
    let gone = false;
    const ask = (counted: boolean) =>
      post<DraftView>(`${at}/check`, { text, count: counted }).then(
        (answer) => {
          if (gone) return;
          fault.value = null;
          // What was counted stays on the screen until it is counted anew.
          seen.value = counted ? answer : { ...answer, effect: answer.faults.length ? null : (seen.peek()?.effect ?? null) };
        },
        (error: unknown) => {
          if (!gone) fault.value = error;
        },
      );
    const lint = setTimeout(() => void ask(false), LINT_MS);
    const counting = strategy ? setTimeout(() => void ask(true), COUNT_MS) : 0;
    return () => {
      gone = true;
      clearTimeout(lint);
      clearTimeout(counting);
    };
  }, [text, at, saved.value]);

  const save = async () => {
    await put<DraftFile>(at, { text, base: of.base });
    keep(key, of.text, of.text);
    say("Saved, and in force.");
    again();
    saved.value += 1;
  };
  const faults = seen.value?.faults ?? [];
  return (
    <div class="draft">
      <section class="card panel" aria-labelledby="draft-title">
        <div class="page-head">
          <h2 id="draft-title">
            {of.name}
            {changed && <span class="tag warm">changed</span>}
            {!of.writable && <span class="tag warm">read only</span>}
          </h2>
          <span class="row-of">
            <button type="button" class="small" disabled={!changed} onClick={() => keep(key, of.text, of.text)}>
              Take back
            </button>
            <Do class="small main" id="save" disabled={!changed || !of.writable || faults.length > 0} act={save}>
              Save
            </Do>
          </span>
        </div>
        <CodeEditor label={of.name} text={text} faults={faults} readOnly={!of.writable} goTo={goTo.value} change={(now) => keep(key, now, of.text)} />
        <p id="editor-state" role="status" class={faults.length ? "warn" : "soft"}>
          {!seen.value ? "Looking at it…" : faults.length ? `${faults.length} ${faults.length === 1 ? "fault" : "faults"}: nothing is saved before they are mended.` : "No fault."}
        </p>
      </section>
      <div class="beside">
        <Fault of={fault.value} />
        {faults.length > 0 && (
          <section class="card panel" aria-labelledby="faults-title">
            <h2 id="faults-title">Faults</h2>
            <ol class="plain faults" id="faults">
              {faults.map((one, n) => (
                <li key={n}>
                  <button type="button" class="row" onClick={() => (goTo.value = { line: one.line })}>
                    <span class="mono">line {one.line}</span>
                    {one.field && <strong class="mono">{one.field}</strong>}
                    <span>{one.message}</span>
                  </button>
                </li>
              ))}
            </ol>
          </section>
        )}
        {seen.value && seen.value.notes.length > 0 && (
          <section class="card panel" aria-labelledby="notes-title">
            <h2 id="notes-title">Perhaps not as meant</h2>
            <ul class="notes">
              {seen.value.notes.map((one) => (
                <li key={one}>{one}</li>
              ))}
            </ul>
          </section>
        )}
        {strategy && <Effect of={seen.value} changed={changed} />}
        {strategy && <Versions in={name} saved={saved.value} load={(older) => keep(key, older, of.text)} />}
        {(of.file === "script" || of.file.startsWith("page:")) && seen.value && <Preview of={seen.value} />}
        {of.file === "campaign" && (
          <section class="card panel">
            <h2>What can be changed here</h2>
            <p class="soft">
              Title, dispositions, calling hours, retries, queues, what a screen masks and how the right party is verified. It takes effect at once. Trunk, mode, limits and paths are read at the dialer's start.
            </p>
          </section>
        )}
      </div>
    </div>
  );
}

/** "This edit moves N accounts": of those that are under way, if all of them went by it. */
function Effect({ of, changed }: { of: DraftView | null; changed: boolean }): JSX.Element | null {
  const effect = of?.effect;
  if (!effect || of.faults.length > 0) return null;
  const whose = changed ? "This edit" : "This version";
  return (
    <section class="card panel" aria-labelledby="effect-title" id="effect">
      <h2 id="effect-title">
        {effect.leads + effect.unplaced === 0 ? "Nobody is under way in another version" : `${whose} moves ${count(effect.changing)} of ${count(effect.leads)} accounts to another segment`}
      </h2>
      {effect.moves.length > 0 && (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th>From</th>
                <th>To</th>
                <th class="number">Accounts</th>
              </tr>
            </thead>
            <tbody>
              {effect.moves.map((one) => (
                <tr key={`${one.old}>${one.new}`}>
                  <td>{one.old || "no segment"}</td>
                  <td>{one.new || "excluded"}</td>
                  <td class="number">{count(one.leads)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {effect.unplaced > 0 && <p class="soft">{count(effect.unplaced)} came before the campaign had a strategy.</p>}
      <p class="soft">New accounts begin by what is saved. Those under way keep their version until they are moved.</p>
    </section>
  );
}

function Versions({ in: name, saved, load }: { in: string; saved: number; load: (text: string) => void }): JSX.Element {
  const { data, fault, again } = useLoaded<VersionsAnswer>(`${path(name)}/strategy/versions`);
  const moving = data?.moving;
  useEffect(() => again(), [saved]);
  useEffect(() => {
    if (!moving?.running) return undefined;
    const timer = setInterval(again, 1000);
    return () => clearInterval(timer);
  }, [moving?.running]);
  const older = (data?.versions ?? []).filter((one) => !one.current).reduce((sum, one) => sum + one.leads, 0);
  return (
    <section class="card panel" aria-labelledby="versions-title">
      <h2 id="versions-title">Versions</h2>
      <Fault of={fault} />
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th>Version</th>
              <th>Since</th>
              <th class="number">Under way</th>
              <th>
                <span class="unseen">Load</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {data?.versions.map((one) => (
              <tr key={one.version}>
                <td class="mono">
                  {one.version.slice(0, 8)} {one.current && <span class="tag good">in force</span>}
                </td>
                <td>{moment(one.since)}</td>
                <td class="number">{count(one.leads)}</td>
                <td>
                  <Do class="small" aria-label={`Load version ${one.version.slice(0, 8)}`} act={() => get<{ text: string }>(`${path(name)}/strategy/versions/${one.version}`).then((it) => load(it.text))}>
                    Load
                  </Do>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {moving?.running && (
        <p aria-live="polite">
          Moving: {count(moving.moved)} so far <progress max={1} value={moving.share} aria-label="Accounts looked at" />
        </p>
      )}
      {moving?.fault && <Fault of={moving.fault} />}
      {moving && !moving.running && !moving.fault && (
        <p id="moved">
          {count(moving.moved)} were moved.{older > 0 && ` ${count(older)} are on the line or about to be called, and were left as they are.`}
        </p>
      )}
      {older > 0 && !moving?.running && (
        <>
          <Do id="move" act={() => post<MoveView>(`${path(name)}/strategy/move`).then(again)}>
            Move {count(older)} to the version in force
          </Do>
          <p class="soft">Each begins its treatment anew. A version that is loaded is in the editor, without remarks; nothing changes before it is saved.</p>
        </>
      )}
    </section>
  );
}

function Preview({ of }: { of: DraftView }): JSX.Element {
  return (
    <section class="card panel stack" aria-labelledby="preview-title">
      <h2 id="preview-title">As agents see it</h2>
      {of.sections.map((one, n) => (
        <div key={n}>
          {one.title && (
            <h3>
              {one.title}
              {one.required && <span class="tag">required</span>}
              {one.verify && <span class="tag good">verifies the right party</span>}
            </h3>
          )}
          <Rendered html={one.html} />
        </div>
      ))}
    </section>
  );
}
