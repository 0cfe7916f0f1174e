"""What the catalogue of events promises the dialer says: one shift, and what the CRM heard of it.

Told of elsewhere, because it takes another floor: transfers, holds and listening in
(`test_transfers`, `tests/core/test_hold`, `test_monitoring`), recordings (`test_recordings`), the
alarm of the law's limits (`test_alarms`), an abandoned call (`tests/store/test_calls`), a step of a
strategy (`tests/strategy/test_store`), a list (`tests/store/test_batches`) and the bridge's trial
of an endpoint (`tests/crm_bridge/test_cli`).
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jsonschema import Draft202012Validator

from crm_bridge.catalogue import schema
from crm_bridge.events import Type
from dialer.core.states import AgentState
from dialer.server.face import CampaignAction, SaidView
from dialer.server.intake import Stop, StopKind
from tests.ami.virtual import virtual
from tests.server.stage import Stage, stage
from tests.server.test_by_hand import MANUAL, WORDS, state, talk
from tests.server.test_telling import Ear

ELSEWHERE = {
    Type.CALL_TRANSFERRED, Type.CALL_MONITORED, Type.CALL_ABANDONED, Type.STRATEGY_STEP,
    Type.LIST_IMPORT_FINISHED, Type.BRIDGE_TEST, Type.CALL_HELD, Type.CALL_UNHELD,
    Type.RECORDING_READY, Type.CAMPAIGN_COMPLIANCE_ALARM,
}  # fmt: skip
PEOPLE = [f"+4930{n:05d}{'404' if n == 5 else '200'}" for n in range(6)]
DISPUTE = {"code": "dispute", "label": "Disputes", "requires": ["reason"], "emits": "dispute"}


async def call(it: Stage, account: str, code: str, **more: Any) -> str:
    """Anna calls an account, talks, and says how it went; the attempt."""
    face = it.server.reception
    await it.until("she is free", lambda: state(it) is AgentState.READY)
    await face.dial("anna", "spring", external_id=account)
    attempt = await talk(it)
    await face.dispose("anna", attempt, code, more.pop("callback_at", ""), "", **more)
    view = face.agent_view("anna")  # in wrap-up the call goes with the word: this is what tells it
    assert view is not None
    assert view.said == SaidView(attempt, code)
    return attempt


@virtual
async def test_every_type_is_told_in_some_conversation(tmp_path: Path) -> None:
    words = MANUAL | {"dispositions": [*WORDS["dispositions"], DISPUTE]}
    async with stage(tmp_path, PEOPLE, agents=("anna",), more=words) as it:
        ear = Ear()
        it.server._telling.bridge = ear  # type: ignore[assignment]
        it.server.store.context.crm_types = frozenset(Type)
        await it.everybody_ready()
        later = datetime(2027, 3, 1, 9, 0, tzinfo=ZoneInfo("Europe/Berlin"))
        day = (it.server.clock.utc() + timedelta(days=1)).date().isoformat()
        await call(it, "A0", "promise", amount="12.50", due_on=day)
        await call(it, "A1", "promise", amount="10.00", due_on=day)
        await call(it, "A2", "callback", callback_at=later.isoformat(), mine=True)
        await call(it, "A3", "dispute", reason="not mine")
        await call(it, "A4", "stop")
        await it.until("she is free", lambda: state(it) is AgentState.READY)
        await it.server.reception.dial("anna", "spring", external_id="A5")  # nobody has it
        await it.until("the call is over", lambda: len(it.outcomes()) == 6)
        await it.act(CampaignAction.PAUSE)
        await it.server.store.flush()
        await it.server.store.database.write(  # as if it were to be called again
            lambda c: c.exec_driver_sql(
                "UPDATE leads SET state = 'waiting' WHERE external_id = 'A0'"
            )
        )
        await it.server.intake.stop(Stop(StopKind.PAID, "crm", "A0", "p"), None)
        await it.server.engine.door.settled()
        await it.server.store.flush()
        await it.server.store.database.write(
            lambda c: c.exec_driver_sql("UPDATE callbacks SET anyone_ms = due_ms")
        )
        for days in (1, 30):  # the hopper's look at what was left behind
            await it.server.store.late_callbacks(later + timedelta(days=days))
            await it.server.store.late_promises(later + timedelta(days=days))
        told = it.rows("SELECT type, data FROM crm_event ORDER BY seq")
        heard = [(row["type"], json.loads(row["data"])) for row in told]
        heard += [(one.type, json.loads(json.dumps(one.data))) for one in ear.heard]
    assert {type_ for type_, _ in heard} >= set(Type) - ELSEWHERE
    for type_, data in heard:
        Draft202012Validator(schema(type_)).validate(data)
    once = [type_ for type_, _ in heard if type_.startswith(("callback.", "promise."))]
    assert sorted(once) == [
        "callback.due", "callback.missed", "callback.scheduled",
        "promise.broken", "promise.created", "promise.created", "promise.kept",
    ]  # fmt: skip
    assert [d["why"] for t, d in heard if t == Type.LEAD_SUPPRESSED] == ["paid"]
    assert {d["agent"] for t, d in heard if t == Type.CALL_RINGING} == {"anna"}
