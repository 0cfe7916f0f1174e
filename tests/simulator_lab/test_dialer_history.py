"""History out of the dialer's own tables: each kind of attempt, as the store would write it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from dialer.core.outcomes import Outcome
from dialer.core.states import AgentState
from dialer.store import schema
from simulator.dialer_history import is_database, read_database
from simulator.experiments.fit import fit
from simulator.history import CallRecord, Fate
from simulator.world import Amd, Kind
from yamlmarks import FileError

T0 = 1_772_442_000_000  # 2026-03-02 09:00 UTC, ms


class Book:
    """A database with one campaign, to be filled with attempts in milliseconds after T0."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.engine = sa.create_engine(f"sqlite:///{path}")
        self.count = 0
        with self.engine.begin() as db:
            # only what is read; constraints to tables not filled here are not enforced by SQLite
            schema.metadata.create_all(db)
            for number, name in ((1, "spring"), (2, "other")):
                self._row(db, schema.campaigns, id=number, name=name, definition={}, created_ms=T0)

    @staticmethod
    def _row(db: sa.Connection, table: sa.Table, **values: Any) -> None:
        db.execute(table.insert().values(**values))

    def attempt(self, outcome: Outcome | None, *, campaign: int = 1, **at: Any) -> None:
        """Times ending in `_ms` are after T0; None: did not happen."""
        self.count += 1
        times = {k: T0 + v for k, v in at.items() if k.endswith("_ms")}
        rest = {k: v for k, v in at.items() if not k.endswith("_ms")}
        opened = times.get("originated_ms", T0)
        values: dict[str, Any] = {
            "id": f"leg-{self.count}",
            "campaign_id": campaign,
            "lead_id": self.count,
            "phone_id": self.count,
            "phone": "+15550100",
            "attempt_no": 1,
            "pbx": "p",
            "boot": "b",
            "opened_ms": opened,
            "stage_ms": max(times.values(), default=T0),
            "outcome": outcome,
            "closed_ms": None if outcome is None else max(times.values(), default=T0),
            **times,
            **rest,
        }
        if outcome is None:
            values["phone"] = f"+1555{self.count:07d}"  # one open attempt for each number
        with self.engine.begin() as db:
            self._row(db, schema.attempts, **values)

    def session(self, agent: str, *steps: tuple[int, AgentState]) -> None:
        with self.engine.begin() as db:
            self._row(
                db,
                schema.agent_sessions,
                leg=f"s-{agent}",
                agent=agent,
                pbx="p",
                phone="x",
                campaigns=[],
                status="ready",
                state="ready",
                boot="b",
                opened_ms=T0,
                changed_ms=T0,
            )
            db.execute(sa.text("DELETE FROM session_history"))
            for ms, state in steps:
                self._row(
                    db,
                    schema.session_history,
                    leg=f"s-{agent}",
                    at_ms=T0 + ms,
                    status="ready",
                    reason="",
                    state=state,
                )

    def disposition(self, code: str) -> None:
        with self.engine.begin() as db:
            self._row(
                db,
                schema.dispositions,
                attempt_id=f"leg-{self.count}",
                agent="ann",
                code=code,
                category="no_contact",
                set_ms=T0 + SERVED["ended_ms"] + 12_000,
            )


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path / "dialer.db")


def only(book: Book) -> CallRecord:
    (record,) = read_database(book.path)
    return record


SERVED: dict[str, Any] = {
    "originated_ms": 0,
    "ringing_ms": 1_500,
    "answered_ms": 9_500,
    "live_ms": 11_000,
    "connected_ms": 11_400,
    "ended_ms": 71_400,
    "agent": "ann",
    "amd": "HUMAN",
}


def test_a_served_call_has_every_stage(book: Book) -> None:
    book.attempt(Outcome.CONNECTED, **SERVED)
    book.session("ann", (71_450, AgentState.WRAP_UP), (91_450, AgentState.READY))
    record = only(book)
    assert record == CallRecord(
        launched_s=32_400.0,
        outcome=Kind.PERSON,
        setup_s=1.5,
        ring_s=8.0,
        detect_s=1.5,
        amd=Amd.PERSON,
        fate=Fate.SERVED,
        waited_s=0.4,
        talk_s=60.0,
        wrap_s=20.0,
        agent="ann",
    )


def test_an_agents_word_makes_it_a_machine(book: Book) -> None:
    book.attempt(Outcome.CONNECTED, **SERVED)
    book.disposition("machine")
    record = only(book)
    assert (record.outcome, record.amd, record.fate) == (Kind.MACHINE, Amd.PERSON, Fate.SERVED)
    assert record.wrap_s == 12.0  # no session history for it: until the agent's word


def test_a_campaigns_own_word_for_a_machine_is_known_by_its_definition(book: Book) -> None:
    with book.engine.begin() as db:
        as_loaded = {"dispositions": [{"code": "AB", "machine": True}, {"code": "done"}]}
        mine = schema.campaigns.c.name == "spring"
        db.execute(schema.campaigns.update().where(mine).values(definition=as_loaded))
    book.attempt(Outcome.CONNECTED, **SERVED)
    book.disposition("AB")
    assert only(book).outcome is Kind.MACHINE


