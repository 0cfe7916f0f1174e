"""The compliance gate. Pure: no I/O, no clock; rules are data (`packs`)."""

from dialer.campaigns.compliance.decide import check, decide, not_dialling
from dialer.campaigns.compliance.facts import (
    Allow,
    CampaignFacts,
    Deny,
    LeadFacts,
    Override,
    PastCall,
    PhoneFacts,
    Verdict,
)
from dialer.campaigns.compliance.rules import Pack

__all__ = [
    "Allow",
    "CampaignFacts",
    "Deny",
    "LeadFacts",
    "Override",
    "Pack",
    "PastCall",
    "PhoneFacts",
    "Verdict",
    "check",
    "decide",
    "not_dialling",
]
