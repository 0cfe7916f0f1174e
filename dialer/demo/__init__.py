"""`dialer demo`: the whole dialer at work on one machine, with nothing but Python.

A simulated PBX on a loopback AMI port, a sample list, simulated agents at the real API, and a CRM
that verifies every webhook; an hour of calling in two minutes, or as fast as the machine can.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

LEADS = 2_000


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """`speed` None: virtual time. `data` None: a directory of its own, removed at the end."""

    minutes: float = 60.0
    speed: float | None = 30.0
    agents: int = 20
    seed: int = 1
    web_port: int = 8080
    data: Path | None = None
    keep: bool = False
    json: bool = False
    leads: int = LEADS
    strategy: Path | None = None  # a strategy's file
    accounts: Path | None = None  # a list of accounts; made-up ones otherwise


def run_demo(options: DemoOptions) -> int:
    """Play it and report. 0 when all is well, 1 when something is not, 2 when it cannot be,
    130 after Ctrl-C."""
    if options.keep and options.speed is None:
        print("--keep needs a clock that runs: give --speed a number, not max", file=sys.stderr)
        return 2
    from dialer.store.database import StoreError
    from dialer.web.app import WebStartError
    from yamlmarks import FileError

    directory = options.data or Path(tempfile.mkdtemp(prefix="overdial-demo-"))
    directory.mkdir(parents=True, exist_ok=True)
    try:
        return _play(options, directory)
    except (WebStartError, StoreError, FileError) as error:
        print(
            f"{error}\n(the demo takes another port by --port, any free one by --port 0)"
            if isinstance(error, WebStartError)
            else error,
            file=sys.stderr,
        )
        return 1
    finally:
        if options.data is None:
            shutil.rmtree(directory, ignore_errors=True)


def _play(options: DemoOptions, directory: Path) -> int:
    from dialer.clock import ScaledLoop
    from dialer.demo.screen import choose_screen
    from dialer.demo.stage import Play, Stage
    from dialer.logs import configure

    play = Play(
        minutes=options.minutes,
        speed=options.speed,
        agents=options.agents,
        seed=options.seed,
        web_port=options.web_port,
        leads=options.leads,
        directory=directory,
        keep=options.keep,
        strategy=options.strategy,
        accounts=options.accounts,
    )

    async def main() -> int:
        stage = Stage(play, choose_screen(options.json))
        stopped = False

        def stop() -> None:
            nonlocal stopped
            stopped = True
            stage.stop()

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        report = await stage.run()
        return 130 if stopped and not options.keep else report.exit_code

    with (directory / "demo.log").open("a", encoding="utf-8") as log:
        configure("json", stream=log)
        with asyncio.Runner(loop_factory=lambda: ScaledLoop(options.speed)) as runner:
            return runner.run(main())


__all__ = ["DemoOptions", "run_demo"]
