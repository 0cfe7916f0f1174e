"""The CRM bridge's operations as `dialer.web` sees them: what is delivered, and sending again."""

from __future__ import annotations

from typing import Protocol

from crm_bridge.config import Endpoint
from crm_bridge.deadletters import Selection
from crm_bridge.desk import (
    AttemptView,
    DeliveryView,
    Detail,
    EndpointView,
    RequestView,
    Tried,
)


class BridgeDesk(Protocol):
    """`crm_bridge.desk.Desk` is it. Nothing of it shows personal data or a secret."""

    def endpoint(self, name: str) -> Endpoint | None: ...

    async def endpoints(self) -> list[EndpointView]: ...

    async def deliveries(
        self, *, endpoint: str = "", state: str = "", type_: str = "", before: int = 0, limit: int
    ) -> list[DeliveryView]: ...

    async def detail(self, endpoint: str, seq: int) -> Detail | None: ...

    async def replay(self, chosen: Selection) -> int: ...

    async def enable(self, endpoint: str) -> bool: ...

    async def test(self, endpoint: Endpoint) -> Tried: ...


__all__ = [
    "AttemptView",
    "BridgeDesk",
    "DeliveryView",
    "Detail",
    "Endpoint",
    "EndpointView",
    "RequestView",
    "Selection",
    "Tried",
]
