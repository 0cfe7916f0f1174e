"""What the dialer remembers: leads, attempts, sessions, the account of abandons, the CRM's outbox.

`Store` is the face; `dialer.store.policy` says what it must be told of a campaign. The names are
brought in when they are asked for (PEP 562): `dialer.campaigns` needs the schema's vocabulary, and
the store's other modules need `dialer.campaigns`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dialer.store.claims import ListCounts
    from dialer.store.context import CRM_TYPES
    from dialer.store.database import StoreError
    from dialer.store.migrate import upgrade
    from dialer.store.policy import NextStep, Policy, Verdict
    from dialer.store.staged import Duplicate, StagedLead, StagedPhone
    from dialer.store.store import Store
    from dialer.store.writer import Commit, StoreClosed, StoreFull

_WHERE = {
    "CRM_TYPES": "context",
    "Commit": "writer",
    "Duplicate": "staged",
    "ListCounts": "claims",
    "NextStep": "policy",
    "Policy": "policy",
    "StagedLead": "staged",
    "StagedPhone": "staged",
    "Store": "store",
    "StoreClosed": "writer",
    "StoreError": "database",
    "StoreFull": "writer",
    "Verdict": "policy",
    "upgrade": "migrate",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(name)
    return getattr(import_module(f"dialer.store.{_WHERE[name]}"), name)


__all__ = [
    "CRM_TYPES",
    "Commit",
    "Duplicate",
    "ListCounts",
    "NextStep",
    "Policy",
    "StagedLead",
    "StagedPhone",
    "Store",
    "StoreClosed",
    "StoreError",
    "StoreFull",
    "Verdict",
    "upgrade",
]
