"""The plots of a report, each from results as `Summary.as_dict` writes them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from simulator.report.svg import Canvas, Scale, apart, ticks

Result = Mapping[str, Any]

_NAMED = ("forward", "progressive", "best_ratio")  # in the overview, each by its own name
_OWN = {"forward": 0, "erlang_c": 6, "ratio": 6, "progressive": 1}
_FAMILIES = (("vicidial", 2), ("issabel", 4), ("omnidialer", 3), ("best_ratio", 7))
ABANDON_AXIS_MAX = 0.4  # beyond, a point sits on the edge and its tip says more
CURVES_MAX = 4


def colour(pacer: str) -> str:
    """The pacer's colour class, the same in every plot."""
    name = pacer.split("(")[0]
    if name in _OWN:
        return f"c{_OWN[name]}"
    return next((f"c{c}" for start, c in _FAMILIES if name.startswith(start)), "c5")


def _family(pacer: str) -> str:
    """The name under which a legend has this pacer: its own, its product's, or that of the rest."""
    name = pacer.split("(")[0]
    if name in _OWN:
        return name
    return next((start for start, _ in _FAMILIES if name.startswith(start)), "others")


def percent(value: float, digits: int = 1) -> str:
    return f"{100 * value:.{digits}f} %"


def interval(estimate: Mapping[str, Any], digits: int = 1) -> str:
    half = estimate.get("half")
    text = f"{100 * estimate['value']:.{digits}f}"
    return f"{text} %" if half is None else f"{text} ± {100 * half:.{digits}f} %"


def lawful(result: Result) -> bool:
    return bool(result["abandon_rate"]["value"] <= result["limit"])


def tip(result: Result) -> str:
    return (
        f"{result['pacer']}: utilisation {interval(result['utilisation'])}, abandoned"
        f" {interval(result['abandon_rate'], 2)}, days over {result['days_over_limit']}"
        f" of {result['days']}"
    )


def _mark(canvas: Canvas, x: float, y: float, result: Result, r: float = 4.5) -> None:
    kind = "dot" if lawful(result) else "hollow"
    canvas.dot(x, y, f"{colour(result['pacer'])} {kind}", tip(result), r)


def frontier(results: Sequence[Result], title: str, ceiling: float | None = None) -> str:
    """Utilisation against abandon rate, intervals as crosses, the unlawful side shaded."""
    width, height, left, right, top, bottom = 760.0, 400.0, 64.0, 540.0, 14.0, 352.0
    canvas = Canvas(width, height, f"Utilisation against abandon rate, {title}")
    most = min(ABANDON_AXIS_MAX, max(0.06, *(r["abandon_rate"]["value"] for r in results)) * 1.1)
    x = Scale(0.0, most, left, right, math.sqrt)
    lowest = min(r["utilisation"]["value"] for r in results)
    low = max(0.0, math.floor((lowest - 0.02) * 20) / 20)
    y = Scale(low, 1.0, bottom, top)
    _frontier_axes(canvas, x, y, results[0]["limit"], ceiling)
    places = apart([y(r["utilisation"]["value"]) for r in results], 15.0, top + 6, bottom)
    for result, label_y in zip(results, places, strict=True):
        use, rate = result["utilisation"], result["abandon_rate"]
        px, py = x(rate["value"]), y(use["value"])
        kind = colour(result["pacer"])
        canvas.path([(px, py), (right + 8, label_y), (right + 14, label_y)], "lead")
        if use["half"] is not None:
            canvas.line(
                px, y(use["value"] - use["half"]), px, y(use["value"] + use["half"]), f"{kind} bar"
            )
            a, b = rate["value"] - rate["half"], rate["value"] + rate["half"]
            canvas.line(x(a), py, x(b), py, f"{kind} bar")
        _mark(canvas, px, py, result)
        strong = " strong" if result["pacer"] == "forward" else ""
        canvas.text(right + 18, label_y + 4, result["pacer"], f"{kind} name{strong}")
    return canvas.svg()


