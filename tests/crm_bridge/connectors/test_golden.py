"""The exact requests of every shipped connector. After a change that is meant, write them anew:

python -m tests.crm_bridge.connectors.test_golden
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from crm_bridge.mapping.context import Told
from crm_bridge.mapping.load import example, load_connector, shipped
from crm_bridge.mapping.preview import preview
from crm_bridge.outbox import encode
from crm_bridge.ports import LoopClock
from tests.crm_bridge.connectors.samples import each

GOLDEN = Path(__file__).parent / "golden"
# ids that earlier events of the call brought
KNOWN = {"disposition.set": {"call": "9001", "ticket": "8001"}}
CASES = [
    (connector, name)
    for connector in shipped()
    for name, event in each().items()
    if event.type in load_connector(connector).events
]


def requests(connector: str, name: str) -> str:
    event = each()[name]
    told = Told(
        event.id, event.type, event.time.timestamp(), event.key, 12, json.loads(encode(event.data))
    )

    async def made() -> str:
        bound = example(load_connector(connector))
        shown = preview(bound, told, KNOWN.get(name, {}), LoopClock())
        return "\n".join(one.text() for one in shown)

    return asyncio.run(made())


@pytest.mark.parametrize(("connector", "name"), CASES)
def test_a_request_is_what_it_was(connector: str, name: str) -> None:
    path = GOLDEN / connector / f"{name}.txt"
    assert requests(connector, name) == path.read_text(encoding="utf-8")


def test_every_event_a_connector_takes_has_a_golden_request() -> None:
    for connector in shipped():
        have = {path.stem.partition("-")[0] for path in (GOLDEN / connector).iterdir()}
        assert have == set(load_connector(connector).events) - {"bridge.test"}


def test_no_secret_is_shown() -> None:
    for connector, name in CASES:
        text = requests(connector, name)
        for setting in load_connector(connector).settings.values():
            if setting.secret:
                assert isinstance(setting.example, str)
                assert setting.example
                assert setting.example not in text


if __name__ == "__main__":
    for one, event_name in CASES:
        where = GOLDEN / one / f"{event_name}.txt"
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text(requests(one, event_name), encoding="utf-8")
