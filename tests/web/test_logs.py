"""Nothing personal gets out of the log, however it is put in."""

from __future__ import annotations

import ast
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from dialer import logs
from dialer.core.events import Lead

PHONE = "+4930901820"
NAME = "Erika Mustermann"
LEAD = Lead(1, "spring", PHONE, 7, 1, "ACC-1", NAME, {"balance": "482.10", "city": "Potsdam"})
ROOT = Path(__file__).parents[2]


@pytest.fixture
def written() -> Iterator[Callable[[], str]]:
    """What was written to the log, as text; JSON, everything on."""
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    logs.configure("json", "DEBUG", stream=stream)
    yield stream.getvalue
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def _raise(error: Exception, cause: Exception | None = None) -> None:
    raise error from cause


def _chained(log: Any) -> None:
    try:
        try:
            _raise(KeyError(PHONE))
        except KeyError as error:
            _raise(ValueError(f"no such lead: {NAME}"), error)
    except ValueError:
        log.exception("import failed")


class Quoting:
    def __repr__(self) -> str:
        return f"{NAME} {PHONE}"

    __str__ = __repr__


WAYS_OUT: dict[str, Callable[[Any], None]] = {
    "under pii": lambda log: log.info("call", **{"pii.phone": PHONE, "pii.name": NAME}),
    "deep under pii": lambda log: log.info("call", data={"pii.who": {"a": [NAME, PHONE]}}),
    "under a personal key": lambda log: log.info("call", phone=PHONE, Name=NAME, note=NAME),
    "a personal key deep inside": lambda log: log.info("call", a={"b": {"CallerID": NAME}}),
    "a number under another key": lambda log: log.info("call", channel=f"PJSIP/{PHONE}@trunk"),
    "a number in the message": lambda log: log.info(f"calling {PHONE}"),
    "a number in a list": lambda log: log.info("call", tried=[PHONE, ("x", PHONE)]),
    "a number as integer": lambda log: log.info("call", dialled=4930901820),
    "a number as float": lambda log: log.info("call", dialled=4930901820.0),
    "a number as a key": lambda log: log.info("call", by={PHONE: 3}),
    "a lead": lambda log: log.info("call", what=LEAD, more=[LEAD]),
    "an object that quotes": lambda log: log.info("call", what=Quoting()),
    "an exception and its cause": _chained,
    "an exception as value": lambda log: log.info("call", error=ValueError(NAME)),
    "an exception passed on": lambda log: log.error("call", exc_info=ValueError(f"{NAME} {PHONE}")),
    "bytes": lambda log: log.info("call", raw=f"{NAME} {PHONE}".encode()),
    "bound earlier": lambda log: log.bind(phone=PHONE, who=LEAD).warning("call"),
    "a foreign library's arguments": lambda log: logging.getLogger("lib").error(
        "dialling %s for %s", PHONE, NAME
    ),
    "a foreign library's mapping": lambda log: logging.getLogger("lib").error(
        "dialling %(a)s", {"a": NAME}
    ),
    "a foreign library's sentence": lambda log: logging.getLogger("lib").error(f"call {NAME}"),
    "a foreign library's object": lambda log: logging.getLogger("lib").error(Quoting()),
    "a foreign library's exception": lambda log: logging.getLogger("lib").error(
        "bad", exc_info=ValueError(f"{NAME} {PHONE}")
    ),
    "a foreign library's extra": lambda log: logging.getLogger("lib").error(
        "bad", extra={"lead": LEAD}
    ),
    "a warning": lambda log: warnings.warn(f"{NAME} {PHONE}", stacklevel=1),
}