def frontier_lines(
    results: Sequence[Result],
    groups: Sequence[str],
    settings: Sequence[str],
    limit: float,
    ceiling: float | None,
) -> str:
    """A line for each pacer through its settings, gentlest first."""
    canvas = Canvas(760.0, 440.0, "Frontier of each pacer")
    left, right, top, bottom = 64.0, 560.0, 14.0, 392.0
    rates = [r["abandon_rate"]["value"] for r in results]
    x = Scale(0.0, min(ABANDON_AXIS_MAX, max(0.06, *rates) * 1.05), left, right, math.sqrt)
    low = math.floor((min(r["utilisation"]["value"] for r in results) - 0.02) * 20) / 20
    y = Scale(max(0.0, low), 1.0, bottom, top)
    _frontier_axes(canvas, x, y, limit, ceiling)
    names = list(dict.fromkeys(groups))
    tops = {
        name: max(
            y(r["utilisation"]["value"]) for r, g in zip(results, groups, strict=True) if g == name
        )
        for name in names
    }
    order = sorted(names, key=lambda name: tops[name])
    kinds = {name: f"c{i % 8}" for i, name in enumerate(names)}
    for i, name in enumerate(order):
        kind = kinds[name]
        mine = [(r, s) for r, g, s in zip(results, groups, settings, strict=True) if g == name]
        at = [(x(r["abandon_rate"]["value"]), y(r["utilisation"]["value"])) for r, _ in mine]
        canvas.path(at, f"{kind} line")
        for (px, py), (result, setting) in zip(at, mine, strict=True):
            shape = "dot" if result["abandon_rate"]["value"] <= limit else "hollow"
            canvas.dot(px, py, f"{kind} {shape}", f"{setting}: {tip(result)}", 3.5)
        canvas.dot(right + 16, top + 20 + 18 * i, f"{kind} dot", r=4)
        canvas.text(right + 26, top + 24 + 18 * i, name, f"{kind} name")
    return canvas.svg()


def _frontier_axes(canvas: Canvas, x: Scale, y: Scale, limit: float, ceiling: float | None) -> None:
    left, right, top, bottom = x.from_px, x.to_px, y.to_px, y.from_px
    marks = [v for v in (0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.4) if v <= x.high]
    x_marks = [(v, f"{100 * v:g}") for v in marks]
    canvas.x_axis(x, bottom, x_marks, "abandoned, % of live answers", top)
    y_marks = [(v, f"{100 * v:g}") for v in ticks(y.low, 1.0)]
    canvas.y_axis(y, left, y_marks, "utilisation, %", right)
    canvas.rect(x(limit), top, right - x(limit), bottom - top, "over")
    canvas.line(x(limit), top, x(limit), bottom, "law")
    if ceiling is not None:
        canvas.line(left, y(ceiling), right, y(ceiling), "lead")
        canvas.text(right - 4, y(ceiling) - 4, "clairvoyant", "dim", "end")


def overview(results: Sequence[Result], ceilings: Mapping[str, float], alone: bool = False) -> str:
    """One row for each world: every pacer's utilisation, hollow where it breaks the law."""
    worlds = list(dict.fromkeys(r["scenario"] for r in results))
    row, left, right, top = 24.0, 170.0, 860.0, 60.0
    bottom = top + row * len(worlds)
    canvas = Canvas(900.0, bottom + 48, "Utilisation of every pacer in every world")
    lowest = min(r["utilisation"]["value"] for r in results)
    low = math.floor((lowest - 0.01) * 10) / 10
    x = Scale(low, 1.0, left, right)
    marks = [(v, f"{100 * v:g}") for v in ticks(low, 1.0, 8)]
    canvas.x_axis(x, bottom, marks, "utilisation, % (talk and wrap-up of staffed time)", top)
    pacers = list(dict.fromkeys(r["pacer"] for r in results))
    shown = [p for p in pacers if p in _NAMED]
    families = {_family(p): colour(p) for p in pacers if p not in shown}
    place = 20.0
    for name, kind, size in (
        *((name, colour(name), 5.0) for name in shown),
        *((name, families[name], 3.5) for name in sorted(families, key=lambda n: n == "others")),
    ):
        canvas.dot(place, 20, f"{kind} dot", r=size)
        canvas.text(place + 9, 24, name)
        place += 34 + 7 * len(name)
    canvas.dot(20, 40, "c7 hollow", r=3.5)
    canvas.text(29, 44, "hollow: abandons over the limit; a dash: what the clairvoyant reaches")
    for i, world in enumerate(worlds):
        y = top + row * (i + 0.5)
        mine = [r for r in results if r["scenario"] == world]
        canvas.line(left, y, right, y, "grid")
        canvas.text(left - 10, y + 4, f"{world} ({mine[0]['agents']})", "", "end")
        if world in ceilings:
            px = x(ceilings[world])
            canvas.line(px, y - 7, px, y + 7, "axis")
        for r in sorted(mine, key=lambda r: r["pacer"] in shown):
            _mark(canvas, x(r["utilisation"]["value"]), y, r, 5.5 if r["pacer"] in shown else 3.5)
    return canvas.svg(alone)


