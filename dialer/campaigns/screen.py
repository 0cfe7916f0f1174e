"""What a campaign's file says of the agent's screen: secrets, verification, script, pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from dialer.campaigns.units import Name, Part


class Identifier(Part):
    """A field of the list that the person on the line must know. It is never shown."""

    field: Name
    label: str = Field(default="", max_length=60)


class VerifyPart(Part):
    """The right party is verified when `need` of the identifiers match."""

    identifiers: tuple[Identifier, ...] = Field(default=(), max_length=10)
    need: Annotated[int, Field(ge=1, le=10)] = 2

    @model_validator(mode="after")
    def _enough(self) -> VerifyPart:
        if self.identifiers and self.need > len(self.identifiers):
            raise ValueError("need is more than there are identifiers: lower it, or add some")
        return self


class ScreenPart(Part):
    """`masked` fields have no value on an agent's screen until the right party is verified. Paths
    are relative to the campaign's file."""

    masked: tuple[Name, ...] = ()
    verify: VerifyPart = VerifyPart()
    script: Path | None = None  # Markdown: a step for each heading of the second level
    knowledge: Path | None = None  # a folder of Markdown pages

    @model_validator(mode="after")
    def _can_be_seen(self) -> ScreenPart:
        if self.masked and not self.verify.identifiers:
            raise ValueError(
                "masked fields can never be seen without verify: identifiers: name some"
            )
        return self
