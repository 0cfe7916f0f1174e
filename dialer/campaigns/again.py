"""When a lead is called again after an outcome, as campaigns and strategies write it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from dialer.campaigns.retry import DEFAULTS, RetryRule
from dialer.campaigns.units import Duration, Part
from dialer.core.outcomes import Outcome

OUTCOME_KEYS = {outcome.name.lower(): outcome for outcome in Outcome}


def _again(value: object) -> object:
    return {"after": "0s", "max": 0} if value == "never" else value


class Again(Part):
    """When a lead is called again after an outcome, and how many attempts may end so."""

    after: Duration
    max: Annotated[int, Field(ge=0, le=100)]  # 0: never
    next_phone: bool = False


Retry = Annotated[Again, BeforeValidator(_again, json_schema_input_type=Again | Literal["never"])]


def known_outcomes(value: dict[str, Any]) -> dict[str, Any]:
    """The same, or ValueError for a key that is no outcome."""
    for key in value:
        if key not in OUTCOME_KEYS:
            raise ValueError(f"there is no outcome {key}{close(key, OUTCOME_KEYS)}")
    return value


def rules_of(retry: Mapping[str, Again]) -> Mapping[Outcome, RetryRule]:
    """Rules for every outcome: what is not said has its default."""
    rules = dict(DEFAULTS)
    for key, again in retry.items():
        outcome = OUTCOME_KEYS[key]
        bad = DEFAULTS[outcome].phone_bad  # what the network says of a number stays true
        rules[outcome] = RetryRule(again.after, again.max, again.next_phone or bad, bad)
    return rules


def close(name: str, known: Iterable[str]) -> str:
    """How a complaint about an unknown name goes on."""
    there = sorted(known)
    near = difflib.get_close_matches(name, there, n=1)
    return f": did you mean {near[0]}?" if near else f"; there are: {', '.join(there)}"
