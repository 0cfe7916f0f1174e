"""Reads a site's settings and everything they name: all faults at once, before anything starts."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import crm_bridge.config
from dialer.campaigns.model import CampaignFile, load_campaign
from dialer.server.face import DispositionOffer
from dialer.server.site import CampaignDesk, SiteSettings
from yamlmarks import FileError
from yamlmarks.values import YamlFile

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def load_site(
    path: Path,
) -> tuple[SiteSettings, list[CampaignFile], crm_bridge.config.Config | None]:
    """The settings, the campaigns and the CRM endpoints of a site.

    Raises `FileError` with every fault of the first file that has any.
    """
    file = YamlFile(path)
    if not isinstance(file.value, dict):
        raise FileError([f"{path}:1: a site is a table of fields: pbxes: ..., campaigns: ..."])
    try:
        site = SiteSettings.model_validate(_with_environment(file, file.value, ()))
    except ValidationError as error:
        raise FileError([_fault(file, one) for one in error.errors(include_url=False)]) from None
    site = _anchored(site, path.parent)
    campaigns = [load_campaign(one) for one in site.campaigns]
    _check(file, site, campaigns)
    crm = crm_bridge.config.load(site.crm) if site.crm is not None else None
    return site, campaigns, crm


def desk_of(campaign: CampaignFile) -> CampaignDesk:
    """What screens show of a campaign, with hot keys for dispositions that name none."""
    taken = {one.hot_key for one in campaign.dispositions}
    free = iter(key for key in "123456789" if key not in taken)
    offers = tuple(
        DispositionOffer(
            one.code,
            one.label,
            one.hot_key or next(free, ""),
            one.requires,
            one.confirm,
            one.category,
            one.next.value,
        )
        for one in campaign.dispositions
    )
    title = campaign.title or campaign.name
    return CampaignDesk(
        campaign.rules(),
        campaign.mode.value,
        title,
        offers,
        campaign.wrap_up_limit_s,
        campaign.preview.skip_reasons,
        bool(campaign.escalate_to),
        campaign.record_by_agents,
    )


def _with_environment(file: YamlFile, value: Any, where: tuple[str | int, ...]) -> Any:
    """`${NAME}` in any text is the environment's; a name that is not set is a fault."""
    if isinstance(value, dict):
        return {key: _with_environment(file, part, (*where, key)) for key, part in value.items()}
    if isinstance(value, list):
        return [_with_environment(file, part, (*where, n)) for n, part in enumerate(value)]
    if not isinstance(value, str):
        return value
    for name in _VARIABLE.findall(value):
        if name not in os.environ:
            raise FileError([file.fault(where, f"the environment has no {name}: set it")])
    return _VARIABLE.sub(lambda found: os.environ[found[1]], value)


def _fault(file: YamlFile, error: Any) -> str:
    where = tuple(error["loc"])
    match error["type"]:
        case "missing":
            text = "is missing"
        case "extra_forbidden":
            text = "is not a field of a site's settings"
        case "value_error":
            text = str(error["ctx"]["error"])
        case _:
            message = str(error["msg"])
            text = message[:1].lower() + message[1:]
    return file.fault(where, text)


def _anchored(site: SiteSettings, folder: Path) -> SiteSettings:
    """Relative paths are relative to the settings' own folder."""
    scheme, _, rest = site.database.partition(":///")
    database = site.database
    if scheme == "sqlite" and not Path(rest).is_absolute():
        database = f"sqlite:///{folder / rest}"
    return site.model_copy(
        update={
            "database": database,
            "campaigns": tuple(folder / one for one in site.campaigns),
            "crm": None if site.crm is None else folder / site.crm,
            "pbxes": tuple(
                pbx
                if pbx.recordings is None
                else pbx.model_copy(update={"recordings": folder / pbx.recordings})
                for pbx in site.pbxes
            ),
            "trace": None if site.trace is None else folder / site.trace,
        }
    )


def _check(file: YamlFile, site: SiteSettings, campaigns: list[CampaignFile]) -> None:
    """What one file says must exist in the other."""
    faults = []
    trunks = {(pbx.name, trunk.name) for pbx in site.pbxes for trunk in pbx.trunks}
    names = [campaign.name for campaign in campaigns]
    for n, campaign in enumerate(campaigns):
        if (campaign.pbx, campaign.trunk) not in trunks:
            faults.append(
                file.fault(
                    ("campaigns", n),
                    f"dials over trunk {campaign.trunk} of PBX {campaign.pbx}, "
                    "which pbxes does not have",
                )
            )
        if names.count(campaign.name) > 1:
            faults.append(file.fault(("campaigns", n), f"a second campaign {campaign.name}"))
    for n, agent in enumerate(site.agents):
        for name in agent.campaigns:
            if name not in names:
                faults.append(
                    file.fault(("agents", n, "campaigns"), f"there is no campaign {name}")
                )
    if faults:
        raise FileError(faults)


__all__ = ["FileError", "desk_of", "load_site"]