def day_curves(results: Sequence[Result], title: str) -> str:
    """The mean day of a few pacers: utilisation above, abandon rate below."""
    chosen = _for_curves(results)
    if not chosen:
        return ""
    width, left, right = 760.0, 64.0, 560.0
    canvas = Canvas(width, 420.0, f"The mean day, {title}")
    hours = max(len(r["curve"]) for r in chosen) * 0.25
    x = Scale(0.0, hours, left, right)
    lowest = min(
        (p["utilisation"] for r in chosen for p in r["curve"] if p["staffed"] > 0), default=0
    )
    low = max(0.0, math.floor((lowest - 0.02) * 10) / 10)
    y = Scale(low, 1.0, 220.0, 14.0)
    most = max(0.06, *(p["abandon_rate"] for r in chosen for p in r["curve"]))
    z = Scale(0.0, min(most, ABANDON_AXIS_MAX), 372.0, 252.0)
    hour_marks = [(v, f"{v:g}") for v in ticks(0.0, hours, 8)]
    canvas.x_axis(x, 372.0, hour_marks, "hours from the start of the day", 14.0)
    canvas.y_axis(
        y, left, [(v, f"{100 * v:g}") for v in ticks(low, 1.0, 4)], "utilisation, %", right
    )
    canvas.y_axis(
        z, left, [(v, f"{100 * v:g}") for v in ticks(0.0, z.high, 3)], "abandoned, %", right
    )
    canvas.line(left, z(chosen[0]["limit"]), right, z(chosen[0]["limit"]), "law")
    ends = [y(r["curve"][-2 if len(r["curve"]) > 1 else -1]["utilisation"]) for r in chosen]
    for result, label_y in zip(chosen, apart(ends, 15.0, 20.0, 216.0), strict=True):
        kind = colour(result["pacer"])
        points = [p for p in result["curve"] if p["staffed"] > 0.5]
        at = [x(p["start_s"] / 3600 + 0.125) for p in points]
        canvas.path(
            [(a, y(p["utilisation"])) for a, p in zip(at, points, strict=True)], f"{kind} line"
        )
        canvas.path(
            [(a, z(p["abandon_rate"])) for a, p in zip(at, points, strict=True)], f"{kind} line"
        )
        canvas.text(right + 10, label_y + 4, result["pacer"], f"{kind} name")
    return canvas.svg()


def _for_curves(results: Sequence[Result]) -> list[Result]:
    """The first, the best lawful others and progressive: more lines would hide each other."""
    with_curve = [r for r in results if r["curve"]]
    first, rest = with_curve[:1], with_curve[1:]
    best = sorted((r for r in rest if lawful(r)), key=lambda r: -r["utilisation"]["value"])
    chosen = [*first, *best[: CURVES_MAX - 2]]
    chosen += [r for r in rest if r["pacer"] == "progressive" and r not in chosen]
    return chosen[:CURVES_MAX]