def test_who_found_nobody_and_who_left(book: Book) -> None:
    early = {"originated_ms": 0, "ringing_ms": 1_000, "answered_ms": 5_000, "live_ms": 5_000}
    book.attempt(Outcome.ABANDONED, **early, harbour_ms=7_000, ended_ms=15_000, unserved=True)
    book.attempt(Outcome.CALLER_LEFT, **early, ended_ms=5_900)
    abandoned, left = read_database(book.path)
    assert (abandoned.fate, abandoned.waited_s, abandoned.talk_s) == (Fate.ABANDONED, 2.0, None)
    assert (left.fate, left.waited_s) == (Fate.LEFT, 0.9)
    assert abandoned.amd is None
    assert abandoned.detect_s is None


@pytest.mark.parametrize(
    ("outcome", "rang", "kind"),
    [
        (Outcome.MACHINE, True, Kind.MACHINE),
        (Outcome.NO_ANSWER, True, Kind.NO_ANSWER),
        (Outcome.BUSY, False, Kind.BUSY),
        (Outcome.BUSY, True, Kind.BUSY),
        (Outcome.INVALID, False, Kind.INVALID),
        (Outcome.REJECTED, True, Kind.DECLINED),
        (Outcome.REJECTED, False, Kind.INVALID),
        (Outcome.UNREACHABLE, True, Kind.UNAVAILABLE),
        (Outcome.CONGESTION, False, Kind.CONGESTION),
        (Outcome.RATE_LIMITED, False, Kind.CONGESTION),
    ],
)
def test_every_other_end(book: Book, outcome: Outcome, rang: bool, kind: Kind) -> None:
    times = {"originated_ms": 0, "ended_ms": 8_000, **({"ringing_ms": 1_000} if rang else {})}
    book.attempt(outcome, **times)
    record = only(book)
    assert record.outcome is kind
    if kind in (Kind.NO_ANSWER, Kind.DECLINED, Kind.UNAVAILABLE):
        assert record.ring_s == 7.0
    if kind in (Kind.BUSY, Kind.INVALID, Kind.CONGESTION):
        assert record.ring_s is None


def test_our_own_faults_say_nothing_about_the_world(book: Book) -> None:
    for outcome in (Outcome.CANCELLED, Outcome.FAILED_LOCAL, Outcome.LOST):
        book.attempt(outcome, originated_ms=0, ended_ms=100)
    book.attempt(Outcome.BUSY, originated_ms=0, ended_ms=100)
    assert [r.outcome for r in read_database(book.path)] == [Kind.BUSY]


def test_calls_under_way_are_cut_at_the_latest_time_known(book: Book) -> None:
    book.attempt(None, **{k: v for k, v in SERVED.items() if k != "ended_ms"})
    book.attempt(None, originated_ms=90_000, ringing_ms=91_000)
    book.attempt(Outcome.BUSY, originated_ms=95_000, ended_ms=100_000)
    talking, ringing, _ = read_database(book.path)
    assert (talking.open, talking.talk_s) == ("talk", 88.6)
    assert (ringing.open, ringing.ring_s) == ("ring", 9.0)


def test_one_campaign_of_several_and_what_is_wrong(book: Book, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="history is empty"):
        read_database(book.path)
    book.attempt(Outcome.BUSY, originated_ms=0, ended_ms=1)
    book.attempt(Outcome.INVALID, campaign=2, originated_ms=0, ended_ms=1)
    assert [r.outcome for r in read_database(book.path, "other")] == [Kind.INVALID]
    with pytest.raises(FileError, match="no campaign 'winter'; there are: spring, other"):
        read_database(book.path, "winter")
    alien = tmp_path / "alien.db"
    sa.create_engine(f"sqlite:///{alien}").connect().execute(sa.text("CREATE TABLE t (x)"))
    assert is_database(alien)
    assert not is_database(tmp_path / "nothing.db")
    with pytest.raises(FileError, match="not a database of this dialer"):
        read_database(alien)


def test_a_world_is_learned_from_the_database(book: Book) -> None:
    for i in range(120):
        at = {k: v + 30_000 * i for k, v in SERVED.items() if k.endswith("_ms")}
        book.attempt(Outcome.CONNECTED, **at, agent=f"a{i % 3}", amd="HUMAN")
        book.attempt(
            Outcome.NO_ANSWER,
            originated_ms=30_000 * i,
            ringing_ms=30_000 * i + 1_000,
            ended_ms=30_000 * i + 26_000,
        )
    found = fit(read_database(book.path), "db").scenario
    assert found.list.rates.person == pytest.approx(0.5)
    assert found.handling.talk.mean_s == pytest.approx(60.0, rel=0.01)
    assert found.agents.count == 3
    assert found.line.ring_limit_s == pytest.approx(25.0, abs=0.01)
