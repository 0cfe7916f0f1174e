"""A campaign's files on the screen: looked at, tried out while one types, and put in force.

The files stay what they are, on disk, for the command line and the next start: strategy, the
campaign's own file, the script, knowledge pages. What is saved must be right as a whole, was made
from what the file says now, and takes effect at once; who did it is on the audit log. Paths, trunks
and limits in a campaign's file are for who runs the server: they cannot be changed from here, so
that nobody reads or dials through a page what was not meant for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from dialer.campaigns.model import CampaignFile, read_campaign
from dialer.campaigns.served import Served
from dialer.campaigns.strategy.load import campaign_faults, notes, read_strategy
from dialer.campaigns.strategy.place import Strategy
from dialer.clock import outside_work
from dialer.server.face import Refused
from dialer.server.load import desk_of
from dialer.server.pages import PAGES_MAX, page_path, render, steps_of
from dialer.server.people import Seat
from dialer.server.site import CampaignDesk
from dialer.server.supervision import Audit
from dialer.store.editions import body_of, change, editions, last_lead, move_all
from dialer.store.store import Store
from dialer.tasks import Tasks
from yamlmarks import FaultLine, FileError
from yamlmarks.values import YamlFile

T = TypeVar("T")
TEXT_MAX = 50_000  # signs: a strategy of a thousand lines; JSON around it stays under BODY_MAX
FAULTS_MAX = 100
CAMPAIGN, STRATEGY, SCRIPT, PAGE = "campaign", "strategy", "script", "page:"
# What takes effect in a campaign that runs. The rest is read at the dialer's start.
LIVE = frozenset(
    {
        "title",
        "screen",
        "attempts_max",
        "retry",
        "calling_window",
        "dispositions",
        "queues",
        "escalate_to",
        "duplicates",
    }
)
_PATHS = ("script", "knowledge")  # of `screen`: where files are is not a page's to say


@dataclass(frozen=True, slots=True)
class DraftFile:
    """`file` is its name here; `base` stands for what it says now, and goes with what is saved."""

    file: str
    name: str
    text: str
    base: str
    writable: bool


@dataclass(frozen=True, slots=True)
class DraftFault:
    line: int
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class MoveCount:
    """Leads that would go from one segment to another; empty: in none."""

    old: str
    new: str
    leads: int


@dataclass(frozen=True, slots=True)
class DraftEffect:
    """What a strategy would move if everybody under way went by it. `leads` are in other versions,
    `unplaced` came before the campaign had a strategy."""

    version: str
    in_force: bool
    leads: int
    unplaced: int
    changing: int
    moves: list[MoveCount]


@dataclass(frozen=True, slots=True)
class DraftSection:
    """A step of a script, or a page, as it will look; safe HTML."""

    title: str
    required: bool
    verify: bool
    html: str


@dataclass(frozen=True, slots=True)
class DraftView:
    """What is to be said of a text. `effect` is there where it was asked for."""

    faults: list[DraftFault]
    notes: list[str]
    effect: DraftEffect | None
    sections: list[DraftSection]


@dataclass(frozen=True, slots=True)
class VersionView:
    version: str
    since: str  # ISO 8601, UTC
    leads: int  # under way in it
    current: bool


@dataclass(frozen=True, slots=True)
class MoveView:
    """A move of everybody to the version in force."""

    running: bool
    moved: int
    share: float  # 0 to 1, of the campaign's leads
    fault: str = ""


class Faulty(Refused):
    """The text is wrong; `faults` say where."""

    def __init__(self, faults: list[DraftFault]) -> None:
        super().__init__(
            "The text has faults and was not saved.", 400, "Correct what errors names."
        )
        self.faults = faults


@dataclass(frozen=True, slots=True)
class _Read:
    """A text understood: the campaign as it would be then."""

    campaign: CampaignFile | None = None
    plan: Strategy | None = None
    notes: tuple[str, ...] = ()
    sections: tuple[DraftSection, ...] = ()


class Drafting:
    """`campaigns` and `desks` are the server's own: what is saved is put in there. `paths` are the
    campaigns' files."""

    def __init__(
        self,
        store: Store,
        campaigns: MutableMapping[str, CampaignFile],
        desks: MutableMapping[str, CampaignDesk],
        paths: Mapping[str, Path],
        seats: Mapping[str, Seat],
        audit: Audit,
        tasks: Tasks,
    ) -> None:
        self._store = store
        self._campaigns = campaigns
        self._desks = desks
        self._paths = paths
        self._seats = seats
        self._audit = audit
        self._tasks = tasks
        self._saving = asyncio.Lock()
        self._moves: dict[str, MoveView] = {}

    # --- looking ----------------------------------------------------------------------------------

    async def files(self, campaign: str) -> list[DraftFile]:
        """All that there are of the campaign. Raises `Refused` for one that cannot be read."""
        known = self._campaign(campaign)
        return await self._outside(lambda: [_file(*one) for one in self._all(campaign, known)])

    def _all(self, campaign: str, known: CampaignFile) -> Iterator[tuple[str, Path]]:
        if (path := self._paths.get(campaign)) is not None:
            yield CAMPAIGN, path
        if known.strategy is not None:
            yield STRATEGY, known.strategy
        if known.screen.script is not None:
            yield SCRIPT, known.screen.script
        if (folder := known.screen.knowledge) is not None:
            pages = sorted(one for one in folder.iterdir() if page_path(folder, one.stem) == one)
            yield from ((f"{PAGE}{one.stem}", one) for one in pages[:PAGES_MAX])

    async def check(self, campaign: str, file: str, text: str, *, count: bool) -> DraftView:
        """What is wrong with a text, and what it would do; with `count` also whom it would move."""
        known, path = self._campaign(campaign), self._path(campaign, file)
        try:
            read = await self._outside(lambda: self._read(known, file, path, text))
        except FileError as error:
            return DraftView(_faults(error, path), [], None, [])
        effect = None
        if count and read.plan is not None:
            effect = await self._effect(campaign, read.plan)
        return DraftView([], list(read.notes), effect, list(read.sections))

    async def _effect(self, campaign: str, plan: Strategy) -> DraftEffect:
        found = await change(self._store, campaign, plan)
        now = self._campaigns[campaign].plan
        moves = [MoveCount(old, new, n) for (old, new), n in sorted(found.moved.items())]
        return DraftEffect(
            plan.version,
            now is not None and now.version == plan.version,
            found.leads,
            found.unplaced,
            found.changing,
            [one for one in moves if one.old != one.new],
        )

    # --- saving -----------------------------------------------------------------------------------

    async def save(self, campaign: str, file: str, text: str, base: str, who: str) -> DraftFile:
        """Put a text in force that was made from what `base` stands for. Raises `Faulty`; refused
        with 409 when the file says something else by now, or cannot be written."""
        async with self._saving:
            known, path = self._campaign(campaign), self._path(campaign, file)
            try:
                read = await self._outside(lambda: self._read(known, file, path, text))
            except FileError as error:
                raise Faulty(_faults(error, path)) from None
            if await self._outside(lambda: _base_of(path)) != base:
                raise Refused(
                    "The file was changed meanwhile.", 409, "Load it again, and make your change."
                )
            beside = await self._outside(lambda: _write_beside(path, text))
            try:
                if read.campaign is not None:
                    await self._store.add_campaign(read.campaign)
                    self._campaigns[campaign] = read.campaign
                    self._desks[campaign] = desk_of(read.campaign)
                await self._outside(lambda: beside.replace(path.resolve()))
            finally:
                beside.unlink(missing_ok=True)
            detail = {"file": file, "digest": _digest(text)}
            if read.plan is not None and file == STRATEGY:
                detail["version"] = read.plan.version
            await self._audit.audit(who, "campaign.file", campaign, detail)
            return await self._outside(lambda: _file(file, path))

    # --- versions of the strategy -----------------------------------------------------------------

    async def versions(self, campaign: str) -> list[VersionView]:
        self._campaign(campaign)
        return [
            VersionView(one.version, one.since.isoformat(), one.leads, one.current)
            for one in await editions(self._store, campaign)
        ]

    async def version(self, campaign: str, version: str) -> str:
        """The text of a version; remarks are not kept."""
        self._campaign(campaign)
        body = await body_of(self._store, campaign, version)
        if body is None:
            raise Refused("There was no such version.", 404, "See the versions.")
        return _as_text(body)

    def moving(self, campaign: str) -> MoveView | None:
        return self._moves.get(campaign)

    async def move(self, campaign: str, who: str) -> MoveView:
        """Begin to move everybody under way to the version in force; each begins anew."""
        if self._campaign(campaign).plan is None:
            raise Refused("The campaign has no strategy.", 409, "Name one in its file.")
        if (now := self._moves.get(campaign)) is not None and now.running:
            raise Refused("They are being moved already.", 409, "Wait for the end.")
        self._moves[campaign] = begun = MoveView(True, 0, 0.0)
        await self._audit.audit(who, "campaign.moved", campaign, {"version": self._now(campaign)})
        self._tasks.start("strategy: move", self._move(campaign))
        return begun

    async def _move(self, campaign: str) -> None:
        last = max(1, await last_lead(self._store, campaign))
        seen = MoveView(True, 0, 0.0)

        def looked_at(moved: int, upto: int) -> None:
            nonlocal seen
            seen = self._moves[campaign] = MoveView(True, moved, min(1.0, upto / last))

        try:
            moved = await move_all(self._store, campaign, looked_at)
            self._moves[campaign] = MoveView(False, moved, 1.0)
        except BaseException:
            fault = "It was broken off; those that were moved stay so. Begin it again."
            self._moves[campaign] = MoveView(False, seen.moved, seen.share, fault)
            raise

    # --- parts ------------------------------------------------------------------------------------

    def _now(self, campaign: str) -> str:
        plan = self._campaigns[campaign].plan
        return "" if plan is None else plan.version

    def _campaign(self, name: str) -> CampaignFile:
        known = self._campaigns.get(name)
        if known is None:
            raise Refused("There is no such campaign.", 404, "See /v1/campaigns.")
        return known

    def _path(self, campaign: str, file: str) -> Path:
        """Where a file is: only what the campaign names, and pages in its folder."""
        known = self._campaigns[campaign]
        path: Path | None = None
        if file == CAMPAIGN:
            path = self._paths.get(campaign)
        elif file == STRATEGY:
            path = known.strategy
        elif file == SCRIPT:
            path = known.screen.script
        elif file.startswith(PAGE) and known.screen.knowledge is not None:
            path = page_path(known.screen.knowledge, file.removeprefix(PAGE), new=True)
        if path is None:
            raise Refused("The campaign has no such file.", 404, "See its files.")
        return path

    def _read(self, known: CampaignFile, file: str, path: Path, text: str) -> _Read:
        """Raises `FileError` with all that is wrong."""
        data = text.encode("utf-8", "replace")
        if file == STRATEGY:
            yaml_file = YamlFile(path, data)
            plan = read_strategy(yaml_file)
            if found := campaign_faults(yaml_file, plan, Served(known, self._queues(known.name))):
                raise FileError(found)
            return _Read(known.with_plan(plan), plan, tuple(notes(plan)))
        if file == CAMPAIGN:
            yaml_file = YamlFile(path, data)
            fresh = read_campaign(yaml_file)
            if found := list(_fixed(yaml_file, known, fresh)):
                raise FileError(found)
            return _Read(fresh)
        if file == SCRIPT:
            steps = steps_of(text)
            sections = tuple(DraftSection(s.title, s.required, s.verify, s.html) for s in steps)
            return _Read(sections=sections)
        return _Read(sections=(DraftSection("", False, False, render(text)),))

    def _queues(self, campaign: str) -> Sequence[tuple[str, ...]]:
        return [one.queues for one in self._seats.values() if campaign in one.campaigns]

    async def _outside(self, work: Callable[[], T]) -> T:
        """In a thread: files and YAML take their time, and people are on the line."""
        try:
            with outside_work():
                return await asyncio.to_thread(work)
        except OSError as error:
            raise Refused(
                f"The file cannot be used: {error.strerror or 'unknown reason'}.",
                409,
                "Ask who runs the server.",
            ) from None


