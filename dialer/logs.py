"""Structured logs that cannot say who was called.

    configure("json")                       # once, at the start of a program
    log = structlog.get_logger(__name__)
    log.info("attempt refused", attempt=attempt, **{"pii.phone": phone})

The message is a static text; what varies is a key. Personal data stands under a key that begins
with `pii.` and comes out as "[hidden]" unless the site allowed it. Because people forget, four
guards stand behind that rule: keys that name a person or a number are treated as if they began
with `pii.`; anything that reads like a telephone number is masked wherever it stands; objects come
out as their type only, since a repr may hold a whole lead; and of an exception only types and
places are written, since texts of foreign exceptions quote what they choked on. Records of foreign
libraries keep their template and lose its arguments.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TextIO

import structlog

HIDDEN = "[hidden]"
_NUMBER = "[number]"
_TEXT_MAX = 2000  # signs of one value; a log is no archive
_DEPTH_MAX = 4
_ITEMS_MAX = 50
_FRAMES_MAX = 12

# Keys that hold a person or a number however innocently they are used.
_PERSONAL = frozenset(
    [
        *("phone", "phones", "number", "numbers", "msisdn", "caller", "callerid", "caller_id"),
        *("calleridnum", "calleridname", "connectedlinenum", "connectedlinename", "exten"),
        *("extension", "dialstring", "dial_string", "channel_name", "name", "customer", "lead"),
        *("card", "fields", "note", "notes", "email", "address", "dob"),
        *("password", "token", "secret"),
    ]
)
# Our own keys whose large integers are counts.
_COUNTS = ("_total", "_bytes", "_count", "_ns", "_us", "_ms")

# Seven digits or more, with whatever people put between them. Our leg ids, dates and IPv4
# addresses are let through: they are the handles by which a log is read.
_HANDLE = r"\bod-[0-9a-z]+-[ac]\d+\b|\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d[\d:.]*)?(?!\d)"
_HANDLE += r"|(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])"
_DIGITS = r"\+?\(?\d(?:[\s()./\u2010-\u2015\u200b-]{0,3}\d){6,}"
_READS_LIKE_NUMBER = re.compile(f"({_HANDLE})|{_DIGITS}")

Event = MutableMapping[str, Any]


def configure(
    form: Literal["json", "console"] = "json",
    level: str = "INFO",
    allow_personal: bool = False,
    stream: TextIO | None = None,
) -> None:
    """Set up structlog and the standard logging, both to `stream` (standard error).

    `allow_personal` writes what the rule above would hide: for a test bench, never for a floor.
    """
    stream = stream or sys.stderr
    guard = _allow if allow_personal else hide_personal
    before: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        describe_exception,
        guard,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=stream.isatty())
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_foreign(allow_personal), *before],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            use_get_message=False,
            pass_foreign_args=True,
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # its complaint about a bad record quotes the record


# --- guards -------------------------------------------------------------------------------------


def hide_personal(logger: Any, method: str, event: Event) -> Event:
    """The processor that lets nothing personal by."""
    return {key: _guarded(key, value, 0) for key, value in event.items()}


def _allow(logger: Any, method: str, event: Event) -> Event:
    return event


def _guarded(key: str, value: Any, depth: int) -> Any:
    lower = key.lower()
    if lower.startswith("pii.") or lower in _PERSONAL:
        return HIDDEN
    if key.startswith("_"):  # structlog's own
        return value
    return _plain(value, depth, lower.endswith(_COUNTS))


def _plain(value: Any, depth: int, count: bool = False) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return mask_numbers(value[:_TEXT_MAX])
    if isinstance(value, int | float):
        return value if count or abs(value) < 1_000_000 else _NUMBER
    if depth < _DEPTH_MAX:
        if isinstance(value, Mapping):
            pairs = list(value.items())[:_ITEMS_MAX]
            return {
                mask_numbers(str(key)): _guarded(str(key), item, depth + 1) for key, item in pairs
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [_plain(item, depth + 1, count) for item in list(value)[:_ITEMS_MAX]]
    return f"<{type(value).__name__}>"


def mask_numbers(text: str) -> str:
    """`text` with everything that reads like a telephone number replaced."""
    return _READS_LIKE_NUMBER.sub(lambda match: match[1] or _NUMBER, text)


# --- exceptions ---------------------------------------------------------------------------------


def describe_exception(logger: Any, method: str, event: Event) -> Event:
    """`exc_info` becomes `raised`: types and places, outermost cause last, no texts."""
    given = event.pop("exc_info", None)
    if not given:
        return event
    error = sys.exc_info()[1] if given is True else given
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event["raised"] = describe(error)
    return event


def describe(error: BaseException) -> list[str]:
    """Of each exception in the chain its type, and where it came from; of an operating system's
    error also what the system called it."""
    lines: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(lines) < _DEPTH_MAX:
        what = type(seen).__qualname__
        if isinstance(seen, OSError) and seen.strerror:
            what += f" ({seen.strerror})"
        lines.append(what + " at " + _places(seen.__traceback__))
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return lines


def _places(trace: TracebackType | None) -> str:
    frames = traceback.extract_tb(trace)[-_FRAMES_MAX:]
    return " < ".join(
        f"{'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno} {frame.name}"
        for frame in reversed(frames)
    )


# --- foreign libraries --------------------------------------------------------------------------


def _foreign(allow_personal: bool) -> Any:
    def processor(logger: Any, method: str, event: Event) -> Event:
        record: logging.LogRecord = event["_record"]
        event["place"] = f"{record.module}:{record.lineno} {record.funcName}"
        arguments = event.pop("positional_args", ())
        template = str(event["event"])
        if allow_personal:
            event["event"] = template % arguments if arguments else template
        elif not arguments:
            # With arguments the template is static text. Without, it may be a ready sentence
            # that quotes data; nobody can tell, so it stays in.
            event["event"] = "text withheld, see place"
        return event

    return processor
