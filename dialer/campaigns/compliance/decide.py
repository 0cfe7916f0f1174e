"""The gate: may this lead be called on this phone for this campaign now? Pure.

Every rule of every pack that any of the lead's possible places and the campaign's purpose bring in
must allow the call: the strictest wins. Asked at the list's dry run, at the claim, when the attempt
is written ahead (which reserves its place under the caps), and in the step in which the Originate
leaves.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from dialer.campaigns.compliance import caps, windows
from dialer.campaigns.compliance.facts import (
    Allow,
    CampaignFacts,
    Deny,
    LeadFacts,
    PhoneFacts,
    Verdict,
)
from dialer.campaigns.compliance.places import (
    joined_zones,
    toll_free,
    whereabouts,
)
from dialer.campaigns.compliance.rules import AbandonRule, CapRule, ListRule, Pack, WindowRule

SUPPRESSED = "the number is on the do-not-call list"
OWN = "own/"  # rules of this program, which no override sets aside
LIST_AGAIN = timedelta(minutes=10)  # a list that is missing or stale may be loaded meanwhile


def decide(lead: LeadFacts, phone: PhoneFacts, campaign: CampaignFacts, now: datetime) -> Verdict:
    """`Allow`, or the `Deny` that stands longest. With an override, denials are set aside and kept
    in the `Allow`, except our own: the do-not-call list, and a place that is not known."""
    denials = check(lead, phone, campaign, now)
    if not denials:
        return Allow()
    final = next((deny for deny in denials if deny.final), None)
    if final is not None:
        return final
    if campaign.override is not None:
        denials, set_aside = (
            [deny for deny in denials if deny.rule.startswith(OWN)],
            tuple(deny for deny in denials if not deny.rule.startswith(OWN)),
        )
        if not denials:
            return Allow(set_aside)
    never = next((deny for deny in denials if deny.retry_at is None), None)
    if never is not None:
        return never
    longest = max(denials, key=lambda deny: deny.retry_at or now)
    at = longest.retry_at or now
    lead, places = _situated(lead, phone, campaign)
    bound = _bound(campaign, places, now)
    hours = [rule for _, rule in bound.windows]
    opens = windows.next_open(hours, lead.zones, at) if lead.zones else None
    return Deny(longest.rule, longest.reason, opens)


def next_legal(
    lead: LeadFacts, phone: PhoneFacts, campaign: CampaignFacts, at: datetime
) -> datetime | None:
    """The first moment from `at` on that is within the law's calling hours; None: not soon."""
    lead, places = _situated(lead, phone, campaign)
    if not lead.zones:
        return None
    bound = _bound(campaign, places, at)
    hours = [rule for _, rule in bound.windows]
    return windows.next_open(hours, lead.zones, at) if hours else at


def check(lead: LeadFacts, phone: PhoneFacts, campaign: CampaignFacts, now: datetime) -> list[Deny]:
    """Every denial there is, for those who want to know why not."""
    found: list[Deny] = []
    if phone.suppressed:
        found.append(Deny("own/do-not-call", SUPPRESSED, final=True))
    if toll_free(phone.number):
        found.append(
            Deny("own/toll-free", "a free number rings nobody knows where: not dialled by itself")
        )
    if not phone.automatic and not campaign.by_hand:
        found.append(Deny("own/no-consent", "nobody agreed to automatic calls to this number"))
    if not lead.zones and not (campaign.by_hand and campaign.wide_zones):
        found.append(Deny("own/unknown-zone", "the time zone is not known: not dialled by itself"))
        return found
    lead, places = _situated(lead, phone, campaign)
    rules = _Rules(campaign)
    bound = _of_places(rules, places, now.toordinal())
    if bound.windows:
        found.extend(_closed(rules, places, lead.zones, now))
    for pack, cap in bound.caps:
        over = caps.breached(cap, lead, phone, campaign.guaranteed_agent, now)
        if over is not None:
            found.append(Deny(f"{pack.pack}/{cap.id}", _too_often(pack, cap, over[0]), over[1]))
    for pack, wanted in bound.lists:
        stale = stale_list(wanted, campaign, now)
        if stale and wanted.must:
            found.append(Deny(f"{pack.pack}/{wanted.id}", stale, now + LIST_AGAIN))
        if wanted.list in phone.lists:
            found.append(
                Deny(f"{pack.pack}/{wanted.id}", f"the number is on the list {wanted.list}")
            )
    for pack in bound.ringing:
        if campaign.ring_limit_s < pack.ring_min:
            found.append(
                Deny(
                    f"{pack.pack}/ring",
                    f"{pack.title} wants {pack.ring_min:g} s of ringing: raise ring_limit_s",
                    now + LIST_AGAIN,
                )
            )
    if campaign.unaudited and not campaign.by_hand:
        for pack in bound.audited:
            found.append(Deny(f"{pack.pack}/amd", _unaudited(pack), now + LIST_AGAIN))
    return found


