"""Any interleaving of appends, routings, claims, answers, crashes and time keeps the two promises:
every event is delivered at least once (or is a dead letter), and none is overtaken within its key.

The outbox is driven directly, against a model that only knows what was appended.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy.ext.asyncio import AsyncConnection

from crm_bridge import outbox, tables
from crm_bridge.events import Event, event_id

T0 = datetime(2026, 3, 2, tzinfo=UTC)


class Synchronous:
    """The little of an AsyncConnection that the outbox uses, over a synchronous one in memory."""

    def __init__(self) -> None:
        self.engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)
        self.connection = self.engine.connect()
        tables.metadata.create_all(self.connection)

    def run(self, work: object) -> object:
        """Run a coroutine that never really waits."""
        try:
            work.send(None)  # type: ignore[attr-defined]
        except StopIteration as done:
            return done.value
        raise AssertionError("it waited for something")

    @property
    def dialect(self) -> sa.Dialect:
        return self.connection.dialect

    async def execute(self, *args: object) -> object:
        return self.connection.execute(*args)  # type: ignore[call-overload]

    async def scalar(self, *args: object) -> object:
        return self.connection.scalar(*args)  # type: ignore[call-overload]

    async def run_sync(self, work: object, *args: object) -> object:
        return work(self.connection, *args)  # type: ignore[operator]


class Dispatchers(RuleBasedStateMachine):
    """Two dispatchers, "a" and "b", on one endpoint."""

    @initialize()
    def begin(self) -> None:
        self.db = Synchronous()
        self.now = T0.timestamp()
        self.appended: list[str] = []  # the key of each seq, from 1
        self.hands: dict[str, list[outbox.Due]] = {"a": [], "b": []}
        self.arrived: dict[str, list[int]] = defaultdict(list)
        self.dead: set[int] = set()

    def connection(self) -> AsyncConnection:
        return self.db  # type: ignore[return-value]

    @rule(keys=st.lists(st.sampled_from("xyz"), min_size=1, max_size=5))
    def append(self, keys: list[str]) -> None:
        happened = []
        for key in keys:
            self.appended.append(key)
            n = len(self.appended)
            happened.append(
                Event(event_id(n), "dnc.added", T0 + timedelta(seconds=n), key, {"n": n})
            )
        self.db.run(outbox.append(self.connection(), happened))

    @rule(limit=st.integers(1, 4))
    def route(self, limit: int) -> None:
        self.db.run(outbox.route(self.connection(), lambda _: ["crm"], self.now, limit=limit))

    @rule(who=st.sampled_from("ab"), limit=st.integers(1, 4), room=st.integers(1, 4))
    def route_into_hand(self, who: str, limit: int, room: int) -> None:
        """The router gives what it may to the one who runs it, without a claim."""
        hand = self.hands[who]
        tails = {due.key: due.seq for due in hand}
        routed = self.db.run(
            outbox.route(
                self.connection(),
                lambda _: ["crm"],
                self.now,
                limit=limit,
                owner=who,
                lease_s=60,
                hands={"crm": outbox.Hand(room, tails.get)},
            )
        )
        assert isinstance(routed, outbox.Routed)
        given = routed.given.get("crm", ())
        assert len(given) <= room
        hand.extend(given)

    @rule(who=st.sampled_from("ab"), limit=st.integers(1, 4))
    def claim(self, who: str, limit: int) -> None:
        hand = self.hands[who]
        claim = self.db.run(
            outbox.claim(
                self.connection(),
                "crm",
                owner=who,
                tails={due.key: due.seq for due in hand},
                now=self.now,
                lease_s=60,
                hold_s=1,
                limit=limit,
            )
        )
        assert isinstance(claim, outbox.Claim)
        held = {due.seq for due in hand}
        hand.extend(due for due in claim.due if due.seq not in held)

    @rule(who=st.sampled_from("ab"), pick=st.integers(0, 9), noted=st.booleans())
    def answer_well(self, who: str, pick: int, noted: bool) -> None:
        """The receiver takes the head of some chain; the dispatcher may die before noting it."""
        due = self.head(who, pick)
        if due is None:
            return
        self.arrive(due)
        if noted:
            self.settle(delivered={due.seq: 200})
            self.hands[who].remove(due)
        else:
            self.crash(who)

    @rule(who=st.sampled_from("ab"), pick=st.integers(0, 9), again=st.booleans())
    def answer_badly(self, who: str, pick: int, again: bool) -> None:
        due = self.head(who, pick)
        if due is None:
            return
        retry_at = self.now + 30 if again else None
        self.settle(
            failed=[outbox.Failed(due.seq, "HTTP 500", 500, retry_at)],
            given_back={
                one.seq: self.now if retry_at is None else retry_at
                for one in self.hands[who]
                if one.key == due.key and one.seq != due.seq
            },
        )
        if not again:
            self.dead.add(due.seq)
        self.hands[who] = [one for one in self.hands[who] if one.key != due.key]

    @rule(who=st.sampled_from("ab"))
    def crash(self, who: str) -> None:
        """It dies with all it holds; its next life takes the leases back."""
        self.hands[who] = []
        self.db.run(outbox.release(self.connection(), who, self.now))

    @rule(seconds=st.sampled_from([0.5, 2, 31]))
    def pass_time(self, seconds: float) -> None:
        """Never so much that a living dispatcher would have let its lease run out."""
        self.now += seconds
        for who, hand in self.hands.items():
            if hand:
                self.settle(kept=[due.seq for due in hand], kept_until=self.now + 60)
            assert all(due.seq not in self.dead for due in hand), who

    def head(self, who: str, pick: int) -> outbox.Due | None:
        heads: dict[str, outbox.Due] = {}
        for due in self.hands[who]:
            heads.setdefault(due.key, due)
        found = list(heads.values())
        return found[pick % len(found)] if found else None

    def settle(self, **how: object) -> None:
        self.db.run(outbox.settle(self.connection(), "crm", self.now, **how))  # type: ignore[arg-type]

    def arrive(self, due: outbox.Due) -> None:
        key = self.appended[due.seq - 1]
        assert key == due.key
        before = self.arrived[key]
        if due.seq in before:
            return  # again: the receiver knows the id
        earlier = [n for n, one in enumerate(self.appended, 1) if one == key and n < due.seq]
        missing = [n for n in earlier if n not in before and n not in self.dead]
        assert not missing, f"{due.seq} overtook {missing}"
        before.append(due.seq)

    @invariant()
    def nobody_holds_what_another_holds(self) -> None:
        if hasattr(self, "hands"):
            a, b = ({due.seq for due in self.hands[who]} for who in "ab")
            assert not a & b

    def teardown(self) -> None:
        """Heal, let time pass: everything arrives."""
        if not hasattr(self, "hands"):
            return
        for who in "ab":
            self.crash(who)
        for _ in range(len(self.appended) + 2):
            self.route(1000)
            self.now += 61
            self.claim("a", 1000)
            while self.hands["a"]:
                self.answer_well("a", 0, True)
        got = {seq for seqs in self.arrived.values() for seq in seqs}
        missing = set(range(1, len(self.appended) + 1)) - got - self.dead
        assert not missing, f"never arrived: {missing}"
        self.db.connection.close()
        self.db.engine.dispose()


TestDispatchers = Dispatchers.TestCase
TestDispatchers.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
