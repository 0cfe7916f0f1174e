"""What if: a process that tells its progress, is cancelled, fails, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dialer.server import experiments as what_if
from dialer.server.experiments import Experiments, State, Wish
from dialer.server.face import Refused
from dialer.tasks import Tasks

FIGURE = {"value": 0.5, "half": 0.1}
RESULT = {"results": [dict.fromkeys(what_if.FIGURES, FIGURE)] * 2}
STAND_IN = """
import pathlib, sys, time
given = sys.argv[1:]
days = pathlib.Path(given[given.index("--keep") + 1])
pathlib.Path({told!r}).write_text(" ".join(given))
days.write_text('"seed": 1' * {days})
while {lasts} and not pathlib.Path({end!r}).exists():
    time.sleep(0.01)
print({out!r})
if {code}:
    sys.stderr.write("error: no such world\\n")
sys.exit({code})
"""


@asynccontextmanager
async def lab(
    folder: Path, lasts: bool = False, code: int = 0, out: object = RESULT
) -> AsyncIterator[Experiments]:
    failures: list[object] = []
    text = STAND_IN.format(
        told=str(folder / "told"),
        end=str(folder / "end"),
        days=3,
        lasts=lasts,
        code=code,
        out=out if isinstance(out, str) else json.dumps(out),
    )
    tasks = Tasks(lambda *failure: failures.append(failure))
    try:
        yield Experiments(tasks, (sys.executable, "-c", text))
    finally:
        await tasks.close()
    assert not failures


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not done():  # noqa: ASYNC110 - another process has no event for us
            await asyncio.sleep(0.01)


WISH = Wish("spring", agents=25, answer_rate=0.3, limit=0.02, days=3)


async def test_from_waiting_to_a_result_with_intervals(tmp_path: Path) -> None:
    async with lab(tmp_path) as experiments:
        began = experiments.start(WISH, 12, "eve")
        assert began.state is State.WAITING
        await _until(lambda: experiments.view(began.id, None).state is State.DONE)
        view = experiments.view(began.id, frozenset({"spring"}))
        assert (view.progress, view.by, view.error) == (1.0, "eve", "")
        assert view.result is not None
        figure = view.result.what_if["utilisation"]
        assert (figure.low, figure.value, figure.high) == pytest.approx((0.4, 0.5, 0.6))
        told = (tmp_path / "told").read_text()
        assert "--set agents=25 --set list.rates.person=0.3" in told
        assert "--set law.abandon_rate_max=0.02 --scenario base --agents 12 --days 3" in told
        with pytest.raises(Refused):
            experiments.view(began.id, frozenset({"autumn"}))
        experiments.drop(began.id, None)
        assert experiments.views(None) == []


async def test_progress_one_at_a_time_and_cancelling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(what_if, "LOOK_S", 0.02)
    async with lab(tmp_path, lasts=True) as experiments:
        first = experiments.start(WISH, 12, "eve").id
        second = experiments.start(WISH, 12, "eve").id
        await _until(lambda: experiments.view(first, None).progress == 0.5)
        assert experiments.view(second, None).state is State.WAITING
        for _ in range(what_if.WAITING_MAX - 1):
            experiments.start(WISH, 12, "eve")
        with pytest.raises(Refused) as refused:
            experiments.start(WISH, 12, "eve")
        assert refused.value.status == 429
        experiments.drop(second, None)
        experiments.drop(first, None)
        await _until(lambda: experiments.view(second, None).state is State.CANCELLED)
        assert experiments.view(first, None).state is State.CANCELLED
    # The dialer ended while one was running: nothing of it is left.
    assert not _left(tmp_path)


QUARTER = {"start_s": 0.0, "lines": 50, "live": 10, "abandoned": 0, "busy_s": 4.0, "staffed_s": 8.0}
FORECASTER = """
import json, pathlib, sys
given = sys.argv[1:]
told = pathlib.Path({told!r})
told.write_text((told.read_text() if told.exists() else "") + " ".join(given) + chr(10))
if given[0] == "fit":
    sys.exit({fit})
