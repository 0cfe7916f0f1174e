"""What the dialer remembers: leads, attempts, sessions, the account of abandons, the CRM's outbox.

`Store` is the face; `dialer.store.policy` says what it must be told of a campaign.
"""

from dialer.store.claims import ListCounts
from dialer.store.context import CRM_TYPES
from dialer.store.database import StoreError
from dialer.store.migrate import upgrade
from dialer.store.policy import NextStep, Policy, Verdict
from dialer.store.staged import Duplicate, StagedLead, StagedPhone
from dialer.store.store import Store
from dialer.store.writer import Commit, StoreClosed, StoreFull

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