def day_spread(results: Sequence[Result], title: str) -> str:
    """Every single day as a dot: how far days lie apart, and how many break the law."""
    row, left, top = 20.0, 200.0, 30.0
    bottom = top + row * len(results)
    canvas = Canvas(760.0, bottom + 44, f"Days, {title}")
    days = [day for r in results for day in r["by_day"]]
    uses = [d["utilisation"] for d in days]
    low = math.floor((min(uses) - 0.01) * 20) / 20
    x = Scale(low, 1.0, left, 450.0)
    most = min(ABANDON_AXIS_MAX, max(0.06, *(d["abandon_rate"] for d in days)))
    z = Scale(0.0, most, 490.0, 740.0, math.sqrt)
    use_marks = [(v, f"{100 * v:g}") for v in ticks(low, 1.0, 4)]
    canvas.x_axis(x, bottom, use_marks, "utilisation, %", top)
    marks = [v for v in (0, 0.01, 0.03, 0.1, 0.2, 0.4) if v <= most]
    canvas.x_axis(z, bottom, [(v, f"{100 * v:g}") for v in marks], "abandoned, %", top)
    limit = results[0]["limit"]
    canvas.rect(z(limit), top, 740.0 - z(limit), bottom - top, "over")
    canvas.line(z(limit), top, z(limit), bottom, "law")
    for i, result in enumerate(results):
        y = top + row * (i + 0.5)
        kind = colour(result["pacer"])
        canvas.text(left - 10, y + 4, result["pacer"], f"{kind} name", "end")
        for day in result["by_day"]:
            over = "hollow" if day["abandon_rate"] > limit else "dot"
            rates = f"{percent(day['utilisation'])}, {percent(day['abandon_rate'], 2)}"
            text = f"seed {day['seed']}: {rates}"
            canvas.dot(x(day["utilisation"]), y, f"{kind} {over}", text, 2.6)
            canvas.dot(z(day["abandon_rate"]), y, f"{kind} {over}", text, 2.6)
    return canvas.svg()


def sweep_lines(
    results: Sequence[Result], axes: Sequence[str], values: Sequence[Sequence[str]]
) -> str:
    """Utilisation and abandon rate over the last axis, a line for each value of the others."""
    try:
        numbers = [float(v[-1]) for v in values]
    except ValueError:
        return ""
    groups: dict[tuple[str, ...], list[tuple[float, Result]]] = {}
    for number, value, result in zip(numbers, values, results, strict=True):
        groups.setdefault(tuple(value[:-1]), []).append((number, result))
    if len(groups) > 8 or min(numbers) == max(numbers):
        return ""
    canvas = Canvas(760.0, 420.0, f"Sweep over {', '.join(axes)}")
    left, right = 64.0, 600.0
    x = Scale(min(numbers), max(numbers), left, right)
    uses = [r["utilisation"]["value"] for r in results]
    low = max(0.0, math.floor((min(uses) - 0.02) * 10) / 10)
    y = Scale(low, 1.0, 220.0, 14.0)
    rates = [r["abandon_rate"]["value"] for r in results]
    z = Scale(0.0, min(ABANDON_AXIS_MAX, max(0.06, *rates)), 372.0, 252.0)
    number_marks = [(v, f"{v:g}") for v in ticks(x.low, x.high, 8)]
    canvas.x_axis(x, 372.0, number_marks, axes[-1], 14.0)
    canvas.y_axis(
        y, left, [(v, f"{100 * v:g}") for v in ticks(low, 1.0, 4)], "utilisation, %", right
    )
    canvas.y_axis(
        z, left, [(v, f"{100 * v:g}") for v in ticks(0, z.high, 3)], "abandoned, %", right
    )
    canvas.line(left, z(results[0]["limit"]), right, z(results[0]["limit"]), "law")
    for i, (key, found) in enumerate(groups.items()):
        found.sort(key=lambda one: one[0])
        kind = f"c{i}"
        canvas.path([(x(n), y(r["utilisation"]["value"])) for n, r in found], f"{kind} line")
        canvas.path([(x(n), z(r["abandon_rate"]["value"])) for n, r in found], f"{kind} line")
        for n, r in found:
            shape = "dot" if lawful(r) else "hollow"
            canvas.dot(x(n), y(r["utilisation"]["value"]), f"{kind} {shape}", tip(r), 3.5)
        name = " ".join(f"{a}={v}" for a, v in zip(axes, key, strict=False)) or results[0]["pacer"]
        canvas.text(right + 10, 24 + 16 * i, name, f"{kind} name")
    return canvas.svg()
