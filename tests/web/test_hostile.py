"""What a list may bring along, and what a client may send too much of."""

from __future__ import annotations

from dataclasses import replace

from tests.web.conftest import Desk
from tests.web.fake_face import ADA

HOSTILE = "<script>alert(1)</script>"


async def test_a_script_in_a_leads_name_is_text(desk: Desk) -> None:
    """It travels as JSON that no browser takes for a page, under a policy that runs no script of
    anybody's but ours."""
    token = await desk.log_in()
    lead = replace(ADA, name=HOSTILE, fields={HOSTILE: HOSTILE})
    desk.face.call_arrives("ada", lead)
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/html"}
    async with desk.http.get("/v1/agent", headers=headers) as answer:
        assert answer.content_type == "application/json"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        policy = answer.headers["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "default-src 'none'" in policy
        assert (await answer.json())["agent"]["call"]["lead"]["name"] == HOSTILE


async def test_more_than_is_honest_is_refused(desk: Desk) -> None:
    token = await desk.log_in()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    for path, body in (
        ("/v1/agent/status", b'{"status": "' + b"x" * 70_000 + b'"}'),
        ("/v1/session", b'{"name": "' + b"x" * 70_000 + b'"}'),
        ("/v1/agent/help", b'{"text": "' + b"x" * 70_000 + b'"}'),
    ):
        async with desk.http.post(path, data=body, headers=headers) as answer:
            assert answer.status == 413, path
            assert (await answer.json())["mend"]
    async with desk.http.get("/v1/session", headers={"Cookie": "overdial=" + "x" * 7000}) as answer:
        assert (await answer.json())["signed_in"] is False
