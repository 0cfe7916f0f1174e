"""Changing one thing of a world or a pacer from the command line: `agents=25`, `amd.on=false`.

A path names fields as `simulator.scenario` has them (`list.rates.person`, `line.ring_limit_s`,
`handling.talk`, `law.wait_limit_s`, ...). `agents` is their number; `talk_factor`, `answer_factor`,
`wrap_up_factor` and `setup_factor` multiply the whole day. A distribution is written as in a
scenario file: `patience={exponential: {mean_s: 20}}`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any

from simulator.distributions import (
    Constant,
    Empirical,
    Exponential,
    Lognormal,
    Mixture,
    Shifted,
    Uniform,
)
from simulator.results import PacerSpec
from simulator.scenario import BadScenario, Drift, Drifting, Scenario, Shape
from simulator.scenario_file import DistributionReader
from yamlmarks import FileError
from yamlmarks.readers import read_text

VALUES_MAX = 1_000  # of one option of a sweep
_DISTRIBUTIONS = (Constant, Empirical, Exponential, Lognormal, Mixture, Shifted, Uniform)


class BadChange(ValueError):
    """A change that names no field, or a value the field cannot have."""


def split(text: str) -> tuple[str, str]:
    """`path=value` in two. Raises BadChange."""
    path, sign, value = text.partition("=")
    if not sign or not path.strip() or not value.strip():
        raise BadChange(f"{text!r}: write path=value, e.g. agents=25 or list.rates.person=0.1")
    return path.strip(), value.strip()


def values_of(text: str) -> list[str]:
    """`1,2,5` as three values; `1:4` as 1, 2, 3, 4; `1:2:0.25` with steps; `{...}` as one."""
    if text.startswith("{"):
        return [text]
    if ":" in text:
        try:
            numbers = [float(part) for part in text.split(":")]
        except ValueError:
            raise BadChange(f"{text!r}: write from:to or from:to:step with numbers") from None
        if len(numbers) not in (2, 3):
            raise BadChange(f"{text!r}: write from:to or from:to:step")
        first, last, step = (*numbers, 1.0)[:3]
        sound = step > 0 and last >= first and (last - first) / step <= VALUES_MAX
        if not sound:  # not a number in any place is not sound either
            raise BadChange(
                f"{text!r}: to must be at least from, step above 0, at most {VALUES_MAX} values"
            )
        count = int((last - first) / step + 1e-9) + 1
        return [f"{first + i * step:.10g}" for i in range(count)]
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def changed(scenario: Scenario, path: str, text: str) -> Scenario:
    """The scenario with one field changed. Raises BadChange."""
    factor = path.removesuffix("_factor")
    try:
        if path == "agents":
            return scenario.with_agents(_whole(path, text))
        if factor != path and factor in {"talk", "answer", "wrap_up", "setup"}:
            drift = Drift(Drifting(factor), points=((0.0, _number(path, text)),), shape=Shape.STEP)
            return replace(scenario, drift=(*scenario.drift, drift))
        made: Scenario = _replaced(scenario, path.split("."), text, path)
        return made
    except BadScenario as error:
        raise BadChange(f"{path}={text}: {error.text}") from None


def _replaced(thing: Any, names: list[str], text: str, path: str) -> Any:
    known = [f.name for f in dataclasses.fields(thing)]
    if names[0] not in known:
        raise BadChange(f"{path}: there is no field {names[0]!r}; known: {', '.join(known)}")
    old = getattr(thing, names[0])
    if len(names) > 1:
        if not dataclasses.is_dataclass(old) or isinstance(old, _DISTRIBUTIONS):
            raise BadChange(f"{path}: {names[0]} has no fields of its own; set it as a whole")
        return replace(thing, **{names[0]: _replaced(old, names[1:], text, path)})
    return replace(thing, **{names[0]: _value(old, text, path)})


def _value(old: Any, text: str, path: str) -> Any:
    match old:
        case bool():
            if text not in ("true", "false"):
                raise BadChange(f"{path}: must be true or false, not {text!r}")
            return text == "true"
        case int():
            return _whole(path, text)
        case float():
            return _number(path, text)
        case str():
            return text
        case _ if isinstance(old, _DISTRIBUTIONS):
            try:
                return read_text(text, path, DistributionReader())
            except FileError as error:
                raise BadChange(str(error)) from None
        case tuple() if old and all(isinstance(v, float) for v in old):
            return tuple(_number(path, part) for part in text.split("/"))
    raise BadChange(f"{path}: cannot be set here; write a scenario file for it")


def _number(path: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadChange(f"{path}: must be a number, not {text!r}") from None


def _whole(path: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise BadChange(f"{path}: must be a whole number, not {text!r}") from None


def option_value(text: str) -> Any:
    """A pacer option's value: whole number, number, true/false, or the text itself."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def pacer_of(text: str) -> PacerSpec:
    """`ratio` or `ratio:ratio=2.5`, more options after more colons. Raises BadChange."""
    name, *rest = text.split(":")
    options = {}
    for part in filter(None, rest):
        key, value = split(part)
        options[key] = option_value(value)
    return PacerSpec.of(name.strip(), options)
