"""A campaign's files from the screen: faults by line, whom an edit moves, what is put in force."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from dialer.server.drafting import Drafting, Faulty, MoveView
from dialer.server.face import Refused
from tests.ami.virtual import virtual
from tests.server.stage import CAMPAIGN, Stage, stage
from tests.strategy.making import body

NUMBERS = ["+4930000000100", "+4930000000101", "+4930000000102"]  # nobody answers
RICH = {"f": "balance", "gte": 400}


def text_of(**changes: Any) -> str:
    one = body(**changes)
    one["treatments"]["one"]["steps"] = [
        step for step in one["treatments"]["one"]["steps"] if step["id"] != "desk"
    ]
    return "# who is called when\n" + yaml.safe_dump(one, sort_keys=False)


def left_behind(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.name.startswith(".")]


@asynccontextmanager
async def desk(folder: Path) -> AsyncIterator[tuple[Stage, Drafting]]:
    (folder / "plan.yaml").write_text(text_of())
    (folder / "script.md").write_text("## Greeting {required}\nGood day.\n")
    (folder / "pages").mkdir()
    (folder / "pages" / "pay.md").write_text("# Ways to pay\n")
    more = {
        "strategy": "plan.yaml",
        "screen": {"script": "script.md", "knowledge": "pages"},
        "mode": "manual",
        "pacer": "",
        "pacer_options": {},
    }
    fields = {"balance": "482.10"}
    async with stage(folder, NUMBERS, agents=("anna",), more=more, fields=fields) as it:
        yield it, it.server._house.drafting


@virtual
async def test_a_fault_is_named_by_line_and_field_and_nothing_is_written(tmp_path: Path) -> None:
    async with desk(tmp_path) as (it, drafting):
        before = (tmp_path / "plan.yaml").read_text()
        files = {one.file: one for one in await drafting.files(CAMPAIGN)}
        assert list(files) == ["campaign", "strategy", "script", "page:pay"]
        wrong = before.replace("tactic: t", "tactic: tt", 1)
        seen = await drafting.check(CAMPAIGN, "strategy", wrong, count=True)
        (fault,) = seen.faults
        assert (fault.line, fault.field) == (
            wrong.splitlines().index("      tactic: tt") + 1,
            "treatments.one.steps[0].tactic",
        )
        assert fault.message == "there is no tactic tt: did you mean t?"
        assert seen.effect is None
        with pytest.raises(Faulty) as refused:
            await drafting.save(CAMPAIGN, "strategy", wrong, files["strategy"].base, "max")
        assert refused.value.faults == seen.faults
        broken = await drafting.check(CAMPAIGN, "strategy", "a: [1,\nb", count=True)
        assert [one.line for one in broken.faults] == [2]
        assert (tmp_path / "plan.yaml").read_text() == before
        assert not it.rows("SELECT * FROM audit_log WHERE action = 'campaign.file'")


@virtual
async def test_an_edit_says_whom_it_moves_and_moves_them_when_asked(tmp_path: Path) -> None:
    async with desk(tmp_path) as (it, drafting):
        (old,) = await drafting.versions(CAMPAIGN)
        assert (old.leads, old.current) == (3, True)
        base = next(o.base for o in await drafting.files(CAMPAIGN) if o.file == "strategy")
        edit = text_of(
            segments=[
                {"id": "rich", "when": RICH, "treatment": "one"},
                {"id": "all", "when": True, "treatment": "one"},
            ]
        )
        seen = await drafting.check(CAMPAIGN, "strategy", edit, count=True)
        assert seen.effect is not None
        assert not seen.effect.in_force
        assert (seen.effect.leads, seen.effect.changing) == (3, 3)
        assert [(m.old, m.new, m.leads) for m in seen.effect.moves] == [("all", "rich", 3)]

        saved = await drafting.save(CAMPAIGN, "strategy", edit, base, "max")
        assert (tmp_path / "plan.yaml").read_text() == edit == saved.text
        assert left_behind(tmp_path) == []
        new, before = await drafting.versions(CAMPAIGN)
        assert (new.version, new.leads, new.current) == (seen.effect.version, 0, True)
        assert (before.leads, before.current) == (3, False)
        with pytest.raises(Refused, match="changed meanwhile"):
            await drafting.save(CAMPAIGN, "strategy", text_of(), base, "mia")

        assert (await drafting.move(CAMPAIGN, "max")).running
        with pytest.raises(Refused, match="already"):
            await drafting.move(CAMPAIGN, "max")

        def move() -> MoveView:
            found = drafting.moving(CAMPAIGN)
            assert found is not None
            return found

        await it.until("the move", lambda: not move().running)
        moved = move()
        assert (moved.moved, moved.share, moved.fault) == (3, 1.0, "")
        rows = it.rows("SELECT DISTINCT segment FROM lead_steps")
        assert [row["segment"] for row in rows] == ["rich"]

        older = await drafting.version(CAMPAIGN, before.version)
        assert (await drafting.check(CAMPAIGN, "strategy", older, count=True)).effect is not None
        back = await drafting.save(CAMPAIGN, "strategy", older, saved.base, "max")
        assert {o.version: o.current for o in await drafting.versions(CAMPAIGN)} == {
            before.version: True,
            new.version: False,
        }
        assert back.text == older
        actions = it.rows(
            "SELECT who, object, detail FROM audit_log WHERE action LIKE 'campaign.%'"
        )
        assert [row["who"] for row in actions] == ["max", "max", "max"]


@virtual
async def test_dispositions_are_there_at_once_and_what_is_the_servers_stays(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path) as (it, drafting):
        file = tmp_path / "campaign.yaml"
        raw = yaml.safe_load(file.read_text())
        base = (await drafting.files(CAMPAIGN))[0].base

        def changed(**fields: Any) -> str:
            return yaml.safe_dump({**raw, **fields})

        for more, where in (
            ({"trunk": "other"}, "trunk"),
            ({"abandon_limit": 0.999}, "abandon_limit"),
            ({"strategy": "../../secret.yaml"}, "strategy"),
            ({"screen": {"script": "/etc/passwd", "knowledge": "pages"}}, "screen.script"),
            ({"screen": {"script": "script.md", "knowledge": "."}}, "screen.knowledge"),
            ({"compliance": {}}, "compliance"),
        ):
            faults = (
                await drafting.check(CAMPAIGN, "campaign", changed(**more), count=False)
            ).faults
            assert [one.field for one in faults] == [where], more

        offers = [*raw["dispositions"], {"code": "moved", "label": "Has moved"}]
        await drafting.save(CAMPAIGN, "campaign", changed(dispositions=offers), base, "max")
        offered = it.server.reception._desks[CAMPAIGN].dispositions
        assert [one.code for one in offered] == ["done", "stop", "moved"]
        known = it.server.store.context.campaigns[CAMPAIGN].policy
        assert known.after_disposition("moved", None, it.server.clock.utc())


@virtual
async def test_pages_are_only_where_pages_are(tmp_path: Path) -> None:
    async with desk(tmp_path) as (it, drafting):
        (tmp_path / "secret.md").write_text("secret")
        (tmp_path / "pages" / "link.md").symlink_to(tmp_path / "secret.md")
        for name in ("page:../secret", "page:link", "page:..", "page:", "other", "page:a/b"):
            with pytest.raises(Refused) as refused:
                await drafting.save(CAMPAIGN, name, "mine", "", "max")
            assert refused.value.status == 404, name
        assert (tmp_path / "secret.md").read_text() == "secret"
        with pytest.raises(Refused, match="no such campaign"):
            await drafting.check("autumn", "script", "", count=False)

        made = await drafting.save(CAMPAIGN, "page:new", "# New\n<b>x</b>", "", "max")
        assert (tmp_path / "pages" / "new.md").read_text() == made.text
        with pytest.raises(Refused, match="changed meanwhile"):
            await drafting.save(CAMPAIGN, "page:new", "# Other", "", "max")
        seen = await drafting.check(CAMPAIGN, "script", "## Who {verify}\n<i>x</i>", count=False)
        (section,) = seen.sections
        assert (section.title, section.verify) == ("Who", True)
        assert "<i>" not in section.html
        assert left_behind(tmp_path) == []
        assert it.server.reception.campaigns()