days = pathlib.Path(given[given.index("--keep") + 1])
days.write_text("".join(json.dumps(one) + chr(10) for one in {days!r}))
"""


def _kept(*quarters: dict[str, float]) -> dict[str, object]:
    rows = [{**QUARTER, "start_s": 900.0 * n, **more} for n, more in enumerate(quarters)]
    return {"key": "k", "days": [{"curve": rows}]}


@pytest.mark.parametrize("fit", [0, 1])
async def test_a_forecast_fits_a_world_and_gives_the_band_of_its_days(
    tmp_path: Path, fit: int
) -> None:
    days = [
        _kept({"live": 0, "staffed_s": 0.0}, {"live": 10}, {"abandoned": 1}),
        _kept({}, {"busy_s": 6.0}),
        _kept({"live": 20}, {"abandoned": 3, "busy_s": 8.0}),
    ]
    text = FORECASTER.format(told=str(tmp_path / "told"), fit=fit, days=days)
    failures: list[object] = []
    tasks = Tasks(lambda *failure: failures.append(failure))
    lab = Experiments(tasks, (sys.executable, "-c", text), tmp_path / "overdial.db")
    wish = Wish("spring", limit=0.03, days=3, forecast=True)
    began = lab.start(wish, 12, "eve").id
    end = State.FAILED if fit else State.DONE
    await _until(lambda: lab.view(began, None).state is end)
    view, told = lab.view(began, None), (tmp_path / "told").read_text().splitlines()
    await tasks.close()
    assert told[0].startswith(f"fit {tmp_path / 'overdial.db'} --campaign spring --out /")
    if fit:
        assert (len(told), view.band) == (1, None)
        return
    assert told[1].startswith("run --scenario /")
    assert "--agents 12 --pacer forward --set law.abandon_rate_max=0.03 --jobs 1" in told[1]
    assert told[1].endswith("--seed 1 --days 3")
    assert view.band is not None
    assert view.band.days == 3
    # The first day's empty quarter is before its begin.
    assert view.band.middle.start_s == [0.0, 900.0]
    assert view.band.middle.answers == [10.0, 10.0]
    assert view.band.middle.abandon_rate == [0.0, 0.05]  # 0 of 20, 1 of 20, 3 of 30
    assert view.band.high.utilisation == [0.5, pytest.approx(0.95)]
    assert not failures


def test_the_simulator_is_found_by_the_name_it_is_called_by() -> None:
    command = Experiments(Tasks(lambda name, error: None))._command
    told = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
    assert all(word in told for word in ("what-if", "fit", "run"))


def _left(folder: Path) -> list[Path]:
    return [p for p in Path("/proc").glob("[0-9]*/cmdline") if _of_ours(p, folder)]


def _of_ours(path: Path, folder: Path) -> bool:
    try:
        return str(folder).encode() in path.read_bytes() and path.parent.name != str(os.getpid())
    except OSError:
        return False


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"code": 2}, "error: no such world"),
        ({"out": "no JSON"}, "cannot be read"),
        ({"out": {"results": []}}, "cannot be read"),
    ],
)
async def test_what_goes_wrong_is_said(tmp_path: Path, more: dict[str, object], error: str) -> None:
    async with lab(tmp_path, **more) as experiments:  # type: ignore[arg-type]
        began = experiments.start(WISH, 12, "eve")
        await _until(lambda: experiments.view(began.id, None).state is State.FAILED)
        assert error in experiments.view(began.id, None).error


async def test_what_takes_too_long_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(what_if, "LIMIT_S", 0.1)
    monkeypatch.setattr(what_if, "LOOK_S", 0.02)
    async with lab(tmp_path, lasts=True) as experiments:
        began = experiments.start(WISH, 12, "eve")
        await _until(lambda: experiments.view(began.id, None).state is State.FAILED)
        assert "too long" in experiments.view(began.id, None).error
