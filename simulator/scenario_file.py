"""Scenario files: YAML in, `Scenario` out, and the JSON Schema of the form.

Times of day are "HH:MM" on the scenario's own clock (`day.start`) or seconds from its start.
Every section and field may be left out but `name` and `agents`; what is left out is as in the
base world (`simulator.scenario.base_world`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from simulator import scenario as s
from simulator.distributions import (
    Constant,
    Distribution,
    Empirical,
    Exponential,
    Lognormal,
    Mixture,
    Shifted,
    Uniform,
)
from yamlmarks import FileError
from yamlmarks.readers import (
    Choice,
    Flag,
    Many,
    Number,
    Pair,
    Place,
    Record,
    Text,
    Whole,
    read_file,
    read_text,
)

EXPONENTIAL = "exponential"  # not a file: its numbers are those of the exact optimum
SHIPPED = Path(__file__).parent / "scenarios"
_SECONDS = Number(about="seconds")
_SHARE = Number(0.0, 1.0, about="a share from 0 to 1")


@dataclass(frozen=True)
class _Clock:
    """A time of day not yet related to the day's start."""

    text: str
    seconds: float  # from midnight ("HH:MM") or from the day's start (a number)
    from_midnight: bool

    def since(self, start_s: float) -> float:
        return self.seconds - start_s if self.from_midnight else self.seconds


@dataclass(frozen=True)
class Instant:
    """ "HH:MM" (quoted or not) or seconds since the start of the day."""

    def read(self, node: yaml.Node, place: Place) -> _Clock:
        if not isinstance(node, yaml.ScalarNode):
            raise place.error('must be a time of day "HH:MM" or seconds since the start')
        text = str(node.value)
        try:
            if ":" in text:
                hours, minutes = (int(part) for part in text.split(":"))
                if not (0 <= hours <= 48 and 0 <= minutes < 60):
                    raise ValueError
                return _Clock(text, hours * 3600.0 + minutes * 60.0, True)
            seconds = float(text)
        except ValueError:
            raise place.error(
                f'is {text!r}; write a time of day as "HH:MM" or seconds since the start'
            ) from None
        if not 0 <= seconds < math.inf:
            raise place.error(f"is {text}; must be 0 or more")
        return _Clock(text, seconds, False)

    def schema(self) -> dict[str, Any]:
        return {
            "anyOf": [
                {"type": "string", "pattern": "^[0-9]{1,2}:[0-5][0-9]$"},
                {"type": "number", "minimum": 0},
            ],
            "description": 'time of day "HH:MM", or seconds since the start of the day',
        }


class DistributionReader:
    """`{lognormal: {mean_s: 9, cv: 0.5}}`, or a plain number for a constant."""

    def _forms(self) -> dict[str, Record | Number]:
        part = Record({"weight": Number(), "of": self}, dict, ("weight", "of"))
        return {
            "constant": Number(),
            "exponential": Record({"mean_s": Number()}, Exponential, ("mean_s",)),
            "lognormal": Record({"mean_s": Number(), "cv": Number()}, Lognormal, ("mean_s", "cv")),
            "uniform": Record(
                {"low_s": Number(), "high_s": Number()}, Uniform, ("low_s", "high_s")
            ),
            "shifted": Record({"by_s": Number(), "of": self}, Shifted, ("by_s", "of")),
            "mixture": Record({"parts": Many(part, 1, 100)}, _mixture, ("parts",)),
            "empirical": Record({"values_s": Many(Number(), 1)}, Empirical, ("values_s",)),
        }

    def read(self, node: yaml.Node, place: Place) -> Distribution:
        if isinstance(node, yaml.ScalarNode):
            return Constant(Number().read(node, place))
        forms = self._forms()
        if not isinstance(node, yaml.MappingNode) or len(node.value) != 1:
            raise place.error(
                f"must be a number of seconds or one of {', '.join(forms)} with its numbers, "
                "e.g. {lognormal: {mean_s: 9, cv: 0.5}}"
            )
        key_node, child = node.value[0]
        name = str(key_node.value)
        if name not in forms:
            raise place.error(
                f"there is no distribution {name!r}; choose one of: {', '.join(forms)}"
            )
        got: Any = forms[name].read(child, place.at(child, name))
        made: Distribution = Constant(got) if name == "constant" else got
        return made

    def schema(self) -> dict[str, Any]:
        return {"$ref": "#/$defs/distribution"}

    def definition(self) -> dict[str, Any]:
        one = [
            {
                "type": "object",
                "additionalProperties": False,
                "required": [name],
                "properties": {name: form.schema()},
            }
            for name, form in self._forms().items()
        ]
        return {"anyOf": [{"type": "number", "minimum": 0}, *one]}


