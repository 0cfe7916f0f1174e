"""From a stored event to the bytes of one request: the body as the endpoint wants it.

Rendering happens at the time of sending, so that what was stored can be sent again in a corrected
form. `data` is the JSON text as stored and is passed through without being parsed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum

from crm_bridge.events import utc_text

CLOUDEVENTS_PREFIX = "io.overdial."


class Format(StrEnum):
    STANDARD = "standard"  # Standard Webhooks: {type, timestamp, sequence, data}
    CLOUDEVENTS = "cloudevents"  # structured mode, CloudEvents 1.0

    @property
    def content_type(self) -> str:
        return _CONTENT_TYPE[self]


_CONTENT_TYPE: Mapping[Format, str] = {
    Format.STANDARD: "application/json",
    Format.CLOUDEVENTS: "application/cloudevents+json",
}


def body(
    format_: Format,
    *,
    id_: str,
    type_: str,
    at: float,
    key: str,
    seq: int | None,
    data: str,
    source: str,
) -> bytes:
    """`at` is UTC seconds of the happening; `seq` None for events that have no number."""
    time = utc_text(datetime.fromtimestamp(at, UTC))
    if format_ is Format.STANDARD:
        sequence = "" if seq is None else f'"sequence":{seq},'
        return f'{{"type":"{type_}","timestamp":"{time}",{sequence}"data":{data}}}'.encode()
    head: dict[str, object] = {
        "specversion": "1.0",
        "id": id_,
        "source": source,
        "type": CLOUDEVENTS_PREFIX + type_,
        "subject": key,
        "time": time,
        "datacontenttype": "application/json",
        "partitionkey": key,
    }
    if seq is not None:
        head["sequence"] = f"{seq:020d}"  # compared as text, so padded
    return (json.dumps(head, separators=(",", ":"))[:-1] + f',"data":{data}}}').encode()
