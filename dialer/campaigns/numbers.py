"""Phone numbers as people write them into lists, made E.164."""

from __future__ import annotations

import re
from typing import NamedTuple

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType, phonenumberutil

from dialer.campaigns.numberplan import NumberPlan
from dialer.campaigns.zones import zones_of_number

NUMBERS_MAX = 10  # of one row; a person with more is a list in a cell
_DIGITS_MAX = 15  # of one number, E.164
_COSTLY = {
    PhoneNumberType.PREMIUM_RATE: "is a premium-rate number",
    PhoneNumberType.SHARED_COST: "is a shared-cost number",
}
_PARSE = {
    NumberParseException.INVALID_COUNTRY_CODE: "has no country that exists",
    NumberParseException.NOT_A_NUMBER: "is not a phone number",
    NumberParseException.TOO_SHORT_AFTER_IDD: "is too short",
    NumberParseException.TOO_SHORT_NSN: "is too short",
    NumberParseException.TOO_LONG: "is too long",
}
# Between two numbers of a cell. A comma or semicolon before a few digits at the end begins an
# extension; a slash may stand within a number (030/2312 5000).
_BETWEEN = re.compile(
    r"\s*(?:[|&\r\n]|;(?!\s*ext=|\s*\d{1,5}\s*\Z)|,+(?!\s*\d{1,5}\s*\Z)|"
    r"\s(?:or|and|oder|und|ou|et|o|y)\s|\s/\s)\s*",
    re.IGNORECASE,
)


# One number and nothing that parts two: the usual case, told without looking for what is not there.
_ALONE = re.compile(r"\+?[0-9][0-9() .-]{2,24}\Z|\(\d{1,5}\)[0-9 .-]{3,20}\Z")
# What a spreadsheet makes of a long number whose column is not text: 4.47E+11.
_SHORTENED = re.compile(r"\d(?:[.,]\d+)?[eE]\+?\d{1,2}\Z")


class NumberError(ValueError):
    """Why a text is no number that can be dialled; the number itself is not in the text."""


class Dialable(NamedTuple):
    """A number that may be dialled. `zones`: every time zone it may be in, sorted; empty when not
    known. `extension` is for the agent: the dialer reaches the main number."""

    e164: str
    extension: str
    zones: tuple[str, ...]


def normalise(text: str, region: str) -> phonenumbers.PhoneNumber:
    """The number a person wrote, without an extension. Raises `NumberError`."""
    number = _checked(text, region)
    if number.extension:
        raise NumberError("has an extension, which cannot be dialled: leave it out")
    return number


def dialable(text: str, region: str) -> Dialable:
    """The number a list holds. Raises `NumberError`."""
    if text.startswith("00"):
        text = f"+{text[2:]}"  # most of the world dials out with 00, and lists cross borders
    found = _PLAN.find(text, region)
    if found is not None:
        verdict, digits = found
        if verdict.fault:
            raise NumberError(verdict.fault)
        return Dialable(f"+{verdict.country}{digits[verdict.skip :]}", "", verdict.zones)
    return judged(text, region)


def judged(text: str, region: str) -> Dialable:
    """As `dialable`, by the library itself. Raises `NumberError`."""
    number = _checked(text, region)
    return Dialable(
        phonenumbers.format_number(number, PhoneNumberFormat.E164),
        number.extension or "",
        tuple(sorted(zones_of_number(number))),
    )


def _checked(text: str, region: str) -> phonenumbers.PhoneNumber:
    if text.startswith("00"):
        text = f"+{text[2:]}"  # most of the world dials out with 00, and lists cross borders
    try:
        number = phonenumbers.parse(text, region)
    except NumberParseException as error:
        raise NumberError(_PARSE.get(error.error_type, "is not a phone number")) from None
    possible = phonenumbers.is_possible_number_with_reason(number)
    if possible == phonenumberutil.ValidationResult.TOO_SHORT:
        raise NumberError("is too short")
    if possible == phonenumberutil.ValidationResult.TOO_LONG:
        raise NumberError("is too long")
    if not phonenumbers.is_valid_number(number):
        raise NumberError("is not a number in use in its country")
    costly = _COSTLY.get(phonenumbers.number_type(number))
    if costly:
        raise NumberError(costly)
    return number


def _judge(text: str, region: str) -> tuple[str, tuple[str, ...]]:
    found = judged(text, region)
    return found.e164, found.zones


_PLAN = NumberPlan(_judge)


def e164(text: str, region: str) -> str:
    """The number of a do-not-call list's line, which may be out of use. Raises `NumberError`."""
    try:
        number = phonenumbers.parse(f"+{text[2:]}" if text.startswith("00") else text, region)
    except NumberParseException as error:
        raise NumberError(_PARSE.get(error.error_type, "is not a phone number")) from None
    if not phonenumbers.is_possible_number(number):
        raise NumberError("is too short or too long")
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def numbers_in(cell: str) -> list[str]:
    """The numbers a cell holds, as they are written. Raises `NumberError` for too many."""
    cell = cell.strip().lstrip("'")  # a spreadsheet's mark for text
    if cell.isdigit() and len(cell) <= _DIGITS_MAX:
        return [cell]
    if _ALONE.match(cell):
        return [cell]
    if _SHORTENED.match(cell):
        raise NumberError(
            "is a spreadsheet's short form that has lost its digits: make the column text there"
        )
    found = [part for part in _BETWEEN.split(cell) if part]
    if len(found) <= NUMBERS_MAX:
        found = [one for part in found for one in _by_slash(part)]
    if len(found) > NUMBERS_MAX:
        raise NumberError(f"holds {len(found)} numbers, {NUMBERS_MAX} at most")
    return found


def _by_slash(part: str) -> list[str]:
    """Two whole numbers with only a slash between them."""
    if "/" not in part or sum(map(str.isdigit, part)) <= _DIGITS_MAX:
        return [part]
    return [one.strip() for one in part.split("/") if one.strip()]
