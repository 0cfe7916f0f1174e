"""Numbers that begin alike, judged once.

`phonenumbers` takes a tenth of a millisecond a number, most of it in regular expressions that look
at the first few digits. All it does with a string of digits is to match patterns of its metadata
and to count: so where, after the first digits, each pattern involved matches every continuation or
none, what it says of one number it says of all that begin so and are as long. That is proven here
for a beginning before it is believed (`_proven`); where it is not proven, every number is asked
for itself. A test compares the two over the world's regions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import cache
from typing import Any, NamedTuple

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata
from phonenumbers.tzdata import TIMEZONE_DATA

from dialer.campaigns.digits import pattern

_DEPTHS = range(4, 8)  # digits after which an area and its exchanges are told apart
_LENGTHS = range(7, 16)
_KNOWN_MAX = 100_000  # beginnings kept in all: some 20 MB
_PATIENCE = 4_000  # proofs that failed, after which a kind of number is not tried any more
_NANP = 1
_KINDS = (
    *("general_desc", "fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost"),
    *("personal_number", "voip", "pager", "uan", "voicemail"),
)
_PUNCTUATION = str.maketrans("", "", " -().\u00a0")


class Verdict(NamedTuple):
    """Of all numbers that begin alike: why they cannot be dialled, or how they are written:
    `+<country><digits from skip on>`, and where they are."""

    fault: str
    country: str = ""
    skip: int = 0
    zones: tuple[str, ...] = ()


class _Kind:
    """Numbers written in one way: the region they are meant in, with a plus or not, so long."""

    __slots__ = ("failed", "known")

    def __init__(self) -> None:
        self.known: dict[str, Verdict | None] = {}  # None: look deeper
        self.failed = 0


class NumberPlan:
    """Remembers verdicts by beginnings. `judge(text, region)` asks the library: the E.164 form and
    the zones, or a `ValueError` with the fault."""

    def __init__(self, judge: Callable[[str, str], tuple[str, tuple[str, ...]]]) -> None:
        self._judge = judge
        self._kinds: dict[tuple[str, bool, int], _Kind] = {}
        self._count = 0

    def find(self, text: str, region: str) -> tuple[Verdict, str] | None:
        """The verdict and the number's digits; None: ask the library itself."""
        plus = text[:1] == "+"
        digits = text.translate(_PUNCTUATION)
        if plus:
            digits = digits[1:]
        if not (digits.isascii() and digits.isdigit()) or len(digits) not in _LENGTHS:
            return None
        key = ("" if plus else region, plus, len(digits))
        kind = self._kinds.get(key)
        if kind is None:
            kind = self._kinds[key] = _Kind()
        known = kind.known
        for depth in _DEPTHS:
            beginning = digits[:depth]
            if beginning in known:
                verdict = known[beginning]
            elif kind.failed < _PATIENCE:
                verdict = self._learn(kind, beginning, digits, region, plus)
            else:
                return None
            if verdict is not None:
                return verdict, digits
        return None

    def _learn(
        self, kind: _Kind, beginning: str, digits: str, region: str, plus: bool
    ) -> Verdict | None:
        if self._count >= _KNOWN_MAX:
            self._kinds.clear()
            self._count = 0
        self._count += 1
        verdict = None
        offsets = _proven(region, beginning, len(digits), plus)
        if offsets is None:
            kind.failed += 1
        else:
            verdict = self._of(digits, region, plus, offsets)
        kind.known[beginning] = verdict
        return verdict

    def _of(self, digits: str, region: str, plus: bool, offsets: _Offsets) -> Verdict | None:
        try:
            e164, zones = self._judge(f"+{digits}" if plus else digits, region)
        except ValueError as error:
            return Verdict(str(error))
        for skip in offsets.at:
            if e164 == f"+{offsets.country}{digits[skip:]}":
                return Verdict("", offsets.country, skip, zones)
        return None  # written in a way that is not foreseen here


class _Offsets(NamedTuple):
    """Where the national number may begin among the digits."""

    country: str
    at: tuple[int, ...]


