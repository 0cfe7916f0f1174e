"""Finds the lead of a call somebody asked for, in the store. Implements `HandCalls`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from dialer.campaigns.model import CampaignFile
from dialer.campaigns.numbers import NumberError, dialable
from dialer.clock import outside_work
from dialer.core.events import Lead
from dialer.core.modes import Mode
from dialer.server.face import Refused
from dialer.server.hand import Wanted
from dialer.store.byhand import find, make
from dialer.store.sitekey import erased_among
from dialer.store.store import Store


class StoreHandCalls:
    """`order` is held by whoever claims or changes leads until the core has heard of it."""

    def __init__(
        self, store: Store, campaigns: Mapping[str, CampaignFile], order: asyncio.Lock
    ) -> None:
        self._store = store
        self._campaigns = campaigns
        self._order = order

    async def lead_for(self, wanted: Wanted) -> Lead:
        campaign = self._campaigns[wanted.campaign]
        number, zones = "", ""
        if wanted.phone:
            with outside_work():
                number, zones = await asyncio.to_thread(
                    _read, wanted.phone, campaign.default_region
                )
        async with self._order:
            lead = await self._store.database.read(
                lambda c: find(
                    c,
                    self._store.context,
                    wanted.campaign,
                    wanted.lead_id,
                    wanted.external_id,
                    number,
                )
            )
            named = bool(wanted.lead_id or wanted.external_id)
            if lead is None and named:
                raise Refused("There is no such lead.", 404, "Look it up again.")
            if lead is None:
                if await self._store.database.read(partial(erased_among, numbers=[number])):
                    raise Refused("The number may not be called.", 409, "Leave it.")
                now = self._store.clock.utc()
                lead = await self._store.database.write(
                    lambda c: make(c, self._store.context, wanted.campaign, number, zones, now)
                )
        if not lead.phone:
            raise Refused("The lead has no number.", 409, "Give one.")
        return replace(lead, mode=Mode.MANUAL)


def _read(text: str, region: str) -> tuple[str, str]:
    try:
        found = dialable(text.strip(), region)
    except NumberError as error:
        raise Refused(f"The number {error}.", 400, "Correct it.") from None
    if found.extension:
        raise Refused("The number has an extension.", 400, "Call it without.")
    return found.e164, " ".join(found.zones)
