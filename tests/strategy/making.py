"""Strategies for tests, and hypothesis' way of making predicates and values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from dialer.campaigns.strategy.load import load_strategy
from dialer.campaigns.strategy.place import Strategy, from_body
from dialer.campaigns.strategy.predicate import Predicate
from dialer.campaigns.strategy.score import Priority
from dialer.campaigns.strategy.values import Input, Kind, Value, literal

EXAMPLE = Path(__file__).parents[2] / "examples" / "collections.yaml"
TODAY = 20_000  # a day of the year 2024
WORDS = ("card", "car loan", "Straße", "ENERGY", "é", "%", "_", "a'b", 'q"', "\\", "\U0001f4b3 x")

INPUTS = {
    "balance": Input(type=Kind.MONEY),
    "count": Input(type=Kind.INTEGER),
    "opened": Input(type=Kind.DATE),
    "late": Input(type=Kind.DAYS_SINCE),
    "word": Input(type=Kind.TEXT),
    "product": Input(type=Kind.ENUM, values=WORDS[:4]),
    "consent": Input(type=Kind.BOOLEAN),
}


def example() -> Strategy:
    return load_strategy(EXAMPLE)


def body(**changes: Any) -> dict[str, Any]:
    """A small strategy: two calls and a letter between them; `changes` replace whole fields."""
    return {
        "version": 1,
        "strategy": "small",
        "inputs": {"balance": {"type": "money"}},
        "segments": [{"id": "all", "when": True, "treatment": "one"}],
        "treatments": {
            "one": {
                "steps": [
                    {"id": "call", "channel": "voice", "tactic": "t", "until": {"attempts": 3}},
                    {"id": "letter", "channel": "webhook", "event": "letter", "wait": "2d"},
                    {"id": "desk", "channel": "task", "queue": "q", "due": "5d"},
                    {"id": "again", "channel": "voice", "tactic": "t", "until": {"elapsed": "4d"}},
                ]
            }
        },
        "tactics": {
            "t": {
                "retry": {"no_answer": {"after": "1h", "max": 9, "next_phone": True}},
                "rounds": {"max": 2, "between": "3h"},
            }
        },
        **changes,
    }


def small(**changes: Any) -> Strategy:
    return from_body(body(**changes))


# --- hypothesis -----------------------------------------------------------------------------------

_numbers = st.one_of(st.integers(-3, 3), st.integers(-(10**12), 10**12))
_constants: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.MONEY: st.one_of(st.integers(-5, 5), st.integers(-99999, 99999).map(lambda n: n / 4)),
    Kind.INTEGER: _numbers,
    Kind.DAYS_SINCE: st.integers(-400, 400),
    Kind.DATE: st.dates().map(lambda day: day.isoformat()),
    Kind.TEXT: st.sampled_from(WORDS),
    Kind.ENUM: st.sampled_from(WORDS[:4]),
    Kind.BOOLEAN: st.booleans(),
}


def raw_values(of: Input) -> st.SearchStrategy[Value]:
    """As the store keeps them; often just what a predicate compares with."""
    match of.type:
        case Kind.TEXT:
            folded = st.sampled_from(WORDS).map(lambda one: literal(of, one))
            found: st.SearchStrategy[Value] = st.one_of(folded, st.text(max_size=6).map(_kept))
        case Kind.ENUM:
            found = st.sampled_from(WORDS[:4]).map(lambda one: literal(of, one))
        case Kind.BOOLEAN:
            found = st.sampled_from([0, 1])
        case Kind.DAYS_SINCE:
            found = st.integers(-400, 400).map(lambda days: TODAY - days)
        case Kind.DATE:
            found = _constants[Kind.DATE].map(lambda one: literal(of, one))
        case _:
            found = st.one_of(_numbers, st.integers(-500, 500))
    return st.one_of(st.none(), found)


def _kept(text: str) -> Value:
    from dialer.campaigns.strategy.values import fold

    return fold(text)


def leads() -> st.SearchStrategy[dict[str, Value]]:
    return st.fixed_dictionaries({name: raw_values(of) for name, of in INPUTS.items()})


@st.composite
def leaf(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(st.sampled_from(sorted(INPUTS)))
    of = INPUTS[name]
    comparisons = ["eq", "ne", "in", "known"]
    if of.type.ordered:
        comparisons += ["lt", "lte", "gt", "gte", "between"]
    if of.type is Kind.TEXT:
        comparisons += ["starts", "contains"]
    how = draw(st.sampled_from(comparisons))
    constant = _constants[of.type]
    if how == "known":
        return {"f": name, how: draw(st.booleans())}
    if how == "in":
        return {"f": name, how: draw(st.lists(constant, min_size=1, max_size=3))}
    if how == "between":
        pair = [draw(constant), draw(constant)]
        return {"f": name, how: sorted(pair, key=lambda one: literal(of, one))}  # type: ignore[arg-type,return-value]
    return {"f": name, how: draw(constant)}


def predicates() -> st.SearchStrategy[Predicate]:
    written: st.SearchStrategy[Any] = st.recursive(
        st.one_of(leaf(), st.booleans()),
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts}),
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
            inner.map(lambda part: {"not": part}),
        ),
        max_leaves=6,
    )
    return written.map(
        lambda one: Predicate.model_validate({"always": one} if isinstance(one, bool) else one)
    )


@st.composite
def priorities(draw: st.DrawFn) -> Priority:
    terms: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            terms.append({"when": draw(st.one_of(leaf())), "add": draw(st.integers(-50, 50))})
            continue
        term: dict[str, Any] = {
            "f": draw(st.sampled_from(["balance", "count", "late", "consent"])),
            "times": draw(st.integers(-20_000, 20_000)) / 10_000,
        }
        if draw(st.booleans()):
            term["most"] = draw(st.integers(-10, 60))
        if draw(st.booleans()):
            term["least"] = min(draw(st.integers(-60, 60)), term.get("most", 60))
        terms.append(term)
    low = draw(st.integers(-100, 50))
    return Priority.model_validate(
        {"terms": terms, "low": low, "high": low + draw(st.integers(1, 200))}
    )