@pytest.mark.parametrize("way", WAYS_OUT)
def test_neither_numbers_nor_names_get_out(way: str, written: Callable[[], str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        WAYS_OUT[way](structlog.get_logger("dialer.test"))
    text = written()
    assert text, "nothing was written at all"
    for secret in (PHONE, PHONE[1:], "4930901820", "Erika", "Mustermann", "482.10", "Potsdam"):
        assert secret not in text, text
    for line in text.splitlines():
        assert json.loads(line)["level"]


@given(
    st.lists(st.integers(0, 9), min_size=7, max_size=15),
    st.lists(st.sampled_from(["", " ", "-", ".", "/", " / ", ") ", "–", "\u00a0"]), min_size=15),
    st.sampled_from(["", "+", "00", "(0", "+("]),
    st.sampled_from(["", "call ", "tel:", "PJSIP/", "x", "lead="]),
    st.sampled_from(["", "@trunk", " now", "-00000001", "x", '"']),
)
def test_no_writing_of_a_number_survives(
    digits: list[int], between: list[str], prefix: str, before: str, after: str
) -> None:
    number = "".join(f"{d}{gap}" for d, gap in zip(digits, between, strict=False)).rstrip(" -./–)")
    handle = logs._READS_LIKE_NUMBER.fullmatch(prefix + number)
    if handle is not None and handle[1]:
        return  # it is written exactly as a date or an IPv4 address
    kept = [c for c in logs.mask_numbers(before + prefix + number + after) if c.isdigit()]
    dates = logs._READS_LIKE_NUMBER.findall(before + prefix + number + after)
    assert len(kept) < 7 or any(dates), kept


def test_handles_to_read_a_log_by_stay(written: Callable[[], str]) -> None:
    structlog.get_logger("dialer.test").info(
        "attempt closed",
        attempt="od-b3f1c2a-c12345678",
        peer="192.168.100.200",
        day="2026-11-21",
        at="2026-11-21T10:00:00.123456",
        waited_s=0.31,
        lead_id=41,
        read_total=12_345_678,
        ok=True,
        cause=None,
    )
    line = json.loads(written())
    assert line["event"] == "attempt closed"
    assert line["attempt"] == "od-b3f1c2a-c12345678"
    assert line["peer"] == "192.168.100.200"
    assert line["day"] == "2026-11-21"
    assert line["at"] == "2026-11-21T10:00:00.123456"
    assert (line["waited_s"], line["lead_id"], line["read_total"]) == (0.31, 41, 12_345_678)
    assert (line["ok"], line["cause"]) == (True, None)


def test_an_exception_says_where_and_an_os_error_why(written: Callable[[], str]) -> None:
    try:
        Path("/nowhere/at/all").read_text()
    except OSError:
        structlog.get_logger("dialer.test").exception("cannot read the campaign")
    (line,) = written().splitlines()
    (told,) = json.loads(line)["raised"]
    assert told.startswith("FileNotFoundError (No such file or directory) at ")
    assert "test_logs.py" in told


def test_a_foreign_record_keeps_its_template_and_place(written: Callable[[], str]) -> None:
    logging.getLogger("lib").warning("link %s went away", NAME)
    line = json.loads(written())
    assert line["event"] == "link %s went away"
    assert line["logger"] == "lib"
    assert line["place"].startswith("test_logs:")


def test_a_site_may_allow_personal_data() -> None:
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        logs.configure("json", "INFO", allow_personal=True, stream=stream)
        structlog.get_logger("dialer.test").info("call", **{"pii.phone": PHONE})
        logging.getLogger("lib").error("for %s", NAME)
    finally:
        structlog.reset_defaults()
        logging.captureWarnings(False)
        root.handlers[:] = handlers
        root.setLevel(level)
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert first["pii.phone"] == PHONE
    assert second["event"] == f"for {NAME}"


def test_the_console_form_hides_as_well() -> None:
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        logs.configure("console", "INFO", stream=stream)
        _chained(structlog.get_logger("dialer.test"))
        structlog.get_logger("dialer.test").info("call", **{"pii.phone": PHONE}, who=LEAD)
    finally:
        structlog.reset_defaults()
        logging.captureWarnings(False)
        root.handlers[:] = handlers
        root.setLevel(level)
    assert "import failed" in stream.getvalue()
    assert PHONE not in stream.getvalue()
    assert NAME not in stream.getvalue()


# --- the rule, checked where the log is written ---------------------------------------------------

_LEVELS = {"debug", "info", "warning", "error", "critical", "exception", "log"}


def _log_calls(source: str) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
            if node.func.attr in _LEVELS and name in {"log", "_log", "logger", "_logger"}:
                yield node


def _wrongs(source: str) -> list[str]:
    found = []
    for call in _log_calls(source):
        if not (call.args and isinstance(call.args[0], ast.Constant)):
            found.append(f"line {call.lineno}: the message is not a static text")
        for keyword in call.keywords:
            if keyword.arg in logs._PERSONAL:
                found.append(f"line {call.lineno}: {keyword.arg}= belongs under 'pii.'")
    return found


def test_messages_are_static_and_personal_keys_are_marked() -> None:
    wrongs = {
        str(path.relative_to(ROOT)): found
        for package in ("dialer", "crm_bridge", "simulator")
        for path in (ROOT / package).rglob("*.py")
        if (found := _wrongs(path.read_text(encoding="utf-8")))
    }
    assert not wrongs


def test_the_check_itself_finds_what_it_is_for() -> None:
    assert _wrongs("log.info(f'call {x}')")
    assert _wrongs("self._log.error('x' + y)")
    assert _wrongs("log.info('x', phone=p)")
    assert not _wrongs("log.info('x', **{'pii.phone': p}, attempt=a)")
