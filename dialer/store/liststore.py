"""Lists in the database: brought in, shown, undone. What `Store.lists` is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dialer.clock import Clock
from dialer.store import batches, imports, settling
from dialer.store.batches import Batch, Undone
from dialer.store.context import Context, KnownCampaign
from dialer.store.database import Database
from dialer.store.policy import Policy
from dialer.store.preview import Verdict, preview
from dialer.store.schema import campaigns
from dialer.store.scratch import Scratch
from dialer.store.settling import Settled
from dialer.store.staged import Again, Duplicate, StagedLead

Progress = Callable[[int], None]  # of leads


def _nothing(_: int) -> None:
    pass


class Incoming:
    """One list on its way in, from `ListStore.begin` or, for a dry run, `ListStore.rehearse`."""

    def __init__(self, campaign: str, list_id: int | None, again: Again) -> None:
        self.campaign = campaign
        self.list_id = list_id  # None: a dry run
        self.again = again
        self.scratch = Scratch()
        self.chunks = 0
        self.stranger = False  # the campaign is known for this dry run only


class ListStore:
    def __init__(self, database: Database, context: Context, clock: Clock) -> None:
        self._database, self._context, self._clock = database, context, clock

    # --- in -------------------------------------------------------------------------------------

    async def begin(
        self, campaign: str, name: str, source: str, again: Again | None = None
    ) -> Incoming:
        """Open an import for a campaign that was added; end it by `finish` or `drop`."""
        await self.finish_pending()
        work = partial(
            imports.begin_import,
            context=self._context,
            campaign=campaign,
            name=name,
            source=source,
            now=self._clock.utc(),
        )
        return Incoming(campaign, await self._database.write(work), again or Again())

    async def rehearse(self, policy: Policy, again: Again | None = None) -> Incoming:
        """Open a dry run, also for a campaign that is not in the database; end it by `drop`."""
        incoming = Incoming(policy.name, None, again or Again())
        if policy.name not in self._context.campaigns:
            incoming.stranger = True
            row = await self._database.read(
                lambda c: c.execute(
                    sa.select(campaigns.c.id, campaigns.c.started_ms).where(
                        campaigns.c.name == policy.name
                    )
                ).first()
            )
            known = KnownCampaign(0, policy, False)
            if row is not None:
                known = KnownCampaign(row.id, policy, row.started_ms is not None)
            self._context.campaigns[policy.name] = known
        return incoming

    async def stage(self, incoming: Incoming, staged: Sequence[StagedLead]) -> list[Duplicate]:
        """Put checked rows aside; what is there already is left out and told."""
        _, told = await self._sorted(incoming, staged)
        return told

    async def try_out(
        self, incoming: Incoming, staged: Sequence[StagedLead]
    ) -> tuple[list[Duplicate], Counter[Verdict]]:
        """As `stage` would say it, and what the gate says of calling the rows now."""
        fresh, told = await self._sorted(incoming, staged)
        new = [lead for lead, update in fresh if not update]
        verdicts = await self._database.read(
            partial(
                preview,
                context=self._context,
                campaign=incoming.campaign,
                staged=new,
                now=self._clock.utc(),
            )
        )
        return told, verdicts

    async def _sorted(
        self, incoming: Incoming, staged: Sequence[StagedLead]
    ) -> tuple[list[tuple[StagedLead, bool]], list[Duplicate]]:
        def sort(
            connection: Connection,
        ) -> tuple[list[tuple[StagedLead, bool]], list[Duplicate], bytes]:
            fresh, told = imports.sort_out(
                connection,
                self._context,
                incoming.campaign,
                staged,
                incoming.scratch,
                incoming.again,
            )
            keep = fresh and incoming.list_id is not None
            return fresh, told, imports.pack(fresh) if keep else b""

        fresh, told, body = await self._database.read(sort)
        if body and (list_id := incoming.list_id) is not None:
            seq = incoming.chunks
            await self._database.write(
                partial(imports.put_aside, list_id=list_id, seq=seq, body=body)
            )
            incoming.chunks += 1
        return fresh, told

    async def finish(
        self,
        incoming: Incoming,
        rejected: int,
        who: str = "",
        detail: Mapping[str, Any] | None = None,
        progress: Progress = _nothing,
    ) -> Settled:
        """Commit the list as a whole, and make it leads piece by piece."""
        list_id = incoming.list_id
        assert list_id is not None, "a dry run is not finished"
        incoming.scratch.close()
        await self._database.write(
            partial(
                settling.commit_import,
                list_id=list_id,
                rejected=rejected,
                who=who,
                detail=detail or {},
                now=self._clock.utc(),
            )
        )
        return await self._settle(incoming.campaign, list_id, who, progress)

    async def _settle(
        self, campaign: str, list_id: int, who: str, progress: Progress = _nothing
    ) -> Settled:
        done = Settled()
        while True:
            step = await self._database.write(
                partial(
                    settling.settle_next,
                    context=self._context,
                    list_id=list_id,
                    now=self._clock.utc(),
                )
            )
            if step is None:
                break
            done.add(step)
            progress(done.made + done.updated)
        done.made = await self._database.write(
            partial(
                settling.close_import,
                context=self._context,
                campaign=campaign,
                list_id=list_id,
                who=who,
                done=done,
                now=self._clock.utc(),
            )
        )
        return done

    async def drop(self, incoming: Incoming) -> None:
        """Forget an import that is not to be finished."""
        incoming.scratch.close()
        if incoming.stranger:
            self._context.campaigns.pop(incoming.campaign, None)
        if (list_id := incoming.list_id) is not None:
            await self._database.write(partial(imports.drop_import, list_id=list_id))

    async def finish_pending(self) -> int:
        """Go on with lists whose making was broken off, of campaigns that were added: their rules
        say where a new lead begins. How many there were."""
        found = [
            (list_id, campaign)
            for list_id, campaign in await self._database.read(settling.pending)
            if campaign in self._context.campaigns
        ]
        for list_id, campaign in found:
            await self._settle(campaign, list_id, "after a break")
        return len(found)

    # --- batches --------------------------------------------------------------------------------

    async def batches(self, campaign: str = "") -> list[Batch]:
        return await self._database.read(partial(batches.batches, campaign=campaign))

    async def batch(self, list_id: int) -> Batch:
        """Raises `NoSuchBatch`."""
        return await self._database.read(partial(batches.batch, list_id=list_id))

    async def undo(
        self,
        list_id: int,
        who: str,
        *,
        undialled_only: bool = False,
        progress: Progress = _nothing,
    ) -> Undone:
        """Take a batch's leads out again while none of them was called.

        `undialled_only`: also when some were; these stay. Raises `NoSuchBatch` and `NotUndone`.
        """
        await self._database.read(
            partial(batches.may_be_undone, list_id=list_id, undialled_only=undialled_only)
        )
        done = Undone()
        after: int | None = -1
        while after is not None:
            before = (done.taken_out, done.kept)
            try:
                after = await self._database.write(
                    partial(batches.undo_next, list_id=list_id, after_line=after, done=done)
                )
            except sa.exc.DBAPIError:
                done.taken_out, done.kept = before
                raise
            progress(done.taken_out)
        await self._database.write(
            partial(batches.tell_undone, list_id=list_id, who=who, done=done, now=self._clock.utc())
        )
        return done

    # --- mappings -------------------------------------------------------------------------------

    async def mapping(self, source: str) -> dict[str, str] | None:
        return await self._database.read(partial(batches.saved_mapping, source=source))

    async def save_mapping(self, source: str, mapping: Mapping[str, str]) -> None:
        await self._database.write(
            partial(
                batches.save_mapping,
                context=self._context,
                source=source,
                mapping=mapping,
                now=self._clock.utc(),
            )
        )
