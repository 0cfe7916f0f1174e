"""Values in a request's query: read, bounded, and described for the OpenAPI document."""

from __future__ import annotations

import re
from typing import Any

from dialer.web.problems import ProblemError
from dialer.web.routes import Call


def whole(call: Call, name: str, usual: int, least: int, most: int) -> int:
    """A whole number from the query. Raises a 400 problem."""
    text = call.request.query.get(name)
    if text is None:
        return usual
    if not re.fullmatch(r"[0-9]{1,19}", text) or not least <= int(text) <= most:
        raise ProblemError(
            400, f"{name} is not a whole number from {least} to {most}.", f"Correct {name}."
        )
    return int(text)


def words(call: Call, name: str, most: int = 64) -> str:
    """A text from the query, stripped; empty when it is not there. Raises a 400 problem."""
    text = call.request.query.get(name, "").strip()
    if len(text) > most or not text.isprintable():
        raise ProblemError(400, f"{name} is too long or not printable.", f"Correct {name}.")
    return text


def number_param(name: str, usual: int, least: int, most: int, text: str) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": least, "maximum": most, "default": usual}
    return {"name": name, "in": "query", "required": False, "description": text, "schema": schema}


def text_param(name: str, text: str, most: int = 64, *, required: bool = False) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": required,
        "description": text,
        "schema": {"type": "string", "maxLength": most},
    }
