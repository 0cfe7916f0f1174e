"""A strategy read from its file, with every fault named by file, line and field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from dialer.campaigns.again import Again, close
from dialer.campaigns.strategy.model import (
    END,
    Challenger,
    Channel,
    Do,
    Exclusion,
    Exit,
    Rounds,
    Segment,
    Split,
    Step,
    StrategyFile,
    Tactic,
    Treatment,
    Trigger,
    TriggerRule,
    Until,
)
from dialer.campaigns.strategy.place import Strategy
from dialer.campaigns.strategy.predicate import Predicate, faults
from dialer.campaigns.strategy.reach import cycle, unled, unreachable
from dialer.campaigns.strategy.score import Priority, Term, priority_faults
from dialer.campaigns.strategy.values import Input
from dialer.campaigns.units import Part
from dialer.core.events import RING_MIN_S
from dialer.core.modes import Mode, least
from yamlmarks import FileError
from yamlmarks.values import Path_, YamlFile

Fault = tuple[Path_, str]  # where in the file, and the mend


class Serving(Protocol):
    """What a campaign offers to the strategy it names."""

    @property
    def name(self) -> str: ...

    def serves(self, queue: str) -> bool: ...

    @property
    def mode(self) -> Mode: ...

    def has_disposition(self, code: str) -> bool: ...


def load_strategy(path: Path) -> Strategy:
    """Raises `FileError` with every fault: `file:line: field: mend`."""
    return read_strategy(YamlFile(path))


def read_strategy(file: YamlFile) -> Strategy:
    if not isinstance(file.value, dict):
        raise FileError([file.fault((), "a strategy is a table of fields: version: 1, ...")])
    try:
        loaded = StrategyFile.model_validate(file.value)
    except ValidationError as error:
        raise FileError(_schema_faults(file, error)) from None
    found = [file.fault(where, text) for where, text in _faults(loaded)]
    if found:
        raise FileError(found)
    return Strategy(loaded, file.value)


def campaign_faults(file: YamlFile, strategy: Strategy, campaign: Serving) -> list[str]:
    """What of a strategy does not fit the campaign that names it."""
    found: list[str] = []
    for name, treatment in strategy.file.treatments.items():
        for n, step in enumerate(treatment.steps):
            where: Path_ = ("treatments", name, "steps", n)
            if step.queue is not None and not campaign.serves(step.queue):
                text = f"campaign {campaign.name} has no queue {step.queue}: nobody would serve it"
                found.append(file.fault((*where, "queue"), text))
            most = campaign.mode
            if step.mode is not None and least(step.mode, most) is not step.mode:
                text = f"campaign {campaign.name} dials no more automatically than {most.value}"
                found.append(file.fault((*where, "mode"), text))
            for code in step.until.dispositions if step.until is not None else ():
                if not campaign.has_disposition(code):
                    text = f"campaign {campaign.name} has no disposition {code}"
                    found.append(file.fault((*where, "until", "dispositions"), text))
    for n, rule in enumerate(strategy.file.triggers):
        for code in rule.dispositions:
            if not campaign.has_disposition(code):
                text = f"campaign {campaign.name} has no disposition {code}"
                found.append(file.fault(("triggers", n, "dispositions"), text))
    return found


def notes(strategy: Strategy) -> list[str]:
    """What is not wrong, and may be a mistake."""
    file = strategy.file
    used = {one.treatment.champion for one in file.segments}
    used |= {other.treatment for one in file.segments for other in one.treatment.challengers}
    used |= {rule.treatment for rule in file.triggers if rule.treatment is not None}
    found = [f"treatment {one} is used by no segment" for one in file.treatments if one not in used]
    tactics = {step.tactic for one in file.treatments.values() for step in one.steps}
    found += [f"tactic {one} is used by no step" for one in file.tactics if one not in tactics]
    if file.segments[-1].when.always is not True:
        found.append("the last segment is not `when: true`: leads in no segment are not called")
    return found


# --- what the models cannot see -------------------------------------------------------------------


def _faults(file: StrategyFile) -> Iterator[Fault]:
    yield from _twice("exclude", [one.id for one in file.exclude])
    yield from _twice("segments", [one.id for one in file.segments])
    tests: list[tuple[Path_, Predicate]] = [
        *((("exclude", n, "when"), one.when) for n, one in enumerate(file.exclude)),
        *((("segments", n, "when"), one.when) for n, one in enumerate(file.segments)),
        *((("triggers", n, "when"), one.when) for n, one in enumerate(file.triggers) if one.when),
        *(
            (("treatments", name, "exit", n, "when"), one.when)
            for name, treatment in file.treatments.items()
            for n, one in enumerate(treatment.exit)
            if one.when
        ),
    ]
    sound = True
    for where, test in tests:
        for inside, text in faults(test, file.inputs):
            sound = False
            yield (*where, *inside), text
    if file.priority is not None:
        for inside, text in priority_faults(file.priority, file.inputs):
            yield ("priority", *inside), text
    for n, segment in enumerate(file.segments):
        for inside, name in _treatments_of(segment):
            if name not in file.treatments:
                text = f"there is no treatment {name}{close(name, file.treatments)}"
                yield ("segments", n, "treatment", *inside), text
    for name, treatment in file.treatments.items():
        yield from _treatment_faults(file, name, treatment)
    for n, rule in enumerate(file.triggers):
        yield from _trigger_faults(file, n, rule)
    if sound:
        for n in unreachable(file):
            text = "nobody can be in this segment: the exclusions and segments before it take all"
            yield ("segments", n, "when"), text


def _twice(where: str, ids: Sequence[str]) -> Iterator[Fault]:
    counted = Counter(ids)
    for n, one in enumerate(ids):
        if counted[one] > 1 and ids.index(one) != n:
            yield (where, n, "id"), f"{one} is given twice: an id is one's own"


def _treatments_of(segment: Segment) -> Iterator[tuple[Path_, str]]:
    split = segment.treatment
    yield (("champion",) if split.challengers else ()), split.champion
    for n, one in enumerate(split.challengers):
        yield ("challengers", n, "treatment"), one.treatment


def _treatment_faults(file: StrategyFile, name: str, treatment: Treatment) -> Iterator[Fault]:
    where: Path_ = ("treatments", name, "steps")
    ids = [one.id for one in treatment.steps]
    doubles = list(_twice("steps", ids))
    for inside, text in doubles:
        yield (*where, *inside[1:]), text
    whole = not doubles
    for n, step in enumerate(treatment.steps):
        if step.id == END:
            yield (*where, n, "id"), f"{END} is no id: `next: {END}` means the end"
            whole = False
        if step.next and step.next != END and step.next not in treatment.by_id:
            yield (*where, n, "next"), f"there is no step {step.next}{close(step.next, ids)}"
            whole = False
        if step.channel is Channel.VOICE and step.tactic not in file.tactics:
            tactic = str(step.tactic)
            yield (*where, n, "tactic"), f"there is no tactic {tactic}{close(tactic, file.tactics)}"
    if not whole:
        return
    following = {one.id: treatment.after(one.id) for one in treatment.steps}
    for first in ids:
        if way := cycle(following, first):
            n = treatment.by_id[way[-2]]
            text = f"the steps go in a circle: {' -> '.join(way)}; let one of them end"
            yield (*where, n, "next"), text
            return
    targets = {rule.step for rule in file.triggers if rule.step is not None}
    for one in unled(following, ids[0]):
        led = targets & set(ids) or any(after == one for after in following.values())
        if not led:
            text = "no step and no trigger leads here"
            yield (*where, treatment.by_id[one], "id"), text


def _trigger_faults(file: StrategyFile, n: int, rule: TriggerRule) -> Iterator[Fault]:
    if {Trigger.CEASE, Trigger.PAID} & set(rule.event) and rule.do is not Do.CLOSE:
        yield ("triggers", n, "do"), "cease and paid end the strategy whatever happens: do: close"
    if rule.treatment is not None and rule.treatment not in file.treatments:
        text = f"there is no treatment {rule.treatment}{close(rule.treatment, file.treatments)}"
        yield ("triggers", n, "treatment"), text
    elif rule.step is not None:
        among = [rule.treatment] if rule.treatment is not None else list(file.treatments)
        missing = [one for one in among if rule.step not in file.treatments[one].by_id]
        if missing:
            text = f"treatment {missing[0]} has no step {rule.step}: name the treatment that has it"
            yield ("triggers", n, "step"), text


# --- what the models saw --------------------------------------------------------------------------

_FIELDS: dict[str, type[Part]] = {
    "inputs": Input,
    "exclude": Exclusion,
    "segments": Segment,
    "when": Predicate,
    "all": Predicate,
    "any": Predicate,
    "not": Predicate,
    "treatment": Split,
    "challengers": Challenger,
    "priority": Priority,
    "terms": Term,
    "treatments": Treatment,
    "exit": Exit,
    "steps": Step,
    "until": Until,
    "tactics": Tactic,
    "retry": Again,
    "rounds": Rounds,
    "triggers": TriggerRule,
}


def _schema_faults(file: YamlFile, error: ValidationError) -> list[str]:
    told: dict[Path_, str] = {}
    found = error.errors(include_url=False)
    for one in found:
        where = _in_file(file.value, tuple(one["loc"]))
        deeper = any(
            len(other["loc"]) > len(one["loc"]) and other["loc"][: len(one["loc"])] == one["loc"]
            for other in found
        )
        if not (one["type"] == "too_short" and deeper):
            told.setdefault(where, file.fault(where, _text(where, one)))
    return list(told.values())


def _in_file(value: Any, where: Path_) -> Path_:
    """Without the marks that a choice of types puts into a place; a missing field stays."""
    kept: list[str | int] = []
    for part in where:
        inside = isinstance(value, dict) and part in value
        if not inside and not (isinstance(value, list) and isinstance(part, int)):
            return (*kept, part) if part == where[-1] and isinstance(value, dict) else tuple(kept)
        kept.append(part)
        value = value[part]
    return tuple(kept)


def _text(where: Path_, error: Any) -> str:
    match error["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return f"is not a field here{close(str(where[-1]), _known_at(where[:-1]))}"
        case "greater_than_equal" if where[-1:] == ("ring_s",):
            return f"must be {RING_MIN_S:g} or more: the law's least ring"
        case "string_pattern_mismatch":
            return "is written with letters, digits and underscore (see the schema)"
        case "value_error":
            return str(error["ctx"]["error"])
        case "bool_type" | "int_type" | "float_type" | "string_type" if where[-1:] != ("version",):
            return "is one plain value: true, a number or text"
    message = str(error["msg"])
    return message[:1].lower() + message[1:]


def _known_at(where: Path_) -> list[str]:
    for part in reversed(where):
        if part in _FIELDS:
            fields = _FIELDS[str(part)].model_fields
            return [one.alias or name for name, one in fields.items()]
    return list(StrategyFile.model_fields)