def _amd(enabled: bool = True, **fields: Any) -> s.Amd:
    """The key is not called `on` as the field is, because YAML 1.1 reads `on:` as true."""
    return s.Amd(on=enabled, **fields)


def _mixture(parts: tuple[dict[str, Any], ...]) -> Mixture:
    return Mixture(tuple(p["weight"] for p in parts), tuple(p["of"] for p in parts))


_DIST = DistributionReader()
_WHEN = Instant()
_RATES = Record(dict.fromkeys(s.RATE_NAMES, _SHARE), s.Rates)


def _record(make: Callable[..., Any], **fields: Any) -> Record:
    return Record(fields, make)


def _dict_of(*needed: str, **fields: Any) -> Record:
    return Record(fields, dict, needed)


_SHIFT = _dict_of("count", count=Whole(0, 100_000), **{"from": _WHEN, "until": _WHEN})
_AGENTS = _dict_of(
    count=Whole(1, 100_000, "agents working the whole day (or give shifts)"),
    shifts=Many(_SHIFT, 1, 1_000),
    login_spread_s=_SECONDS,
    breaks=Many(
        _dict_of(
            "at", "length_s", at=_WHEN, length_s=_SECONDS, waves=Whole(1, 1_000), share=_SHARE
        ),
        0,
        100,
    ),
    speed_cv=Number(0.0, 2.0),
    break_share=_SHARE,
    break_length=_DIST,
)
_FILE = _dict_of(
    "name",
    "agents",
    name=Text(80),
    note=Text(1_000),
    day=_dict_of(start=_WHEN, hours=Number(0.01, 48.0)),
    agents=_AGENTS,
    list=_dict_of(
        leads=Whole(1, 1_000_000_000),
        rates=_RATES,
        by_hour=Many(_dict_of("from", "rates", rates=_RATES, **{"from": _WHEN}), 0, 200),
        by_attempt=Many(Number(0.0, 10.0), 1, 50),
    ),
    line=_record(
        s.Line,
        setup=_DIST,
        ring_person=_DIST,
        ring_machine=_DIST,
        ring_out=_DIST,
        ring_limit_s=Number(0.0, infinite=True),
        ring_least_s=Number(0.0, infinite=True),
        fail=_DIST,
    ),
    amd=_record(
        _amd,
        enabled=Flag(),
        delay_person=_DIST,
        delay_machine=_DIST,
        person_as_machine=_SHARE,
        machine_as_person=_SHARE,
    ),
    patience=_DIST,
    handling=_record(
        s.Handling, talk=_DIST, wrap_up=_DIST, machine_talk=_DIST, machine_wrap_up=_DIST
    ),
    carrier=_record(
        s.Carrier,
        trunks_per_agent=Number(0.0, 10_000.0),
        trunks_extra=Whole(0, 1_000_000),
        congestion=_SHARE,
        launches_per_s_max=Number(0.001, infinite=True),
    ),
    drift=Many(
        _dict_of(
            "what",
            what=Choice(tuple(s.Drifting), s.Drifting),
            points=Many(Pair(_WHEN, Number(0.0, 1_000.0)), 1, 1_000),
            shape=Choice(tuple(s.Shape), s.Shape),
            regimes=Many(Number(0.0, 1_000.0), 2, 100),
            regime_mean_s=_SECONDS,
        ),
        0,
        50,
    ),
    faults=Many(
        _dict_of(
            "kind",
            "at",
            "length_s",
            kind=Choice(tuple(s.FaultKind), s.FaultKind),
            at=_WHEN,
            length_s=_SECONDS,
            size=Number(0.0, 1_000.0),
        ),
        0,
        100,
    ),
    law=_record(s.Law, wait_limit_s=_SECONDS, abandon_rate_max=_SHARE),
)


class ScenarioReader:
    """A whole scenario file."""

    def read(self, node: yaml.Node, place: Place) -> s.Scenario:
        raw: dict[str, Any] = _FILE.read(node, place)
        try:
            return _build(raw)
        except s.BadScenario as error:
            where = _line_of(node, error.path) or place.line
            raise Place(place.file, error.path, where).error(error.text) from None
        except ValueError as error:
            raise place.error(str(error)) from None

    def schema(self) -> dict[str, Any]:
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Overdial simulator scenario",
            **_FILE.schema(),
            "$defs": {"distribution": _DIST.definition()},
        }


