"""The API keeps what its document promises: schemathesis asks, with good requests and bad ones."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_schema_conformance,
    status_code_conformance,
)

from dialer.server.app import Launch, Server
from dialer.server.intake import Scope
from dialer.server.load import load_site
from dialer.web.inbound import INBOUND
from dialer.web.lists import LISTS
from simulator.pbx import AmiServer, contract_users
from simulator.pbx.party import Scripted
from tests.inbound.conftest import TOKEN
from tests.server.stage import Stage

_START_S = 30.0
EXAMPLES = 20
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    ignored_auth,
]


def _serve(folder: Path, said: dict[str, Any], up: threading.Event) -> None:
    """A dialer on a loop of its own, until `said["stop"]`."""

    async def main() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        said["stop"] = lambda: loop.call_soon_threadsafe(stop.set)
        pbx = AmiServer(Scripted(None), contract_users("c", "e"), harbour_s=3.0)
        await pbx.start()
        it = Stage(folder, pbx, ("anna",), amd=False)
        site = yaml.safe_load((folder / "dialer.yaml").read_text())
        scopes = [one.value for one in Scope]
        site["web"] = {"port": 0, "tokens": {"crm": {"token": TOKEN, "scopes": scopes}}}
        (folder / "dialer.yaml").write_text(yaml.safe_dump(site))
        await it.load([f"+4930{n:05d}204" for n in range(4)])
        server = Server(*load_site(folder / "dialer.yaml"), Launch(durable=False))
        try:
            await server.start()
            said["url"] = server.url
            up.set()
            await stop.wait()
            said["fault"] = server.engine.fault
        finally:
            await server.close()
            await pbx.stop()

    asyncio.run(main())


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    said: dict[str, Any] = {}
    up = threading.Event()
    folder = tmp_path_factory.mktemp("api")
    thread = threading.Thread(target=_serve, args=(folder, said, up), name="dialer", daemon=True)
    thread.start()
    assert up.wait(_START_S), "the dialer did not start"
    yield schemathesis.openapi.from_url(f"{said['url']}/v1/openapi.json")
    said["stop"]()
    thread.join(_START_S)
    assert not thread.is_alive()
    assert said["fault"] == "", "something a program sent stopped the dialling"


ASKED = [
    *((route.method, route.path) for route in INBOUND),
    *((route.method, route.path) for route in LISTS if route.takes is not None),
    ("POST", "/v1/campaigns/{campaign}/{action}"),
]


@pytest.mark.parametrize(("method", "path"), ASKED)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_the_document_is_kept(document: Any, method: str, path: str, mode: GenerationMode) -> None:
    operation = document[path][method]

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        case.call_and_validate(headers=headers, checks=CHECKS, timeout=_START_S)

    ask()