def _proven(region: str, beginning: str, length: int, plus: bool) -> _Offsets | None:
    """Whether all numbers of this beginning and length are one to the library; then where the
    national number may begin. None: not proven.

    The steps are those of `phonenumbers.parse`, `is_possible_number`, `is_valid_number`,
    `number_type` and `time_zones_for_number` (version 9).
    """
    rest = length - len(beginning)
    home = None
    if plus:
        country = next(
            (beginning[:n] for n in (1, 2, 3) if int(beginning[:n]) in COUNTRY_CODE_TO_REGION_CODE),
            "",
        )
        if not country or beginning.startswith("0"):
            return None
        start = len(country)
    else:
        home = PhoneMetadata.metadata_for_region(region, None)
        if home is None or not _is(False, home.international_prefix, beginning, rest):
            return None
        country, start = str(home.country_code), 0
    stripped_by = {_main(int(country)).national_prefix_for_parsing}
    if home is not None:
        stripped_by.add(home.national_prefix_for_parsing)
    offsets = _begin_at(beginning, rest, start, "" if plus else country, stripped_by - {None, ""})
    if offsets is None:
        return None
    for offset in offsets:
        if int(country) == _NANP and len(beginning) - offset < 3:
            return None  # split area codes have three digits
        part = beginning[offset:]
        if f"{country}{part}" in _zone_branches():
            return None
        for meta in _metadata(int(country), region):
            if not _all_constant(meta, part, rest):
                return None
    return _Offsets(country, tuple(offsets))


def _begin_at(
    beginning: str, rest: int, start: int, country: str, prefixes: Collection[str]
) -> list[int] | None:
    """Every place the library may strip its way to: past the country's code and past prefixes such
    as a 0. None: that depends on further digits."""
    offsets, todo = [start], [start]
    while todo:
        at = todo.pop()
        part = beginning[at:]
        steps = [len(country)] if at == 0 and country and part.startswith(country) else []
        for prefix in prefixes:
            literals = prefix.split("|")
            if all(one.isdigit() for one in literals):
                if any(one.startswith(part) and one != part for one in literals):
                    return None
                steps += [len(one) for one in literals if part.startswith(one)]
            elif not _is(False, prefix, part, rest):
                return None  # one that transforms the number, or takes a carrier's code along
        for step in steps:
            if at + step not in offsets:
                offsets.append(at + step)
                todo.append(at + step)
        if len(offsets) > 4 or max(offsets) >= len(beginning):
            return None
    return offsets


def _is(wanted: bool, text: str | None, beginning: str, rest: int) -> bool:
    """Whether every such number is (or none, as wanted) one that begins by the pattern."""
    if not text:
        return not wanted
    found = pattern(text, anywhere_after=True)
    return found is not None and found.constant(beginning, rest) is wanted


def _all_constant(meta: Any, part: str, rest: int) -> bool:
    if meta.leading_digits:
        leading = pattern(meta.leading_digits, anywhere_after=True)
        if leading is None or leading.constant(part, rest) is None:
            return False
    for text in _patterns(meta.id, meta.country_code):
        found = pattern(text)
        if found is None or found.constant(part, rest) is None:
            return False
    return True


@cache
def _patterns(region: str, country: int) -> tuple[str, ...]:
    meta = PhoneMetadata.metadata_for_region_or_calling_code(country, region)
    texts = (getattr(getattr(meta, kind), "national_number_pattern", None) for kind in _KINDS)
    return tuple(dict.fromkeys(text for text in texts if text))


def _metadata(country: int, region: str) -> Iterator[Any]:
    """Of every region that shares the country's code, and of the one the number is meant in."""
    regions = COUNTRY_CODE_TO_REGION_CODE[country]
    for one in dict.fromkeys((*regions, region)):
        meta = PhoneMetadata.metadata_for_region_or_calling_code(country, one)
        if meta is not None and meta.country_code == country:
            yield meta


@cache
def _main(country: int) -> Any:
    """Of the region that stands for the country's code."""
    region = COUNTRY_CODE_TO_REGION_CODE[country][0]
    return PhoneMetadata.metadata_for_region_or_calling_code(country, region)


@cache
def _zone_branches() -> frozenset[str]:
    """Beginnings after which further digits decide about the time zone."""
    return frozenset(key[:n] for key in TIMEZONE_DATA for n in range(1, len(key)))
