"""What is sent is what the OpenAPI document says: under the names that it gives."""

from __future__ import annotations

import json

from dialer.web.customers import HoursAnswer, Window
from dialer.web.encode import encode


def test_fields_travel_under_their_names_in_the_document() -> None:
    answer = HoursAnswer(zones=["Europe/Berlin"], windows=[Window(from_="a", to="b")])
    assert json.loads(encode(answer))["windows"] == [{"from": "a", "to": "b"}]
