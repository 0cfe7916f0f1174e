"""What the demo shows while it plays: a live picture on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dialer.demo.report import Report
from dialer.server.face import CampaignView, WallboardView

PLAIN_EVERY_S = 5.0  # real seconds between plain lines

_STAGES = ("planned", "setting_up", "ringing", "answered", "waiting", "talking")
_STATES = ("ready", "reserved", "talk", "wrap-up", "break", "signing on")
_COLOURS = {"ready": "green", "talk": "cyan", "wrap-up": "yellow", "break": "magenta"}
_BAR = 40  # signs


@dataclass(frozen=True, slots=True)
class Picture:
    """The floor at one instant of the play."""

    wallboard: WallboardView
    played_s: float
    whole_s: float
    real_s: float
    verified: int  # webhooks
    problem: str = ""  # why it does not dial, when it does not


class Screen(Protocol):
    """Where the demo is shown."""

    real_every_s: float  # how often a picture is wanted, real seconds

    def opened(self, addresses: list[tuple[str, str]]) -> None: ...

    def show(self, picture: Picture) -> None: ...

    def say(self, text: str) -> None: ...

    def closed(self, report: Report) -> None: ...


class Silent:
    """For --json: one report on standard output and nothing else."""

    real_every_s = 1.0

    def opened(self, addresses: list[tuple[str, str]]) -> None:
        pass

    def show(self, picture: Picture) -> None:
        pass

    def say(self, text: str) -> None:
        pass

    def closed(self, report: Report) -> None:
        sys.stdout.write(report.as_json() + "\n")
        sys.stdout.flush()


class Plain:
    """Lines, for a log or a pipe."""

    real_every_s = PLAIN_EVERY_S

    def opened(self, addresses: list[tuple[str, str]]) -> None:
        for label, address in addresses:
            self.say(f"{label}: {address}")

    def show(self, picture: Picture) -> None:
        campaign = _campaign(picture)
        if campaign is None or picture.played_s < 1.0:
            return
        played = int(picture.played_s)
        self.say(
            f"{played // 3600}:{played % 3600 // 60:02d}:{played % 60:02d}"
            f"  calls {campaign.calls:,}"
            f"  ringing {campaign.lines.ringing}"
            f"  agents {_agents_plain(campaign)}"
            f"  utilisation {_utilisation(campaign)}"
            f"  abandoned {campaign.abandon.rate:.2%} (limit {campaign.abandon.limit:.0%})"
            f"  list left {_left(campaign):,}"
            f"  webhooks {picture.verified:,}"
            + (f"  NOT DIALLING: {picture.problem}" if picture.problem else "")
        )

    def say(self, text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def closed(self, report: Report) -> None:
        for label, value in report.as_lines():
            self.say(f"{label + ':':24} {value}")
        for problem in report.problems:
            self.say(f"problem: {problem}")


class Terminal:
    """A live picture on a terminal, drawn in place."""

    real_every_s = 0.25

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        self._live: Live | None = None
        self._addresses: list[tuple[str, str]] = []

    def opened(self, addresses: list[tuple[str, str]]) -> None:
        self._addresses = addresses
        for label, address in addresses:
            self._console.print(f"[bold]{label}[/]: {address}", soft_wrap=True, highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._live.start()

    def show(self, picture: Picture) -> None:
        if self._live is not None:
            self._live.update(self._draw(picture), refresh=True)

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False)

    def closed(self, report: Report) -> None:
        if self._live is not None:
            self._live.stop()
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        for label, value in report.as_lines():
            table.add_row(label, value)
        for problem in report.problems:
            table.add_row(Text("problem", "bold red"), Text(problem, "red"))
        self._console.print(Panel(table, title="One list, played", expand=False))

    def _draw(self, picture: Picture) -> RenderableType:
        campaign = _campaign(picture)
        if campaign is None:
            return Text("starting ...")
        return Panel(
            Group(
                _progress(picture),
                Text(),
                _counts(campaign, picture),
                Text(),
                _lines(campaign),
                Text(),
                _agents(campaign),
            ),
            title=campaign.title or campaign.name,
            subtitle=f"not dialling: {picture.problem}" if picture.problem else None,
        )


def _campaign(picture: Picture) -> CampaignView | None:
    return picture.wallboard.campaigns[0] if picture.wallboard.campaigns else None


def _left(campaign: CampaignView) -> int:
    return sum(count for verdict, count in campaign.leads.items() if verdict != "done")


def _utilisation(campaign: CampaignView) -> str:
    return "-" if campaign.utilisation is None else f"{campaign.utilisation:.0%}"


def _agents_plain(campaign: CampaignView) -> str:
    return " ".join(f"{state}:{n}" for state, n in sorted(campaign.agents.items()) if n) or "none"


def _progress(picture: Picture) -> RenderableType:
    row = Table.grid(padding=(0, 1), expand=True)
    row.add_column(no_wrap=True)
    row.add_column(ratio=1)
    row.add_column(no_wrap=True)
    row.add_row(
        f"simulated {picture.played_s / 60:5.1f} of {picture.whole_s / 60:.0f} min",
        ProgressBar(total=picture.whole_s, completed=min(picture.played_s, picture.whole_s)),
        f"{picture.real_s:.0f} s real",
    )
    return row


def _counts(campaign: CampaignView, picture: Picture) -> RenderableType:
    abandon = campaign.abandon
    colour = "green" if abandon.rate <= abandon.limit else "red"
    table = Table.grid(padding=(0, 3))
    for _ in range(6):
        table.add_column(no_wrap=True)
    table.add_row("calls", "connected", "utilisation", "abandoned", "list left", "webhooks")
    table.add_row(
        Text(f"{campaign.calls:,}", "bold"),
        Text(f"{campaign.connects:,}", "bold"),
        Text(_utilisation(campaign), "bold"),
        Text(f"{abandon.rate:.2%} of {abandon.limit:.0%}", f"bold {colour}"),
        Text(f"{_left(campaign):,}", "bold"),
        Text(f"{picture.verified:,} verified", "bold"),
    )
    return table


def _lines(campaign: CampaignView) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=12)
    table.add_column(justify="right", width=4)
    table.add_column(no_wrap=True)
    for stage in _STAGES:
        count = getattr(campaign.lines, stage)
        table.add_row(stage.replace("_", " "), str(count), Text("▪" * min(count, _BAR), "blue"))
    return table


def _agents(campaign: CampaignView) -> RenderableType:
    line = Text("agents  ")
    for state in _STATES:
        count = campaign.agents.get(state, 0)
        line.append(f"{state} {count}", _COLOURS.get(state, ""))
        line.append(" " + "●" * min(count, _BAR) + "   ", _COLOURS.get(state, "dim"))
    return line


def choose_screen(json: bool) -> Screen:
    """By what there is to be shown on."""
    if json:
        return Silent()
    return Terminal() if sys.stdout.isatty() else Plain()
