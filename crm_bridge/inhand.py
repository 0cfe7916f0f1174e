"""What a lane has in hand: messages in chains, one chain for each key, and what came of them.

A chain is worked on in order and by one worker at a time. When its head fails, the rest goes back
with it and nothing is added any more. The last of a chain is remembered until it is written down,
so that nobody takes a key for free while its end is known to memory only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from crm_bridge.outbox import Due, Failed


@dataclass(slots=True)
class Chain:
    key: str
    tail: int  # last seq that was added
    rows: deque[Due] = field(default_factory=deque)
    retry_at: float | None = None  # set when its head failed: nothing may be added any more


@dataclass(slots=True)
class Results:
    """What is to be written down, by `seq`."""

    delivered: dict[int, tuple[Due, int]] = field(default_factory=dict)  # with the HTTP status
    failed: dict[int, Failed] = field(default_factory=dict)
    given_back: dict[int, tuple[Due, float]] = field(default_factory=dict)  # when it comes due

    def __len__(self) -> int:
        return len(self.delivered) + len(self.failed) + len(self.given_back)

    def seqs(self) -> set[int]:
        return {*self.delivered, *self.failed, *self.given_back}

    def followed_by(self, then: Results) -> Results:
        return Results(
            {**self.delivered, **then.delivered},
            {**self.failed, **then.failed},
            {**self.given_back, **then.given_back},
        )


class InHand:
    """Times are UTC seconds."""

    def __init__(self) -> None:
        self.held: dict[int, Due] = {}  # in hand and not yet written down
        self.unwritten: set[int] = set()  # of these, the fresh ones, which stand in no queue
        self.ready: deque[Chain] = deque()  # with something to do, and nobody at work
        self.results = Results()
        self._chains: dict[str, Chain] = {}
        self._routing = False

    # --- taking ---------------------------------------------------------------------------------

    def begin_routing(self) -> None:
        """Until `end_routing` no chain is forgotten: what the router reads in the database now
        and what memory says later are then never both silent about a message."""
        self._routing = True

    def end_routing(self) -> None:
        self._routing = False
        self._prune()

    def fits(self, key: str, pending: int | None) -> bool:
        """Whether a fresh message may follow what is known of its key; `pending` is the last of
        the key in the queue."""
        chain = self._chains.get(key)
        return pending is None or (chain is not None and chain.tail >= pending)

    def take_fresh(self, messages: Iterable[Due], queued: Collection[int]) -> bool:
        """Take what `fits`; `queued` are those that stand in the queue too. Whether all of it
        can be sent: a chain may have broken since it was asked."""
        whole = True
        for due in messages:
            if due.seq not in queued:
                self.unwritten.add(due.seq)
            whole &= self._take(due)
        return whole

    def take_claimed(self, leased: Iterable[Due]) -> bool:
        """Take what was claimed from the queue by the `tails` of just before. Whether all of it
        can be sent."""
        whole = True
        for due in leased:
            if due.seq not in self.held:  # else somebody put it down when he had our turn
                whole &= self._take(due)
        return whole

    def _take(self, due: Due) -> bool:
        """Whether it can be sent; when its chain broke meanwhile it goes back with the rest."""
        chain = self._chains.get(due.key)
        if chain is None:
            chain = self._chains[due.key] = Chain(due.key, due.seq)
        chain.tail = due.seq
        self.held[due.seq] = due
        if chain.retry_at is not None:
            self.results.given_back[due.seq] = (due, chain.retry_at)
            return False
        chain.rows.append(due)
        if len(chain.rows) == 1:  # what is being sent is a row still: nobody is at work
            self.ready.append(chain)
        return True

    def tails(self) -> dict[str, int]:
        """The last message of each chain that may grow."""
        return {key: chain.tail for key, chain in self._chains.items() if chain.retry_at is None}

    # --- giving back and writing down -----------------------------------------------------------

    def break_off(self, chain: Chain, retry_at: float) -> None:
        """What is left of a chain goes to the queue, due at `retry_at`."""
        chain.retry_at = retry_at
        for due in chain.rows:
            self.results.given_back[due.seq] = (due, retry_at)
        chain.rows.clear()

    def take_results(self) -> Results:
        results, self.results = self.results, Results()
        return results

    def put_results_back(self, results: Results) -> None:
        """They could not be written down."""
        self.results = results.followed_by(self.results)

    def unwritten_of(self, keys: Collection[str]) -> list[Due]:
        """The messages of these keys that are in memory only."""
        if not keys:
            return []
        return [self.held[seq] for seq in self.unwritten if self.held[seq].key in keys]

    def queued(self, seqs: Iterable[int]) -> list[int]:
        """These stand in the queue now; those of them that did not before."""
        news = [seq for seq in seqs if seq in self.unwritten]
        self.unwritten.difference_update(news)
        return news

    def forget(self, written: Iterable[int]) -> None:
        """What is written down is out of our hands, and so are the chains that ended with it."""
        for seq in written:
            self.held.pop(seq, None)
        if not self._routing:
            self._prune()

    def _prune(self) -> None:
        for key in [
            key
            for key, chain in self._chains.items()
            if not chain.rows and chain.tail not in self.held
        ]:
            del self._chains[key]