def _fixed(file: YamlFile, known: CampaignFile, fresh: CampaignFile) -> Iterator[str]:
    """What a page must not change."""
    text = "is read at the dialer's start only: change it on the server, or leave it as it was"
    for name in CampaignFile.model_fields:
        if name not in LIVE and getattr(known, name) != getattr(fresh, name):
            yield file.fault((name,), text)
    for name in _PATHS:
        if getattr(known.screen, name) != getattr(fresh.screen, name):
            yield file.fault(("screen", name), text)


def _faults(error: FileError, path: Path) -> list[DraftFault]:
    """Faults of another file (the strategy's, seen from the campaign's) stand on no line here."""
    found = []
    for one in error.faults[:FAULTS_MAX]:
        if isinstance(one, FaultLine) and one.path == path:
            found.append(DraftFault(one.line, one.field, one.text))
        elif isinstance(one, FaultLine):
            found.append(DraftFault(1, "", f"{one.path.name}, line {one.line}: {one.text}"))
        else:
            found.append(DraftFault(1, "", one.removeprefix(f"{path}: ")))
    return found


def _as_text(body: Mapping[str, Any]) -> str:
    text: str = yaml.safe_dump(dict(body), sort_keys=False, allow_unicode=True, width=100)
    return text


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def _base_of(path: Path) -> str:
    """Empty: there is no such file yet."""
    with contextlib.suppress(FileNotFoundError):
        return _digest(path.read_text("utf-8", "replace"))
    return ""


def _file(file: str, path: Path) -> DraftFile:
    text = path.read_text("utf-8", "replace")
    writable = os.access(path, os.W_OK) and os.access(path.resolve().parent, os.W_OK)
    fits = len(text) <= TEXT_MAX
    return DraftFile(file, path.name, text if fits else "", _digest(text), writable and fits)


def _write_beside(path: Path, text: str) -> Path:
    """In the same folder, on disk, with the same rights."""
    real = path.resolve()
    handle, name = tempfile.mkstemp(prefix=f".{real.name}.", dir=real.parent)
    beside = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        with contextlib.suppress(FileNotFoundError):
            beside.chmod(real.stat().st_mode & 0o777)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return beside
