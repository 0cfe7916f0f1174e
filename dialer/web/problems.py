"""Errors as RFC 9457 problem documents, each with a mend, none with the value that was sent."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ValidationError


class FieldError(BaseModel):
    field: str
    message: str


class Problem(BaseModel):
    """RFC 9457, with `mend`: what to do about it."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    mend: str = ""
    errors: list[FieldError] = []


class ProblemError(Exception):
    """Ends a request with a problem document."""

    def __init__(
        self,
        status: int,
        detail: str,
        mend: str = "",
        errors: list[FieldError] | None = None,
    ) -> None:
        super().__init__(detail)
        self.problem = Problem(
            title=HTTPStatus(status).phrase,
            status=status,
            detail=detail,
            mend=mend,
            errors=errors or [],
        )


def answer(problem: Problem, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        status=problem.status,
        body=problem.model_dump_json().encode(),
        content_type="application/problem+json",
        headers=headers,
    )


def invalid(error: ValidationError, skip: int = 0) -> ProblemError:
    """What is wrong with which field. The values stay out: they may be personal data. `skip`
    leaves out leading parts of a field's path (the tag of a union)."""
    details: list[Any] = error.errors(include_input=False, include_context=False, include_url=False)
    if any(detail["type"] == "json_invalid" for detail in details):
        return ProblemError(400, "This is not JSON.", "Send one JSON object in UTF-8.")
    errors = [
        FieldError(field=_field(detail["loc"][skip:]), message=_message(detail))
        for detail in details[:20]
    ]
    return ProblemError(
        400,
        "Some fields are missing or wrong.",
        "Correct the fields named in errors; /v1/openapi.json describes them.",
        errors,
    )


def _field(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part)[:60] for part in loc) or "body"


def _message(detail: dict[str, Any]) -> str:
    # A validator's own ValueError is our text; pydantic's texts carry limits, never the input.
    return str(detail["msg"]).removeprefix("Value error, ")
