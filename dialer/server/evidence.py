"""Archives of evidence for those who ask over HTTP: audited, one at a time, gone when sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from dialer.evidence.apart import Order, export_apart
from dialer.server.face import Refused
from dialer.server.supervision import Audit
from dialer.store.evidence import Period
from yamlmarks import FileError


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """`manifest` is the SHA-256 of the archive's manifest."""

    path: Path
    manifest: str


class EvidenceDesk:
    """Writes archives of the campaigns it knows."""

    def __init__(self, database: str, zone: str, campaigns: frozenset[str], audit: Audit) -> None:
        self._database, self._zone = database, zone
        self._campaigns, self._audit = campaigns, audit
        self._one = asyncio.Lock()

    @asynccontextmanager
    async def archive(
        self, campaign: str, since: datetime | None, until: datetime | None, who: str
    ) -> AsyncIterator[EvidenceFile]:
        """The archive, there while the context lasts. On record before anybody has a byte of it.

        Raises `Refused`: 404 for a campaign nobody knows, 409 while another one is written, 503
        when it cannot be written.
        """
        if campaign not in self._campaigns:
            raise Refused("There is no such campaign.", 404, "See GET /v1/campaigns.")
        if self._one.locked():
            raise Refused("Another archive is being written.", 409, "Try again in a minute.")
        async with self._one:
            with TemporaryDirectory(prefix="overdial-evidence-") as folder:
                path = Path(folder) / "evidence.zip"
                order = Order(self._database, campaign, path, Period(since, until), self._zone, who)
                try:
                    manifest = await export_apart(order)
                except FileError as error:
                    raise Refused("The archive could not be written.", 503, str(error)) from None
                detail = {
                    "since": since and since.isoformat(),
                    "until": until and until.isoformat(),
                    "manifest": manifest,
                }
                await self._audit.audit(who, "evidence.exported", campaign, detail)
                yield EvidenceFile(path, manifest)
