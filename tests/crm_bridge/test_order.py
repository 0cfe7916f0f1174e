"""Any interleaving of appends, routings, claims, answers, crashes and time keeps the promises:
every event is delivered at least once (or is a dead letter), none is overtaken within its key, and
nothing is sent twice without a reason.

Two processes of the real router, lanes and queue work on one database in memory (`by_hand`). The
model only knows what was appended and what arrived.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_bridge import outbox, upkeep
from crm_bridge.deadletters import Selection, replay
from crm_bridge.delivery import HOLD_S, LEASE_S
from crm_bridge.events import Event, event_id
from crm_bridge.inhand import InHand, Results
from crm_bridge.outbox import Due
from crm_bridge.routing import TURN_S
from crm_bridge.schedule import Answer
from tests.crm_bridge.by_hand import (
    ENDPOINTS,
    RETRY_S,
    T0,
    Clock,
    InMemory,
    Process,
    Request,
    Worker,
    small,
)

ANSWERS = {
    "well": Answer(200),
    "lost": Answer(None, "timeout"),  # it arrived, but the answer did not
    "badly": Answer(500),
    "busy": Answer(429, retry_after_s=1.5),
    "gone": Answer(410),
}


class World:
    """Processes "a" and "b", each with the same two endpoints. What happens is a word and a number,
    which says to whom: a number means something at any time, so that most of a history does.

    In a `calm` one, processes die and transactions fail, but nobody stands still for so long that
    his turn or a lease runs out, and everybody knows what was committed: there, nothing is sent
    again that is known to be settled, and nothing is in two hands.
    """

    def __init__(self, *, calm: bool = True) -> None:
        self.calm = calm
        self.db = InMemory()
        self.clock = Clock()
        self.appended: list[str] = []  # the key of each seq, from 1
        self.late: int | None = None  # the seq that is not committed
        self.live = {name: self.born(name) for name in "ab"}
        self.arrived: dict[tuple[str, str], list[int]] = defaultdict(list)
        self.again: set[tuple[str, int]] = set()  # sent again because somebody wanted it

    def born(self, name: str) -> Process:
        return Process(name, self.db, self.clock, self.sent)

    # --- what happens ---------------------------------------------------------------------------

    def happen(self, word: str, number: int) -> None:
        who, rest = "ab"[number % 2], number // 2
        process, where = self.live[who], list(ENDPOINTS)[rest % 2]
        match word:
            case "append":
                self.append("xxxy"[rest % 4] for _ in range(1 + rest % 3))
            case "append late":
                self.append_late()
            case "work":
                process.work()
            case "route":
                process.begin("route")
            case "begin to route":
                process.begin("route", 1 + rest % 6)
            case "cycle":
                process.begin(where)
            case "begin a cycle":
                process.begin(where, 1 + rest // 2 % 2)
            case "go on":
                begun = [(one, what) for one in self.live.values() for what in one.doing]
                if begun:
                    one, what = begun[rest % len(begun)]
                    one.step(what)
            case "crash":
                self.crash(who)
            case "end":
                process.end()
                self.live[who] = self.born(who)
            case "time":
                self.pass_time((0.5, 2.0)[rest % 2])
            case "stand still":
                self.stand_still((TURN_S + 1, LEASE_S + 1)[rest % 2])
            case "trouble":
                self.db.trouble = "before" if self.calm or rest % 2 else "after"
            case "replay":
                self.replay(where, delivered=rest // 2 % 2 == 0)
            case how:
                self.answer(number, how)
        self.check()

    def append(self, keys: Iterable[str]) -> None:
        happened = []
        for key in keys:
            self.appended.append(key)
            n = len(self.appended)
            happened.append(
                Event(event_id(n), "dnc.added", T0 + timedelta(seconds=n), key, {"n": n})
            )
        outbox.append_sync(self.db.connection, happened)

    def append_late(self) -> None:
        """Of a key of its own; one at a time is numbered now and committed the next time."""
        if self.late is None:
            self.append("z")
            self.late = len(self.appended)
            self.db.rows("DELETE FROM crm_fresh WHERE seq = ?", self.late)
        else:
            self.db.rows("INSERT INTO crm_fresh VALUES (?)", self.late)
            self.late = None

    def answer(self, number: int, how: str) -> None:
        """The receiver answers one of the requests; with none under way, somebody works."""
        waiting = self.workers()
        if not waiting:
            self.happen("work", number)
            return
        worker = waiting[number % len(waiting)]
        assert worker.request is not None
        if how in ("well", "lost"):
            self.arrive(worker.request)
        worker.process.answer(worker, ANSWERS[how])

    def workers(self) -> list[Worker]:
        return [worker for process in self.live.values() for worker in process.workers]

    def told(self, where: str, key: str, how: str) -> None:
        """An endpoint answers the one request about a key."""
        [found] = [
            number
            for number, worker in enumerate(self.workers())
            if worker.request is not None
            and (worker.request.endpoint, worker.request.key) == (where, key)
        ]
        self.answer(found, how)

    def crash(self, who: str) -> None:
        """It dies with all it holds; its next life takes the leases and the turn back."""
        self.live[who].die()
        self.live[who] = self.born(who)

    def pass_time(self, seconds: float) -> None:
        """Turns and leases are drawn out in time."""
        for process in self.live.values():
            for what in list(process.doing):
                process.begin(what)  # a transaction does not last
            if process.router._ours:
                process.begin("route")
            for where, at in process.cycled_at.items():
                if self.clock.now() + seconds - at > LEASE_S / 4:
                    process.lanes[where].wake()  # as its timer would
                    process.begin(where)
        self.clock.seconds += seconds

    def stand_still(self, seconds: float) -> None:
        if self.calm:
            return
        self.clock.seconds += seconds
        for process in self.live.values():
            for lane in process.lanes.values():
                lane.wake()  # as its timer would

    def replay(self, where: str, *, delivered: bool) -> None:
        states = ("dead", "delivered") if delivered else ("dead",)
        for seq, state in self.states(where).items():
            if state in states:
                self.again.add((where, seq))
        selection = Selection(endpoint=where, delivered=delivered)
        replay(self.db.connection, selection, self.clock.now())
        upkeep.enable(self.db.connection, where)
        for process in self.live.values():
            process.lanes[where].wake()

    def states(self, where: str) -> dict[int, str]:
        query = "SELECT seq, state FROM crm_delivery WHERE endpoint = ?"
        return dict(self.db.rows(query, where))  # type: ignore[arg-type]

    # --- what must hold -------------------------------------------------------------------------

    def sent(self, process: Process, request: Request) -> None:
        """A request begins."""
        state = self.states(request.endpoint).get(request.seq)
        if self.calm:
            assert state in (None, "pending"), f"{request} is {state}"

    def arrive(self, request: Request) -> None:
        seq, where, key = request.seq, request.endpoint, self.appended[request.seq - 1]
        assert key == request.key
        before = self.arrived[where, key]
        if seq in before:
            return  # again: the receiver knows the id
        states = self.states(where)
        earlier = [n for n, one in enumerate(self.appended[: seq - 1], 1) if one == key]
        missing = [
            n
            for n in earlier
            if n not in before and states.get(n) != "dead" and (where, n) not in self.again
        ]
        assert not missing, f"{seq} overtook {missing} at {where}"
        if self.calm and (where, seq) not in self.again:
            assert seq > max(before, default=0), f"{seq} came late at {where}"
        before.append(seq)

    def check(self) -> None:
        """Between any two steps."""
        hidden = self.db.rows(
            "SELECT d.endpoint, d.seq, e.seq FROM crm_delivery d JOIN crm_event e"
            " ON e.key = d.key AND e.seq < d.seq WHERE d.state = 'pending' AND NOT EXISTS"
            " (SELECT 1 FROM crm_delivery f WHERE f.endpoint = d.endpoint AND f.seq = e.seq)"
        )
        assert not hidden, f"in the queue without the one in front of it: {hidden}"
        forgotten = self.db.rows(
            "SELECT seq FROM crm_event e WHERE NOT EXISTS (SELECT 1 FROM crm_fresh f"
            " WHERE f.seq = e.seq) AND (SELECT count(*) FROM crm_delivery d"
            " WHERE d.seq = e.seq) < 2 AND seq IS NOT ?",
            self.late,
        )
        assert not forgotten, f"struck off too early: {forgotten}"
        for process in self.live.values():
            assert len(process.to_be_sent()) == sum(
                len(chain.rows)
                for lane in process.lanes.values()
                for chain in lane.hand._chains.values()
            )
            for lane in process.lanes.values():
                assert lane.hand.unwritten <= lane.hand.held.keys()
                assert lane.hand.unwritten <= process.ledger.hands.keys()
        if self.calm:
            both = self.live["a"].to_be_sent() & self.live["b"].to_be_sent()
            assert not both, f"in two hands: {both}"

    def heal(self, *, crash: bool) -> None:
        """Time passes: everything arrives, and nothing stays fresh or in hand; by those who live,
        or by their next lives."""
        self.db.trouble = ""
        if self.late is not None:
            self.append_late()
        for who in "ab" if crash else "":
            self.crash(who)
        # With room for one, a look may find only what stands behind something, and put it off.
        for _ in range(4 * len(self.appended) + 40):
            self.pass_time(5.0)
            for where in ENDPOINTS:
                upkeep.enable(self.db.connection, where)
            for process in self.live.values():
                for lane in process.lanes.values():
                    lane.wake()  # as its timer would, sooner or later
                process.work()
                while process.workers:
                    worker = process.workers[0]
                    assert worker.request is not None
                    self.arrive(worker.request)
                    process.answer(worker, ANSWERS["well"])
                self.check()
            if not self.left():
                break
        assert not self.left()
        for where in ENDPOINTS:
            got = {seq for (at, _), seqs in self.arrived.items() if at == where for seq in seqs}
            dead = {seq for seq, state in self.states(where).items() if state == "dead"}
            missing = set(range(1, len(self.appended) + 1)) - got - dead
            assert not missing, f"never arrived at {where}: {missing}"

    def left(self) -> list[object]:
        return [
            *self.db.rows("SELECT seq FROM crm_fresh"),
            *self.db.rows("SELECT endpoint, seq FROM crm_delivery WHERE state = 'pending'"),
            *(one for process in self.live.values() for one in process.in_hand()),
            *(one for process in self.live.values() for one in process.ledger.hands),
        ]

    def close(self) -> None:
        for process in self.live.values():
            process.die()
        self.db.close()


WORDS = (
    *("append",) * 6, *("append late",) * 3, *("work",) * 6, *("route",) * 2,
    *("begin to route",) * 3, *("cycle",) * 4, *("begin a cycle",) * 3, *("go on",) * 5,
    *("well",) * 10, *("badly",) * 3, "lost", "busy", "gone", "crash", "end", *("time",) * 4,
    "stand still", "trouble", "replay",
)  # fmt: skip


@contextmanager
def played(room: int, *, calm: bool = True) -> Iterator[World]:
    with small(room):
        world = World(calm=calm)
        try:
            yield world
        finally:
            world.close()


@settings(max_examples=70)
@given(
    st.integers(1, 5),
    st.booleans(),
    st.lists(st.tuples(st.sampled_from(WORDS), st.integers(0, 23)), min_size=25, max_size=60),
    st.booleans(),
)
def test_nothing_is_lost_and_nothing_is_overtaken(
    room: int, calm: bool, history: list[tuple[str, int]], crash: bool
) -> None:
    with played(room, calm=calm) as world:
        for word, number in history:
            world.happen(word, number)
        world.heal(crash=crash)


def test_what_was_committed_late_is_not_overtaken_by_a_full_batch() -> None:
    with played(room=9) as world:
        process = world.live["a"]
        world.append_late()
        world.append("x")
        process.work()
        world.append_late()  # committed now
        world.append("xxxz")
        process.begin("route")
        world.heal(crash=False)


def test_nothing_follows_what_failed_while_the_router_was_looking() -> None:
    with played(room=3) as world:
        process = world.live["a"]
        world.append("x")
        process.work()
        world.append("x")
        process.begin("route", 2)  # it has looked: nothing of the key is in the queue
        world.told("crm", "x", "badly")
        process.begin("crm")  # the failure is written down, and nothing is in hand
        process.begin("route")
        world.heal(crash=False)


@pytest.mark.parametrize("meanwhile", [True, False])
def test_nothing_that_is_claimed_follows_what_failed(meanwhile: bool) -> None:
    with played(room=2) as world:
        process = world.live["a"]
        world.append("yx")
        process.work()
        for key in "yx":
            world.told("bi", key, "well")
        process.begin("bi")
        world.append("x")
        process.begin("route")  # "bi" has room for it, and "crm" has not
        world.told("crm", "y", "well")
        if meanwhile:
            process.begin("crm", 1)  # it will write that down, and claim
        world.told("crm", "x", "badly")
        process.begin("crm")
        world.heal(crash=False)


def test_nothing_follows_what_failed_while_the_rest_of_a_batch_was_queued() -> None:
    with played(room=2) as world:
        process = world.live["a"]
        world.append("x")
        process.work()
        world.told("bi", "x", "well")
        process.begin("bi")
        world.append("xy")
        process.begin("route", 3)  # 2 is for the hand of "crm", and 3 for its queue
        world.told("crm", "x", "badly")
        process.begin("route")
        assert 2 in process.lanes["crm"].hand.results.given_back
        world.heal(crash=False)


def test_nothing_follows_a_failure_that_is_not_written_down() -> None:
    with played(room=3) as world:
        process = world.live["a"]
        world.append("x")
        process.work()
        world.told("crm", "x", "badly")
        process.begin("route")  # finds nothing
        world.append("x")
        process.begin("route")
        world.heal(crash=False)


@pytest.mark.parametrize("claimed", [True, False])
def test_what_is_in_hand_for_long_is_nobody_elses(claimed: bool) -> None:
    with played(room=1) as world:
        one, other = world.live.values()
        world.append("x")
        one.work()
        world.told("bi", "x", "well")
        if claimed:
            world.told("crm", "x", "badly")
            one.begin("crm")
            world.pass_time(RETRY_S * 2)
            one.work()
        else:
            world.append("x")
            one.work()  # no room at "crm" for the second: both stand in the queue
            world.told("bi", "x", "well")
            one.begin("bi")
        for _ in range(8):
            world.pass_time(LEASE_S / 4)
            other.lanes["crm"].wake()
            other.work()
            world.check()
        world.told("crm", "x", "well")
        world.heal(crash=False)


def test_a_turn_lasts_while_something_is_in_hand() -> None:
    with played(room=3) as world:
        one, other = world.live.values()
        world.append("x")
        one.work()
        for _ in range(3):
            world.pass_time(2.0)
            one.work()
            other.work()
            world.check()
        world.heal(crash=False)


def test_what_is_in_hand_is_not_taken_again_from_the_queue() -> None:
    with played(room=3, calm=False) as world:
        one, other = world.live.values()
        world.append("x")
        one.work()
        world.stand_still(TURN_S + 1)
        other.lanes["crm"].breaker.pause(world.clock.now() + 5)
        other.work()  # has the turn now, and puts it into the queue
        one.begin("crm")
        world.check()
        world.heal(crash=False)


def test_what_was_put_off_is_looked_at_when_it_comes_due() -> None:
    with played(room=9) as world:
        one, other = world.live.values()
        world.append("x")
        other.work()
        world.told("crm", "x", "badly")
        other.begin("crm")
        world.pass_time(RETRY_S * 2)
        other.begin("crm")  # it has the first again
        world.append("xy")
        other.lanes["crm"].breaker.pause(world.clock.now() + 1)
        other.begin("route")
        one.lanes["crm"].wake()
        one.begin("crm")  # the third is claimed, and the second stands behind the first
        assert {3} == one.lanes["crm"].hand.held.keys()
        assert one.lanes["crm"]._due_at == world.clock.now() + HOLD_S


def test_what_could_not_be_written_down_is_kept() -> None:
    hand = InHand()
    due = Due(1, "k", 0, "msg_1", "dnc.added", 0.0, "{}")
    hand.results.delivered[1] = (due, 200)
    taken = hand.take_results()
    hand.results.given_back[2] = (due, 5.0)
    hand.put_results_back(taken)
    assert hand.results.seqs() == {1, 2}
    assert isinstance(hand.results, Results)
