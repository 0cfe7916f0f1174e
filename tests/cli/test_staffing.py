"""`dialer staffing` on the command line."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from dialer.cli import app

run = CliRunner().invoke


def test_more_agents_are_better_used_at_the_same_limit() -> None:
    done = run(
        app, ["staffing", "--agents", "20", "--handle", "150", "--answer-rate", "0.2", "--json"]
    )
    assert done.exit_code == 0, done.output
    rows = json.loads(done.output)
    assert [row["agents"] for row in rows] == [10, 16, 20, 25, 40]
    assert all(row["abandon_rate"] == pytest.approx(0.03, abs=1e-6) for row in rows)
    used = [row["utilisation"] for row in rows]
    assert used == sorted(used)
    for row in rows:  # Little: dials follow from the answers
        assert row["dials_per_hour"] == pytest.approx(row["live_per_hour"] / 0.2)


def test_agents_for_a_number_of_connects() -> None:
    words = ["staffing", "--connects", "400", "--handle", "150", "--answer-rate", "0.2", "--json"]
    (row,) = json.loads(run(app, words).output)
    assert row["connects_per_hour"] >= 400 * 0.999
    assert row["abandon_rate"] <= 0.03
    fewer = f"staffing --agents {row['agents'] - 1} --handle 150 --answer-rate 0.2 --json"
    rows = json.loads(run(app, fewer.split()).output)
    less = next(one for one in rows if one["agents"] == row["agents"] - 1)
    assert less["connects_per_hour"] < 400


@pytest.mark.parametrize(
    "words",
    [
        "--agents 5 --handle 0 --answer-rate 0.2",
        "--agents 5 --handle 100 --answer-rate 2",
        "--agents 0 --handle 100 --answer-rate 0.2",
        "--handle 100 --answer-rate 0.2",
    ],
)
def test_numbers_that_cannot_be(words: str) -> None:
    done = run(app, ["staffing", *words.split()])
    assert done.exit_code == 2
    assert "Traceback" not in done.output
