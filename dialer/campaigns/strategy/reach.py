"""Segments that nobody can be in, because others stand before them. Pure.

Between two constants that a strategy compares an input with, no predicate changes its mind: so one
value from each such stretch (and "not known") stands for all, and trying every combination is a
proof. Where text is searched (`starts`, `contains`) or the combinations are too many, nothing is
said: a silent lint is better than a false one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from math import prod

from dialer.campaigns.strategy.model import StrategyFile
from dialer.campaigns.strategy.predicate import Facts, Predicate, leaves, matches, operands
from dialer.campaigns.strategy.values import Input, Kind, Value, fold

_COMBINATIONS_MAX = 30_000
_OTHER = "\ue000"  # a text that no strategy compares with


def unreachable(file: StrategyFile) -> Iterator[int]:
    """The places of segments nobody can be in."""
    tests = [one.when for one in file.exclude] + [one.when for one in file.segments]
    asked = [leaf for test in tests for leaf in leaves(test)]
    names = sorted({leaf.f for leaf in asked if leaf.f is not None})
    if any(leaf.comparison in ("starts", "contains") for leaf in asked):
        yield from _behind_everybody(file)
        return
    choices = [list(_stretches(name, file.inputs[name], asked)) for name in names]
    if prod(len(one) for one in choices) > _COMBINATIONS_MAX:
        yield from _behind_everybody(file)
        return
    left = set(range(len(file.segments)))
    for values in product(*choices):
        if not left:
            return
        found = _first(file, Facts(file.inputs, dict(zip(names, values, strict=True)), 0))
        left.discard(found)
    yield from sorted(left)


def _behind_everybody(file: StrategyFile) -> Iterator[int]:
    """Those after `when: true`, which need no proof."""
    everybody = False
    for n, one in enumerate(file.segments):
        if everybody:
            yield n
        everybody = everybody or one.when.always is True


def _first(file: StrategyFile, facts: Facts) -> int:
    if any(matches(one.when, facts) for one in file.exclude):
        return -1
    return next((n for n, one in enumerate(file.segments) if matches(one.when, facts)), -1)


def _stretches(name: str, of: Input, asked: list[Predicate]) -> Iterator[Value]:
    """One raw value for each stretch in which no comparison changes."""
    if not of.required and of.default is None:
        yield None
    if of.type is Kind.BOOLEAN:
        yield from (0, 1)
        return
    if of.type is Kind.ENUM:
        yield from sorted({found for one in of.values if (found := fold(one)) is not None})
        return
    mine = [leaf for leaf in asked if leaf.f == name]
    constants = {one for leaf in mine for one in operands(leaf, of)}
    if of.type is Kind.TEXT:
        yield from sorted(str(one) for one in constants)
        yield _OTHER
        return
    numbers = sorted(int(one) for one in constants if one is not None)
    around = {n + d for n in numbers for d in (-1, 0, 1)} or {0}
    sign = -1 if of.type is Kind.DAYS_SINCE else 1  # seen as today less the day; today is 0 here
    yield from (sign * one for one in sorted(around))


def unled(steps: Mapping[str, str], first: str) -> list[str]:
    """Steps that no way from the first one leads to. `steps`: each with the one after it."""
    seen: set[str] = set()
    at = first
    while at and at not in seen:
        seen.add(at)
        at = steps[at]
    return [one for one in steps if one not in seen]


def cycle(steps: Mapping[str, str], first: str) -> list[str]:
    """A way through the steps that comes back to itself, or []."""
    way: list[str] = []
    at = first
    while at:
        if at in way:
            return [*way[way.index(at) :], at]
        way.append(at)
        at = steps[at]
    return []