def abandon_rules(campaign: CampaignFacts, now: datetime) -> tuple[tuple[Pack, AbandonRule], ...]:
    """The limits on abandoned calls that bind the campaign, by its purpose and its country."""
    return _bound(campaign, frozenset({campaign.default_region}), now).abandoned


def not_dialling(campaign: CampaignFacts, now: datetime) -> str:
    """Why the campaign as a whole must not dial: a list its country wants is not there. Or ""."""
    if campaign.override is not None or not campaign.default_region:
        return ""
    places = frozenset({campaign.default_region})
    for _, rule in _bound(campaign, places, now).lists:
        if rule.must and (why := stale_list(rule, campaign, now)):
            return why
    if campaign.unaudited and (wanting := _bound(campaign, places, now).audited):
        return _unaudited(wanting[0])
    return ""


def _unaudited(pack: Pack) -> str:
    return (
        f"{pack.title} counts people taken for machines as abandoned: say amd_audit "
        "(calls that were listened to, and in how many a person was taken for one), or amd: false"
    )


def stale_list(rule: ListRule, campaign: CampaignFacts, now: datetime) -> str:
    """Why a do-not-call list cannot be relied on, with the mend; "" when it can."""
    fetched = campaign.lists_fetched.get(rule.list)
    mend = f"run: dialer compliance load-list {rule.list} FILE"
    if fetched is None:
        return f"the do-not-call list {rule.list} is not loaded; {mend}"
    age = now - fetched
    if age > timedelta(seconds=rule.max_age):
        return (
            f"the do-not-call list {rule.list} is {age.days} days old, "
            f"{rule.max_age / 86400:g} at most; {mend}"
        )
    return ""


def _situated(
    lead: LeadFacts, phone: PhoneFacts, campaign: CampaignFacts
) -> tuple[LeadFacts, frozenset[str]]:
    """The lead in all zones it may be in, those of its address among them, and its places. One
    whose zone nobody knows is in any zone of the country."""
    places, more = whereabouts(phone.number, lead.fields)
    zones = lead.zones or campaign.wide_zones
    if more:
        zones = joined_zones(zones, more)
    if zones != lead.zones:
        lead = LeadFacts(lead.lead_id, zones, lead.fields, lead.history)
    return lead, places


def _too_often(pack: Pack, rule: CapRule, count: int) -> str:
    days = rule.window / 86400
    span = {
        "rolling": f"within {rule.window / 3600:g} hours",
        "consecutive_days": "on one day" if days == 1 else f"within {days:g} days",
        "calendar_month": "within the month",
    }[rule.anchor.value]
    return (
        f"{pack.title} ({rule.id}): {rule.limit} {rule.unit.value}"
        f"{'s' if rule.limit > 1 else ''} per {rule.scope.value} {span}; {count} counted"
    )


def _bound(campaign: CampaignFacts, places: frozenset[str], now: datetime) -> _Chosen:
    """The rules that bind a call to somebody in `places`."""
    return _of_places(_Rules(campaign), places, now.toordinal())


class _Rules:
    """Packs and purpose as a key: two campaigns of one version and purpose have the same rules."""

    __slots__ = ("key", "packs")

    def __init__(self, campaign: CampaignFacts) -> None:
        self.packs = campaign.packs
        self.key = (campaign.version, campaign.purpose)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Rules) and self.key == other.key


@lru_cache(maxsize=1024)  # the leads of one claim are asked for in one moment
def _closed(rules: _Rules, places: frozenset[str], zones: str, now: datetime) -> tuple[Deny, ...]:
    """The calling hours that keep calls from going to these places now."""
    return tuple(
        Deny(
            f"{pack.pack}/{rule.id}",
            f"outside the calling hours of {pack.title} ({rule.id})",
            windows.next_open([rule], zones, now),
        )
        for pack, rule in _of_places(rules, places, now.toordinal()).windows
        if not windows.open_at(rule, zones, now)
    )


class _Chosen(NamedTuple):
    windows: tuple[tuple[Pack, WindowRule], ...]
    caps: tuple[tuple[Pack, CapRule], ...]
    lists: tuple[tuple[Pack, ListRule], ...]
    abandoned: tuple[tuple[Pack, AbandonRule], ...]
    ringing: tuple[Pack, ...]
    audited: tuple[Pack, ...]


@lru_cache(maxsize=4096)
def _of_places(rules: _Rules, places: frozenset[str], day: int) -> _Chosen:
    today = date.fromordinal(day)
    purpose = rules.key[1]
    packs = [pack for pack in rules.packs if pack.in_force(today)]
    return _Chosen(
        tuple((p, r) for p in packs for r in p.windows if p.applies(r, purpose, places)),
        tuple((p, r) for p in packs for r in p.caps if p.applies(r, purpose, places)),
        tuple((p, r) for p in packs for r in p.lists if p.applies(r, purpose, places)),
        tuple((p, r) for p in packs for r in p.abandoned if p.applies(r, purpose, places)),
        tuple(p for p in packs if p.ring_min and p.binds(purpose, places)),
        tuple(p for p in packs if p.amd == "audited" and p.binds(purpose, places)),
    )
