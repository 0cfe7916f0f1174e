"""Cells of a list as values: money in cents, days, folded text, and what is none of these."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.campaigns.strategy.split import arm_of, place_of
from dialer.campaigns.strategy.values import (
    TEXT_MAX,
    Input,
    Kind,
    LiteralError,
    columns_of,
    fold,
    literal,
    read,
    values_of,
)


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("12.50", 1250),
        ("1,234.5", 123450),
        ("$ 1 234.567", 123457),
        ("-0.005", -1),
        ("25", 2500),
        ("12.50 EUR", 1250),
        ("1'234'567.89", 123456789),
        ("", None),
        ("n/a", None),
        ("1.2.3", None),
        ("1e9", None),
        ("9" * 40, None),
        ("12,5", None),
    ],
)
def test_money_is_cents(text: str, cents: int | None) -> None:
    assert read(Input(type=Kind.MONEY), text) == cents


def test_money_with_a_comma_for_the_cents() -> None:
    comma = Input(type=Kind.MONEY, decimal=",")
    assert read(comma, "1.234,56 €") == 123456
    assert read(comma, "12,5") == 1250


@given(st.integers(-(10**10), 10**10))
def test_money_reads_what_it_would_write(cents: int) -> None:
    assert read(Input(type=Kind.MONEY), f"{Decimal(cents) / 100:.2f}") == cents
    assert read(Input(type=Kind.MONEY), f"{Decimal(cents) / 100:,.2f}") == cents


@pytest.mark.parametrize(
    ("order", "text", "day"),
    [
        ("ymd", "1970-01-02", 1),
        ("ymd", "2026-02-30", None),
        ("ymd", "2024-02-29T10:00:00Z", 19782),
        ("ymd", "01/02/1970", None),
        ("dmy", "02.01.1970", 1),
        ("mdy", "1/2/1970", 1),
        ("dmy", "31.02.2026", None),
    ],
)
def test_days(order: str, text: str, day: int | None) -> None:
    of = Input.model_validate({"type": "date", "order": order})
    assert read(of, text) == day


@given(st.text())
def test_no_cell_makes_trouble(text: str) -> None:
    for kind in Kind:
        more = {"values": ("a", "b")} if kind is Kind.ENUM else {}
        found = read(Input.model_validate({"type": kind, **more}), text)
        assert found is None or isinstance(found, int | str)
        if isinstance(found, str):
            assert "\0" not in found
            assert len(found) <= TEXT_MAX
            found.encode()  # no lone surrogate


@given(st.text(max_size=30))
def test_folding_is_the_same_for_any_case(text: str) -> None:
    folded = fold(text)
    if folded is not None and text.isascii():
        assert fold(text.upper()) == folded
        assert fold(f"  {text} ") == folded


def test_what_is_missing_has_its_default_and_columns_know_no_case() -> None:
    inputs = {
        "status": Input(type=Kind.TEXT, default="Open"),
        "days_late": Input(type=Kind.DAYS_SINCE, column="Due Date"),
        "count": Input(type=Kind.INTEGER),
    }
    fields = {"due date": "1970-01-11", "count": "many"}
    columns = columns_of(inputs, fields)
    assert values_of(columns, fields) == {"status": "open", "days_late": 10, "count": None}


@pytest.mark.parametrize(
    ("kind", "given_"),
    [
        ("money", "12"),
        ("money", 1.234),
        ("money", True),
        ("integer", 1.5),
        ("date", "soon"),
        ("text", 5),
        ("boolean", 1),
        ("integer", 10**16),
    ],
)
def test_constants_of_another_type_are_refused(kind: str, given_: object) -> None:
    with pytest.raises(LiteralError):
        literal(Input.model_validate({"type": kind}), given_)


# --- champion and challengers ---------------------------------------------------------------------


def test_the_split_is_what_it_was() -> None:
    """Computed by the documented rule with another program (b2sum -l 64): it must never change."""
    assert place_of("cards-2026q4", "ACC-00001") == 687_563
    assert place_of("cards-2026q4", "ACC-00002") == 387_702
    assert place_of("other", "ACC-00001") != place_of("cards-2026q4", "ACC-00001")


def test_shares_are_met_and_growing_one_moves_nobody_else() -> None:
    accounts = [f"A{n}" for n in range(20_000)]
    small = {one: arm_of("x", one, [("b", 100_000)]) for one in accounts}
    large = {one: arm_of("x", one, [("b", 200_000)]) for one in accounts}
    assert 0.09 < sum(arm == "b" for arm in small.values()) / len(accounts) < 0.11
    assert 0.19 < sum(arm == "b" for arm in large.values()) / len(accounts) < 0.21
    assert all(large[one] == "b" for one, arm in small.items() if arm == "b")


def test_two_experiments_know_nothing_of_each_other() -> None:
    accounts = [f"A{n}" for n in range(20_000)]
    both = sum(place_of("x", one) < 500_000 and place_of("y", one) < 500_000 for one in accounts)
    assert 0.24 < both / len(accounts) < 0.26


@given(st.text(max_size=20), st.text(max_size=40))
def test_every_account_has_a_place(experiment: str, account: str) -> None:
    assert 0 <= place_of(experiment, account) < 1_000_000