def _line_of(node: yaml.Node, path: str) -> int | None:
    """The line of the deepest key of `path` that the file has."""
    line = None
    for name in path.split("."):
        children = node.value if isinstance(node, yaml.MappingNode) else []
        found = next(((k, v) for k, v in children if k.value == name), None)
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line


def _build(raw: dict[str, Any]) -> s.Scenario:
    day = raw.pop("day", {})
    start_clock = day.get("start")
    start = start_clock.seconds if start_clock is not None else 9 * 3600.0
    day_s = float(day.get("hours", 8.0)) * 3600.0

    def at(clock: _Clock, path: str) -> float:
        seconds = clock.since(start)
        if seconds < 0:
            raise s.BadScenario(path, f"{clock.text} lies before the day's start")
        return seconds

    out: dict[str, Any] = {k: raw.pop(k) for k in tuple(raw) if k in _AS_IS}
    out["agents"] = _agents(raw.pop("agents"), day_s, at)
    if "list" in raw:
        given = raw.pop("list")
        hours = given.pop("by_hour", ())
        out["list"] = s.CallingList(
            **given, by_hour=tuple((at(h["from"], "list.by_hour"), h["rates"]) for h in hours)
        )
    drifts = []
    for given in raw.pop("drift", ()):
        points = tuple((at(clock, "drift"), v) for clock, v in given.pop("points", ()))
        drifts.append(s.Drift(points=points, **given))
    faults = tuple(
        s.Fault(start_s=at(given.pop("at"), "faults"), **given) for given in raw.pop("faults", ())
    )
    return s.Scenario(day_s=day_s, drift=tuple(drifts), faults=faults, **out)


_AS_IS = ("name", "note", "line", "amd", "patience", "handling", "carrier", "law")


def _agents(raw: dict[str, Any], day_s: float, at: Callable[[_Clock, str], float]) -> s.Agents:
    spread = raw.pop("login_spread_s", 120.0)
    count, shifts = raw.pop("count", None), raw.pop("shifts", None)
    if (count is None) == (shifts is None):
        raise s.BadScenario("agents", "give either count or shifts")
    if shifts is None:
        made: tuple[s.Shift, ...] = (s.Shift(count, 0.0, day_s, spread),)
    else:
        made = tuple(
            s.Shift(
                given["count"],
                at(given["from"], "agents.shifts") if "from" in given else 0.0,
                at(given["until"], "agents.shifts") if "until" in given else day_s,
                spread,
            )
            for given in shifts
        )
    pauses = []
    for given in raw.pop("breaks", ()):
        pauses.append(s.PlannedBreak(start_s=at(given.pop("at"), "agents.breaks"), **given))
    return s.Agents(shifts=made, breaks=tuple(pauses), **raw)


def shipped_names() -> list[str]:
    """Names of the shipped scenarios, sorted."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def load_scenario(name_or_path: str | Path) -> s.Scenario:
    """A shipped scenario by its name (`base`, optionally `base@50` for 50 agents) or a file.

    `exponential@5` is the all-exponential floor whose optimum is known (`simulator.bounds`).

    Raises FileError with file, line, field and mend.
    """
    text, _, agents = str(name_or_path).partition("@")
    if not text:
        raise FileError(f"no scenario is named; there are: {', '.join(shipped_names())}")
    if agents and not (agents.isdigit() and 1 <= int(agents) <= 100_000):
        raise FileError(f"{name_or_path}: after @ comes a number of agents (1 to 100000)")
    if text == EXPONENTIAL:
        return s.exponential_floor(int(agents or 10))
    path = Path(text)
    if not path.suffix and text in shipped_names():
        path = SHIPPED / f"{text}.yaml"
    elif not path.exists():
        known = ", ".join(shipped_names())
        raise FileError(f"{text}: no such file, and no shipped scenario of that name ({known})")
    got: s.Scenario = read_file(path, ScenarioReader())
    if agents:
        got = replace(got.with_agents(int(agents)), name=f"{got.name}@{agents}")
    return got


def scenario_from_text(text: str, file: str = "scenario") -> s.Scenario:
    """A scenario from YAML text; `file` is its name in errors."""
    got: s.Scenario = read_text(text, file, ScenarioReader())
    return got


@lru_cache(maxsize=1)
def scenario_schema() -> dict[str, Any]:
    """The JSON Schema of scenario files (2020-12), as shipped in scenarios/schema.json."""
    return ScenarioReader().schema()
