"""Experiments as jobs: a world, a pacer and successive days, spread over the cores."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field

from dialer.pacing.pacer import PacerError
from simulator.experiments.kept import Kept
from simulator.experiments.stats import Summary
from simulator.history import CallRecord
from simulator.results import DayResult, PacerSpec, Runner
from simulator.scenario import Scenario

ENGINES = ("auto", "fast", "plain", "full", "full-sql")
BLOCK_DAYS = 30  # the law's block, 16 CFR 310.4(b)(4)(i)
BEST_RATIO = "best_ratio"  # not a pacer: the fixed ratio one would choose knowing the outcome
END_LIMIT_S = 5.0  # a process that is told to end has so long
_RATIO_MAX = 40.0
_RATIO_STEPS = 6


@dataclass(frozen=True)
class Job:
    """Successive days of one campaign: the pacer lives through them all. With a history it is the
    people of that who are met, once more for each seed, by a pacer that begins anew."""

    scenario: Scenario
    pacer: PacerSpec
    seeds: tuple[int, ...]
    engine: str = "auto"
    history: tuple[CallRecord, ...] = field(default=(), repr=False)


def engine_for(pacer: PacerSpec, engine: str) -> Runner:
    """The engine asked for, or for "auto" the fastest that has the pacer. Raises PacerError."""
    # Imported here: the compiled engine takes a second to load, and --help should not wait for it.
    from simulator.experiments.plain import PlainRunner, known_pacers

    if engine not in ENGINES:
        raise PacerError(f"there is no engine {engine!r}; choose one of: {', '.join(ENGINES)}")
    plain = PlainRunner()
    if engine.startswith("full") and plain.can_run(pacer):
        from simulator.experiments.full import FullRunner

        return FullRunner(sql=engine == "full-sql")
    if engine in ("auto", "fast"):
        from simulator.experiments.fast import FastRunner

        fast = FastRunner()
        if fast.can_run(pacer):
            return fast
        if engine == "fast":
            raise PacerError(
                f"the fast engine does not have pacer {pacer.label}; use --engine auto"
            )
    if not plain.can_run(pacer):
        known = ", ".join([*known_pacers(), BEST_RATIO])
        raise PacerError(f"there is no pacer {pacer.name!r}; choose one of: {known}")
    return plain


def check(pacer: PacerSpec, scenario: Scenario, engine: str) -> None:
    """Whether the pacer can be made at all, before hours are spent. Raises PacerError."""
    if pacer.name == BEST_RATIO:
        if pacer.options:
            raise PacerError(f"pacer {BEST_RATIO} has no options: it finds its ratio itself")
        return
    runner = engine_for(pacer, engine)
    if runner.name.startswith("full"):
        from simulator.full.campaign import campaign_of

        campaign_of(scenario, "campaign")
    from simulator.experiments.plain import make_driver

    try:
        make_driver(pacer, scenario)
    except PacerError:
        raise
    except (ValueError, TypeError) as error:
        raise PacerError(f"pacer {pacer.name}: {error}") from None


def run_job(job: Job) -> list[DayResult]:
    """One result for each seed of the job, in order."""
    if job.history:
        from simulator.experiments.replay import replay

        return replay(job.scenario, job.history, job.pacer, job.seeds)
    if job.pacer.name == BEST_RATIO:
        return _best_ratio(job)
    return engine_for(job.pacer, job.engine).run_days(job.scenario, job.pacer, job.seeds)


def _best_ratio(job: Job) -> list[DayResult]:
    """The largest fixed number of lines per free agent whose pooled abandon rate keeps the limit.

    More lines mean more talk and more abandons, so the search is by halving.
    """
    limit = job.scenario.law.abandon_rate_max

    def days_at(ratio: float) -> list[DayResult]:
        spec = PacerSpec.of("fixed_ratio", {"ratio": round(ratio, 3)})
        return engine_for(spec, job.engine).run_days(job.scenario, spec, job.seeds)

    def lawful(days: Sequence[DayResult]) -> bool:
        return sum(d.abandoned for d in days) <= limit * sum(d.live for d in days)

    low, high = 1.0, 2.0
    best = days_at(low)
    while high < _RATIO_MAX:
        days = days_at(high)
        if not lawful(days):
            break
        best, low, high = days, high, 2.0 * high
    for _ in range(_RATIO_STEPS):
        middle = 0.5 * (low + high)
        days = days_at(middle)
        if lawful(days):
            low, best = middle, days
        else:
            high = middle
    return best


def run_jobs(
    jobs: Sequence[Job],
    workers: int = 0,
    on_done: Callable[[Job], None] | None = None,
    kept: Kept | None = None,
) -> list[list[DayResult]]:
    """Every job's days, in the order of the jobs. `workers` 0: one for each core; 1: in here.

    What `kept` has is not run again, and what is run is kept there at once. The first error stops
    what has not begun and is raised.
    """
    done: dict[int, list[DayResult]] = {}

    def finish(place: int, days: list[DayResult]) -> None:
        done[place] = days
        if kept is not None and kept.days(jobs[place]) is None:
            kept.add(jobs[place], days)
        if on_done is not None:
            on_done(jobs[place])

    left = []
    for place, job in enumerate(jobs):
        if kept is not None and (days := kept.days(job)) is not None:
            finish(place, days)
        else:
            left.append(place)
    workers = min(workers or os.cpu_count() or 1, len(left))
    if workers <= 1:
        for place in left:
            finish(place, run_job(jobs[place]))
    else:
        _run_apart(jobs, left, workers, finish)
    return [done[i] for i in range(len(jobs))]


def _run_apart(
    jobs: Sequence[Job],
    left: Sequence[int],
    workers: int,
    finish: Callable[[int, list[DayResult]], None],
) -> None:
    """The jobs at these places, each in one of `workers` processes."""
    # spawn: threads of a progress bar and compiled code do not survive a fork reliably
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_deaf) as pool:
        waiting: dict[Future[list[DayResult]], int] = {
            pool.submit(run_job, jobs[place]): place for place in left
        }
        try:
            for future in as_completed(waiting):
                finish(waiting[future], future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            ours = multiprocessing.active_children()
            for child in ours:
                child.terminate()  # what is under way may take hours, and nobody wants it any more
            for child in ours:
                child.join(END_LIMIT_S)
                if child.is_alive():  # too busy to hear of it, or the pool's thread asks as well
                    child.kill()
                    child.join(END_LIMIT_S)
            raise


def _deaf() -> None:
    """Ctrl-C is heard by who began it all, and he ends his processes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def plan_jobs(
    scenarios: Sequence[Scenario],
    pacers: Sequence[PacerSpec],
    seeds: Sequence[int],
    engine: str,
    block_days: int = BLOCK_DAYS,
) -> list[Job]:
    """A job for each block of days of each pair, slow ones (large floors) first."""
    jobs = []
    for scenario in scenarios:
        for pacer in pacers:
            size = len(seeds) if pacer.name == BEST_RATIO else block_days
            for first in range(0, len(seeds), size):
                jobs.append(Job(scenario, pacer, tuple(seeds[first : first + size]), engine))
    jobs.sort(key=lambda j: -j.scenario.agents.count * j.scenario.day_s)
    return jobs


def summarise(
    jobs: Sequence[Job], results: Sequence[Sequence[DayResult]], block_days: int = BLOCK_DAYS
) -> list[Summary]:
    """One summary for each (scenario, pacer), blocks put together again by seed."""
    days: dict[tuple[str, str], list[DayResult]] = {}
    worlds: dict[tuple[str, str], Scenario] = {}
    for job, result in zip(jobs, results, strict=True):
        key = (job.scenario.name, job.pacer.label)
        days.setdefault(key, []).extend(result)
        worlds[key] = job.scenario
    return [
        Summary(
            scenario=key[0],
            pacer=key[1],
            agents=worlds[key].agents.count,
            limit=worlds[key].law.abandon_rate_max,
            days=tuple(sorted(found, key=lambda d: d.seed)),
            block_days=block_days,
        )
        for key, found in days.items()
    ]
