"""Consent to automated calls, as lists bring it: what, when, from where, until when, for whom."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from dialer.campaigns.compliance.facts import CampaignFacts
from dialer.campaigns.consent import Consent, ConsentError, consent_of
from dialer.campaigns.lead import StagedPhone
from dialer.campaigns.mapping import by_header
from dialer.campaigns.reading import Heading, Piece, Request, read_list
from dialer.campaigns.rejects import Rejection
from dialer.store.consents import end_consents
from tests.compliance.test_store import facts
from tests.store.conftest import world
from tests.store.world import World, staged
from yamlmarks import FileError

__all__ = ["world"]
TODAY = date(2026, 11, 28)
HEADER = (
    "account,mobile,home phone,mobile consent,consent2,consent date2,consent until 2,consent source"
)


def read(path: Path, *rows: str, header: str = HEADER, **more: object) -> tuple[Heading, Piece]:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    request = replace(Request(path, "US", TODAY), **more)  # type: ignore[arg-type]
    heading, piece = list(read_list(request))
    assert isinstance(heading, Heading)
    assert isinstance(piece, Piece)
    return heading, piece


def test_each_number_has_its_own(tmp_path: Path) -> None:
    heading, piece = read(
        tmp_path / "l.csv",
        "A1,+12125550101,+12125550102,no,Written,2026-01-02,2027-01-02,web form",
        "A2,+12125550103,+12125550104,yes,,,,",
        "A3,+12125550105,+12125550105,yes,no,,,",  # one number said twice: the no stands
    )
    assert piece.rejected == []
    one, two, three = (lead.phones for lead in piece.leads)
    assert [phone.consent for phone in one] == [
        Consent(False, "none", "", "web form", ""),
        Consent(True, "written", "2026-01-02", "web form", "2027-01-02"),
    ]
    assert [phone.consent for phone in two] == [Consent(True, "given"), None]
    assert [phone.consent and phone.consent.given for phone in three] == [False]
    assert piece.leads[0].fields["consent2"] == "Written"  # carried along as it stands
    saved = by_header(heading.columns)
    assert (saved["mobile consent"], saved["consent until 2"]) == ("consent1", "consent_until2")
    again, _ = read(tmp_path / "l.csv", "A1,+12125550101,,no,,,,", saved=saved)
    assert [column.of for column in again.columns] == [column.of for column in heading.columns]


def test_what_was_mapped_to_the_second_number_stays_its_own(tmp_path: Path) -> None:
    header = "account,mobile,home phone,agreed"
    asked = {"consent2": "agreed"}
    heading, _ = read(tmp_path / "l.csv", "A1,+12125550101,,no", header=header, mapping=asked)
    saved = by_header(heading.columns)
    _, piece = read(
        tmp_path / "l.csv", "A1,+12125550101,+12125550102,yes", header=header, saved=saved
    )
    assert [phone.consent for phone in piece.leads[0].phones] == [None, Consent(True, "given")]


@pytest.mark.parametrize(
    ("row", "column", "why"),
    [
        ("A1,+12125550101,,perhaps,,,,", "mobile consent", "is not understood: write yes, "),
        ("A1,,+12125550102,,yes,2026-11-29,,", "consent date2", "is a day in the future"),
        ("A1,,+12125550102,,yes,soon,,", "consent date2", "is no day: write 2026-11-28"),
        ("A1,,+12125550102,,yes,2026-11-02,2026-11-01,", "consent until 2", "is before the day"),
        ("A1,,+12125550102,,,2026-11-02,,", "consent2", "is empty beside its day"),
    ],
)
def test_what_cannot_be_understood_rejects_the_row(
    tmp_path: Path, row: str, column: str, why: str
) -> None:
    _, piece = read(tmp_path / "l.csv", row)
    ((told, _),) = piece.rejected
    assert isinstance(told, Rejection)
    assert (told.line, told.column) == (2, column)
    assert told.reason.startswith(why)


@pytest.mark.parametrize("header", ["account,mobile,consent,opt-in", "account,mobile,consent3"])
def test_columns_that_cannot_be_are_told(tmp_path: Path, header: str) -> None:
    with pytest.raises(FileError):
        read(tmp_path / "l.csv", "A1,+12125550101,no,no", header=header)


def test_words() -> None:
    assert consent_of({"consent": " Opted  OUT "}, TODAY) == Consent(False, "revoked")
    assert consent_of({}, TODAY) is None
    with pytest.raises(ConsentError, match="printable"):
        consent_of({"consent": "yes", "consent_source": "x" * 201}, TODAY)


# --- in the store ---------------------------------------------------------------------------------


def with_consent(line: int, number: str, consent: Consent | None, account: str = "") -> object:
    row = staged(line, number, external_id=account or f"A{line}")
    return row._replace(phones=(StagedPhone(number, "phone", "mobile", consent),))


async def test_no_consent_is_a_person_s_to_decide_and_consent_ends(world: World) -> None:
    gate: CampaignFacts = replace(facts(), consent_required=True)
    world.script.gate = gate
    today = world.store.clock.utc().date()
    until = (today + timedelta(days=3)).isoformat()
    yes, no = Consent(True, "written", "2026-01-02", "web", until), Consent(False, "revoked")
    await world.load(
        with_consent(1, "+12125550101", yes),
        with_consent(2, "+12125550102", no),
        with_consent(3, "+12125550103", None),
    )  # type: ignore[arg-type]
    sql = "SELECT phone, automatic FROM phones ORDER BY phone"
    assert [bool(row.automatic) for row in await world.rows(sql)] == [True, False, False]
    kept = await world.rows("SELECT kind, given_on, source FROM consents ORDER BY phone")
    assert [tuple(row) for row in kept] == [("written", "2026-01-02", "web"), ("revoked", "", "")]
    now = world.store.clock.utc()
    for days, ended in ((2, 0), (5, 1), (5, 0)):
        later = now + timedelta(days=days)
        assert await world.store.database.write(lambda c, at=later: end_consents(c, at)) == ended
    assert [bool(row.automatic) for row in await world.rows(sql)] == [False, False, False]


async def test_a_no_outlives_the_list_it_came_in(world: World) -> None:
    """Undone, and imported again by a list that says nothing of consent."""
    first = with_consent(1, "+12125550101", Consent(False, "revoked"))
    await world.load(first)  # type: ignore[arg-type]
    batch = await world.value("SELECT max(id) FROM lists")
    await world.store.lists.undo(batch, "sam")
    assert await world.rows("SELECT 1 FROM phones") == []
    await world.load(with_consent(1, "+12125550101", None))  # type: ignore[arg-type]
    assert [bool(row.automatic) for row in await world.rows("SELECT automatic FROM phones")] == [
        False
    ]
