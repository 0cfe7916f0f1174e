"""What a process cost, by the kernel's own books (Linux)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
FIRST = -15  # nice value


@dataclass(frozen=True, slots=True)
class Cost:
    """Since the process began, in seconds; `rss_mb` is now.

    `waited_s` is how long the main thread could run and another process had its core: on a busy
    machine that, not the program, is what makes an event loop late.
    """

    cpu_s: float
    main_s: float  # of the main thread: the event loop
    waited_s: float
    rss_mb: float

    def since(self, before: Cost) -> Cost:
        return Cost(
            self.cpu_s - before.cpu_s,
            self.main_s - before.main_s,
            self.waited_s - before.waited_s,
            self.rss_mb,
        )


def cost_of(pid: int) -> Cost:
    base = Path("/proc") / str(pid)
    fields = (base / "stat").read_text().rpartition(")")[2].split()
    main = (base / "task" / str(pid) / "schedstat").read_text().split()
    resident = int((base / "statm").read_text().split()[1])
    return Cost(
        (int(fields[11]) + int(fields[12])) * _TICK_S,
        int(main[0]) / 1e9,
        int(main[1]) / 1e9,
        resident * _PAGE / 1e6,
    )


def cores() -> tuple[int, int]:
    """A core for what is measured and one for the rest; the same where there is only one."""
    free = sorted(os.sched_getaffinity(0))
    return free[0], free[-1]


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """Processes started inside run on this core only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def go_first(process: int | None = None) -> None:
    """Give this process and its children way before all others, as on a machine of their own; or
    another process that leads a session, with its children to come.

    Needs root (PermissionError). A session of our own, because the kernel's autogroups weigh
    sessions against each other and a process's nice value only within its own.
    """
    if process is None:
        with contextlib.suppress(PermissionError):
            os.setsid()  # refused to a leader, which has one already
    os.setpriority(os.PRIO_PROCESS, process or 0, FIRST)
    group = Path(f"/proc/{process or 'self'}/autogroup")
    if group.exists():
        group.write_text(str(FIRST))
