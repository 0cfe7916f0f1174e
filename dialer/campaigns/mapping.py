"""What the columns of a list are: as somebody said, as their headers say, as their cells say."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import phonenumbers

from dialer.campaigns.numbers import NumberError, dialable, numbers_in
from dialer.campaigns.zones import is_zone
from yamlmarks import FileError
from yamlmarks.values import YamlFile

CARRIED = "field"  # a column that is carried along, whatever it looks like
COLUMNS_MAX = 500
_PHONE = re.compile(
    r"(phone|tel|telephone|mobile|cell|cellular|handy|telefon|mobil|msisdn|number|nummer)"
    r"(number|no|nr|nummer)?\d{0,2}|(home|work|office|business|private|other|alt|second|mobile|cell)"
    r"(phone|tel|telephone|mobile|number|no)\d{0,2}"
)
# Headers that may name a number's place, or something else: what the cells hold decides.
_PLACE = re.compile(
    r"(home|work|office|business|private|other|alt|second|evening|daytime|privat|arbeit)\d{0,2}"
)
_LOOKED_AT = 20  # cells a column must have before what they hold counts
_CLEARLY, _HARDLY = 0.8, 0.05  # shares of cells that are numbers
_DIGITS_LEAST = 7  # of what may be a number, with its area

# What a column is, by its header without spaces, case and signs.
SYNONYMS: Mapping[str, frozenset[str]] = {
    "external_id": frozenset(
        (
            *("externalid", "id", "account", "accountid", "accountno", "accountnumber"),
            *("accountnr", "leadid", "contactid", "debtid", "caseid", "caseno", "aktenzeichen"),
            *("reference", "ref", "konto", "kontonummer", "crmid", "loanid", "contractid"),
        )
    ),
    "person": frozenset(
        (
            *("person", "personid", "debtor", "debtorid", "consumerid", "clientid", "clientno"),
            *("customerid", "customerno", "customernumber", "kundennummer", "kundennr"),
        )
    ),
    "name": frozenset({"name", "fullname", "customer", "customername", "contact", "contactname"}),
    "first_name": frozenset({"firstname", "givenname", "forename", "vorname"}),
    "last_name": frozenset({"lastname", "surname", "familyname", "nachname"}),
    "tz": frozenset({"tz", "timezone", "zone", "zoneinfo", "zeitzone", "ianatz", "olsontz"}),
    "region": frozenset({"country", "countrycode", "region", "land", "countryiso", "iso2"}),
    "priority": frozenset({"priority", "prio", "prioritaet", "priorität", "rank"}),
    "birth_date": frozenset(
        {"birthdate", "dateofbirth", "dob", "birthday", "geburtsdatum", "geburtstag"}
    ),
}
# Of consent to automated calls: what, when, from where, until when.
CONSENTS: Mapping[str, frozenset[str]] = {
    "consent": frozenset({"consent", "optin", "einwilligung", "tcpaconsent", "autodialconsent"}),
    "consent_at": frozenset(
        (
            *("consentat", "consentdate", "consentedat", "consenttime", "consenttimestamp"),
            *("consentgiven", "consentgivenon", "optindate", "optinat", "einwilligungvom"),
        )
    ),
    "consent_source": frozenset(
        {"consentsource", "consentfrom", "consenturl", "optinsource", "einwilligungquelle"}
    ),
    "consent_until": frozenset(
        {"consentuntil", "consentexpiry", "consentexpires", "consentends", "einwilligungbis"}
    ),
}
TARGETS = ("phone", *SYNONYMS, *CONSENTS)
KEPT = frozenset({"birth_date"})  # understood, and carried along as well


@dataclass(frozen=True, slots=True)
class Column:
    """A column by its place and header; `target` as in `TARGETS`, or empty: carried along."""

    index: int
    header: str
    target: str
    of: str = ""  # the header of the number a consent belongs to; empty: of all in the row


def read_mapping(path: Path) -> dict[str, str]:
    """A mapping from a YAML file: `phone: Mobile`, `phone2: Home`, `external_id: Konto`, ..."""
    file = YamlFile(path)
    if not isinstance(file.value, dict):
        raise FileError([f"{path}:1: a mapping is a table: phone: Mobile, external_id: Konto"])
    faults = [
        file.fault((target,), "is the header of a column, in text")
        for target, header in file.value.items()
        if not isinstance(header, str | int)
    ]
    if faults:
        raise FileError(faults)
    return {str(target): str(header) for target, header in file.value.items()}


def by_header(columns: Sequence[Column]) -> dict[str, str]:
    """Target by header, as it is kept for a source. All columns are in it; what belongs to the
    second number is `consent2`."""
    phones = [column.header for column in columns if column.target == "phone"]
    return {
        column.header: (column.target or CARRIED)
        + (str(phones.index(column.of) + 1) if column.of else "")
        for column in columns
    }


def choose(
    where: str,
    header: Sequence[str],
    sample: Sequence[Sequence[str]],
    region: str,
    asked: Mapping[str, str],
    saved: Mapping[str, str] | None = None,
) -> tuple[Column, ...]:
    """What each column is. `where` is file and line of the header, for faults.

    `asked` is target -> header and wins over `saved` (target by header), which wins over guesses.
    Raises `FileError` when something asked for is not there, or no column holds numbers.
    """
    names = [cell.strip() or f"column {n}" for n, cell in enumerate(header, start=1)]
    if len(names) > COLUMNS_MAX:
        raise FileError([f"{where}: has {len(names)} columns, {COLUMNS_MAX} at most"])
    if _is_data(names, region):  # first of all: other faults name the columns
        raise FileError(
            [f"{where}: looks like data and not like a header: the first line names the columns"]
        )
    faults = []
    for name in sorted({name for name in names if names.count(name) > 1}):
        faults.append(f"{where}: column {name!r} is there twice: rename one")
    chosen, wrong = _asked(asked, names)
    faults += wrong
    numbers = {header: _number_of(target) for target, header in asked.items()}
    if saved and not faults and set(saved) >= set(names):
        kept = {name: _NUMBERED.sub(r"\1", saved[name]) for name in names}
        numbers = {name: _number_of(saved[name]) for name in names} | numbers
        chosen = kept | chosen
    if faults:
        raise FileError(faults)
    targets = _guessed(names, chosen)
    _by_content(names, targets, chosen, sample, region)
    if "phone" not in targets:
        raise FileError(
            [
                f"{where}: no column looks like a phone number among "
                f"{', '.join(names)}: name it with --map phone=<column>"
            ]
        )
    belongs = _consents(where, names, targets, numbers)
    return tuple(Column(n, name, targets[n], belongs.get(n, "")) for n, name in enumerate(names))


def _asked(asked: Mapping[str, str], names: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Target by header of what was asked for, and what is wrong with it."""
    chosen: dict[str, str] = {}
    faults = []
    for target, column in asked.items():
        plain = re.sub(r"(?<=phone|field)\d{1,3}\Z", "", target)
        plain = _NUMBERED.sub(r"\1", plain)
        if plain not in TARGETS and plain != CARRIED:
            faults.append(
                f"--map {target}={column}: there is no {target!r}; there are "
                f"{', '.join(TARGETS)} (and phone2, phone3, ... for further numbers)"
            )
        elif column not in names:
            faults.append(
                f"--map {target}={column}: the file has no column {column!r}; it has "
                f"{', '.join(names)}"
            )
        elif chosen.get(column, plain) != plain:
            faults.append(f"--map {target}={column}: the column is {chosen[column]} already")
        else:
            chosen[column] = plain
    return chosen, faults


