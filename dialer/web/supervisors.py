"""The floor for supervisors and wallboards, and the supervisor's actions."""

from __future__ import annotations

from dialer.server.face import CampaignAction, WallboardView
from dialer.web.channels import seen_by
from dialer.web.models import CampaignsAnswer
from dialer.web.problems import ProblemError
from dialer.web.routes import Call, Site


async def wallboard(site: Site, call: Call) -> WallboardView:
    return seen_by(site.face.wallboard(), call.caller.campaigns)


async def campaigns(site: Site, call: Call) -> CampaignsAnswer:
    return CampaignsAnswer(
        campaigns=[one for one in site.face.campaigns() if call.caller.sees(one.name)]
    )


async def act_on_campaign(site: Site, call: Call) -> None:
    try:
        action = CampaignAction(call.param("action"))
    except ValueError:
        raise ProblemError(
            404,
            "There is no such action.",
            "Use one of " + ", ".join(CampaignAction) + ".",
        ) from None
    await site.face.act_on_campaign(call.param("campaign"), action, call.caller.name)
    if site.house is not None:
        await site.house.supervision.acted(call.param("campaign"), action, call.caller.name)
    elif site.people is not None:
        await site.people.audit(
            call.caller.name, f"campaign.{action.value}", call.param("campaign")
        )
