"""The report: one HTML page that needs nothing else, readable in light and dark and on paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from simulator.report import plots
from simulator.report.svg import STYLE

Results = Mapping[str, Any]

_PAGE_STYLE = """
:root{color-scheme:light dark;--line:#d1d5db;--dim:#6b7280;--bad:#b91c1c;--bg:#fff;--fg:#111827}
@media (prefers-color-scheme:dark){:root{--line:#374151;--dim:#9ca3af;--bad:#f87171;--bg:#111827;
--fg:#e5e7eb}}
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;
background:var(--bg);color:var(--fg)}
h1{font-size:1.6rem;margin-bottom:.2rem}h2{font-size:1.2rem;margin-top:2.2rem}
p.dim,td.dim,.dim{color:var(--dim)}svg{max-width:100%;height:auto;display:block;margin:.8rem 0}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.87rem}
th,td{padding:.25rem .6rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}td.bad{color:var(--bad)}tr.first td{font-weight:600}
caption{text-align:left}.wide{overflow-x:auto}
.matrix th,.matrix td{padding:.25rem .36rem}.matrix th:not(:first-child){writing-mode:vertical-rl;
transform:rotate(180deg);text-align:left;vertical-align:bottom}
@media (min-width:75rem){.wide.grown{width:70rem;margin-left:-6rem}}
details{margin:1rem 0;border-top:1px solid var(--line);padding-top:.5rem}
summary{cursor:pointer;font-size:1.1rem;font-weight:600}
@media print{details:not([open])>*{display:block}}
"""


def page(what: Results) -> str:
    """The whole page for results of run, compare, sweep, replay or what-if."""
    results: Sequence[plots.Result] = what["results"]
    worlds = list(dict.fromkeys(r["scenario"] for r in results))
    ceilings = what.get("clairvoyant") or {}
    notes = what.get("notes") or {}
    parts = [_head(what, results, worlds)]
    if what["experiment"] in ("sweep", "tune"):
        parts.append(_chosen(what))
        parts.append(plots.sweep_lines(results, what["axes"], what["values"]))
        parts.append(_table(results, with_scenario=True))
    elif what["experiment"] == "frontier":
        ceiling = ceilings.get(what["scenario"])
        groups, settings = what["groups"], what["settings"]
        parts.append(plots.frontier_lines(results, groups, settings, what["limit"], ceiling))
        parts.append(_table(results, with_scenario=True))
    else:
        if len(worlds) > 1:
            parts.append("<h2>Every pacer in every world</h2>")
            parts.append(plots.overview(results, ceilings))
            parts.append(_matrix(results, worlds))
        for world in worlds:
            mine = [r for r in results if r["scenario"] == world]
            parts.append(_world(world, mine, notes.get(world, ""), ceilings.get(world), worlds))
    parts.append(_method(results))
    title = escape(f"Overdial simulator: {what['experiment']}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_PAGE_STYLE}{STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def write_report(path: Path, what: Results) -> None:
    """Writes the page. Raises OSError where the file cannot be written."""
    path.write_text(page(what), encoding="utf-8")


def write_picture(path: Path, what: Results) -> None:
    """The overview as an SVG file of its own (for a README)."""
    picture = plots.overview(what["results"], what.get("clairvoyant") or {}, alone=True)
    path.write_text(picture + "\n", encoding="utf-8")


def _head(what: Results, results: Sequence[plots.Result], worlds: Sequence[str]) -> str:
    days = max(r["days"] for r in results)
    if what["experiment"] == "frontier":
        subject = f"{what['scenario']}, {_many(len(set(what['groups'])), 'pacer')}"
        limit = what["limit"]
    else:
        pacers = len({r["pacer"] for r in results})
        subject = f"{_many(len(worlds), 'world')}, {_many(pacers, 'pacer')}"
        limit = results[0]["limit"]
    return (
        f"<h1>Overdial simulator: {escape(what['experiment'])}</h1>"
        f'<p class="dim">{escape(subject)}, {_many(days, "day")} each from seed'
        f" {what.get('seed', '?')}; the same people for every pacer. Limit"
        f" {100 * limit:g} % of live answers.</p>"
    )


def _chosen(what: Results) -> str:
    """What `tune` chose, and what it is worth on days it was not chosen by."""
    proof = what.get("proof")
    if what["experiment"] != "tune":
        return ""
    if proof is None:
        return "<p>Nothing tried is safe enough.</p>"
    settings = " ".join(f"{path}={value}" for path, value in what["best"].items())
    return (
        f"<p>Chosen: <strong>{escape(settings)}</strong>. On {_many(proof['days'], 'day')} that had"
        f" no part in choosing it: utilisation {plots.interval(proof['utilisation'])}, abandoned"
        f" {plots.interval(proof['abandon_rate'], 2)}, {_many(proof['days_over_limit'], 'day')}"
        " over the limit.</p>"
    )


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _cell(text: str, bad: bool = False) -> str:
    return f'<td class="bad">{escape(text)}</td>' if bad else f"<td>{escape(text)}</td>"


def _table(results: Sequence[plots.Result], with_scenario: bool = False) -> str:
    heads = ["pacer", "utilisation", "abandoned", "days over", "30-day blocks over"]
    heads += ["connects / agent-hour", "lines / connect", "with AMD's victims"]
    if with_scenario:
        heads.insert(0, "world")
    rows = []
    for i, r in enumerate(results):
        over = not plots.lawful(r)
        connects, lines = r["connects_per_agent_hour"], r["lines_per_connect"]
        name = (
            r["pacer"] if r.get("made", r["pacer"]) == r["pacer"] else f"{r['pacer']}: {r['made']}"
        )
        cells = [_cell(r["scenario"])] if with_scenario else []
        cells += [
            _cell(name),
            _cell(plots.interval(r["utilisation"])),
            _cell(plots.interval(r["abandon_rate"], 2), over),
            _cell(f"{r['days_over_limit']} of {r['days']}", r["days_over_limit"] > 0),
            _blocks(r),
            _cell(_plain(connects)),
            _cell(_plain(lines, 2)),
            _cell(plots.interval(r["uk_rate"], 2)),
        ]
        rows.append(f"<tr{' class=first' if i == 0 else ''}>{''.join(cells)}</tr>")
    head = "".join(f"<th>{escape(h)}</th>" for h in heads)
    return f'<div class="wide grown"><table><tr>{head}</tr>{"".join(rows)}</table></div>'


def _blocks(result: plots.Result) -> str:
    """Blocks over the limit, where there is a whole one: a few days are none of the law's."""
    if result["days"] < result["block_days"]:
        return '<td class="dim">—</td>'
    over = result["blocks_over_limit"]
    return _cell(f"{over} of {result['blocks']}", over > 0)


def _plain(estimate: Mapping[str, Any], digits: int = 1) -> str:
    half = estimate.get("half")
    text = f"{estimate['value']:.{digits}f}"
    return text if half is None else f"{text} ± {half:.{digits}f}"


def _matrix(results: Sequence[plots.Result], worlds: Sequence[str]) -> str:
    """Utilisation by world and pacer; red where the abandon rate is over the limit."""
    pacers = list(dict.fromkeys(r["pacer"] for r in results))
    found = {(r["scenario"], r["pacer"]): r for r in results}
    rows = []
    for pacer in pacers:
        cells = [_cell(pacer)]
        for world in worlds:
            r = found.get((world, pacer))
            text = "" if r is None else f"{100 * r['utilisation']['value']:.0f}"
            cells.append(_cell(text, r is not None and not plots.lawful(r)))
        rows.append(f"<tr>{''.join(cells)}</tr>")
    head = "".join(f"<th>{escape(w)}</th>" for w in ("pacer", *worlds))
    return (
        '<div class="wide"><table class="matrix"><caption class="dim">utilisation, %; red: abandons'
        f" over the limit</caption><tr>{head}</tr>{''.join(rows)}</table></div>"
    )


def _world(
    world: str,
    results: Sequence[plots.Result],
    note: str,
    ceiling: float | None,
    worlds: Sequence[str],
) -> str:
    opened = " open" if world == worlds[0] else ""
    inner = [f'<p class="dim">{escape(note)}</p>' if note else ""]
    inner.append(plots.frontier(results, world, ceiling))
    inner.append(_table(results))
    inner.append(plots.day_curves(results, world))
    inner.append(plots.day_spread(results, world))
    agents = results[0]["agents"]
    return (
        f"<details{opened}><summary>{escape(world)}, {_many(agents, 'agent')}</summary>"
        f"{''.join(inner)}</details>"
    )


def _method(results: Sequence[plots.Result]) -> str:
    return (
        "<h2>How to read this</h2><p>Utilisation is talk and wrap-up over the time agents are"
        " logged in and not on a break. Abandoned are people who answered, whom answering-machine"
        " detection let through, and who found no agent within the limit of the law; the last"
        " column adds the people it hung up on, whom no pacer can help. Intervals are 95 % over"
        " days. Differences between pacers are sharper than their intervals look, because all met"
        " the same people. A point of the frontier that is hollow, or right of the dashed line,"
        " breaks the law.</p>"
    )