def _guessed(names: Sequence[str], chosen: Mapping[str, str]) -> list[str]:
    """A target for each column, empty for those that are carried along."""
    taken = set(chosen.values()) - {"phone", CARRIED, *CONSENTS}
    asked_for_phone = "phone" in chosen.values()
    targets = []
    for name in names:
        target = chosen.get(name, "")
        plain = _plain(name)
        if not target and plain:
            guess = next((t for t, words in SYNONYMS.items() if plain in words), "")
            if guess and guess not in taken:
                target = guess
                taken.add(guess)
            elif not guess and _consent_part(plain):
                target = _consent_part(plain)
            elif not guess and not asked_for_phone and _PHONE.fullmatch(plain):
                target = "phone"
        targets.append("" if target == CARRIED else target)
    if "external_id" not in targets and "person" in targets and "person" not in chosen.values():
        targets[targets.index("person")] = "external_id"  # the customer's number is all there is
    return targets


_NUMBERED = re.compile(r"\A(consent(?:_at|_source|_until)?)(\d{1,2})\Z")
_BARE = re.compile(r"\d{1,2}\Z")


def _number_of(target: str) -> int:
    """2 of `consent2`; 0 where none is named."""
    found = _NUMBERED.match(target)
    return int(found[2]) if found else 0


def _consent_part(plain: str) -> str:
    """Which part of a consent a header names, alone, numbered or beside a number's own: consent,
    consentdate2, mobileconsent, consentmobile; empty: none."""
    bare = _BARE.sub("", plain)
    for part, words in CONSENTS.items():
        for word in words:
            if bare == word:
                return part
            if bare.startswith(word) and _of_number(bare[len(word) :]):
                return part
            if bare.endswith(word) and _of_number(bare[: -len(word)]):
                return part
    return ""


def _of_number(plain: str) -> bool:
    return _PHONE.fullmatch(plain) is not None or _PLACE.fullmatch(plain) is not None


def _consents(
    where: str, names: Sequence[str], targets: Sequence[str], numbers: Mapping[str, int]
) -> dict[int, str]:
    """The header of the number each column of consent belongs to, by place; "": all of them.

    Raises `FileError` when two columns say the same of one number.
    """
    phones = [name for name, target in zip(names, targets, strict=True) if target == "phone"]
    found: dict[int, str] = {}
    seen: dict[tuple[str, str], str] = {}
    for n, (name, target) in enumerate(zip(names, targets, strict=True)):
        if target not in CONSENTS:
            continue
        ending = _BARE.search(_plain(name))
        at = numbers.get(name, 0) or (int(ending[0]) if ending else 0)
        of = next((one for one in phones if _names(name, one)), "")
        if at and (numbers.get(name, 0) or not of):
            if at > len(phones):
                raise FileError(
                    [f"{where}: column {name!r} is of number {at}; there are {len(phones)}"]
                )
            of = phones[at - 1]
        if (target, of) in seen:
            raise FileError(
                [
                    f"{where}: columns {seen[target, of]!r} and {name!r} both say {target} of "
                    f"{of or 'all numbers'}: carry one along with --map field={name}"
                ]
            )
        seen[target, of] = name
        found[n] = of
    return found


def _names(header: str, phone: str) -> bool:
    """Whether a header of consent names this column of numbers."""
    plain, whose = _plain(header), _plain(phone)
    rest = [word for words in CONSENTS.values() for word in words]
    return any(plain in (f"{whose}{word}", f"{word}{whose}") for word in rest)


def _by_content(
    names: Sequence[str],
    targets: list[str],
    chosen: Mapping[str, str],
    sample: Sequence[Sequence[str]],
    region: str,
) -> None:
    """Mend the guess by what stands in the columns."""
    filled = [[row[n].strip() for row in sample if row[n].strip()] for n in range(len(names))]
    for n, cells in enumerate(filled):
        guessed = targets[n] == "phone" and names[n] not in chosen
        if guessed and len(cells) >= _LOOKED_AT and _share(cells, _has_digits) < _HARDLY:
            targets[n] = ""  # called so, and holds something else
    free = [n for n, cells in enumerate(filled) if cells and not targets[n]]
    free = [n for n in free if names[n] not in chosen]
    unknown = "phone" not in targets
    asked = "phone" in chosen.values()
    for n in free:
        perhaps = unknown or (not asked and _PLACE.fullmatch(_plain(names[n])) is not None)
        if perhaps and _share(filled[n], lambda cell: _is_number(cell, region)) >= _CLEARLY:
            targets[n] = "phone"
    if "tz" not in targets:
        zones = [n for n in free if not targets[n] and all(map(_is_named_zone, filled[n]))]
        for n in zones[:1]:
            targets[n] = "tz"


def _is_named_zone(cell: str) -> bool:
    return "/" in cell and is_zone(cell)


def _share(cells: Sequence[str], holds: Callable[[str], bool]) -> float:
    return sum(map(holds, cells)) / len(cells)


def _has_digits(cell: str) -> bool:
    return sum(map(str.isdigit, cell)) >= _DIGITS_LEAST


def _is_number(cell: str, region: str) -> bool:
    if not _has_digits(cell):
        return False
    try:
        for one in numbers_in(cell):
            dialable(one, region)
    except NumberError:
        return False
    return True


def _is_data(names: Sequence[str], region: str) -> bool:
    return any(_is_number(name, region) for name in names)


def _plain(header: str) -> str:
    return re.sub(r"[^0-9a-zäöüß]", "", header.strip().lower())


def region_of(cell: str, usual: str) -> str:
    """The region a cell names, or the usual one."""
    region = cell.upper()
    return region if region in phonenumbers.SUPPORTED_REGIONS else usual
