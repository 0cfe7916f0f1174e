"""The agent's phone inside a CRM: a page for the CRM's frame, and the scripts it is made of.

The page loads the vendor's own script from the address that the site names (`web.panels`); it is
the only foreign script there is, on this page alone, and the page may be framed by whom
`web.frame_ancestors` names. Everything else goes over the same API as the agent's own page.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from aiohttp import web

from dialer.web.problems import ProblemError
from dialer.web.routes import Call, Route, Site
from dialer.web.settings import PANELS, Panel

_TYPES = {"js": "text/javascript", "css": "text/css"}
POLICY = (
    "default-src 'none'; script-src 'self' {script}; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors {frames}"
)


@cache
def _files() -> Mapping[str, str]:
    return {
        entry.name: entry.read_text(encoding="utf-8")
        for entry in files("dialer.web").joinpath("panel").iterdir()
        if entry.is_file()
    }


async def page(site: Site, call: Call) -> web.Response:
    crm = call.param("crm")
    panel = site.settings.panels.get(crm)
    if panel is None:
        raise ProblemError(
            404, "There is no such panel.", f"Set web.panels: {', '.join(PANELS)} are known."
        )
    text = _files()["panel.html"]
    text = text.replace("{script}", _script(crm, panel)).replace("{crm}", crm)
    text = text.replace("{log}", "yes" if panel.log else "no")
    frames = " ".join(site.settings.frame_ancestors) or "'none'"
    policy = POLICY.format(script=panel.origin, frames=frames)
    return web.Response(
        text=text,
        content_type="text/html",
        headers={"Content-Security-Policy": policy, "Cache-Control": "no-cache"},
    )


async def file(site: Site, call: Call) -> web.Response:
    name = call.param("name")
    media = _TYPES.get(name.rpartition(".")[2])
    text = _files().get(name)
    if media is None or text is None:
        raise ProblemError(404, "There is no such file.", "See /panel/<crm>.")
    return web.Response(
        text=text, content_type=media, charset="utf-8", headers={"Cache-Control": "no-cache"}
    )


def _script(crm: str, panel: Panel) -> str:
    """The vendor's script. Dynamics reads from its own tag which organisation it is in."""
    first, more = "", ""
    if crm == "dynamics":
        first = '<script src="/panel/files/early.js"></script>\n'
        more = f' data-crmurl="{html.escape(panel.origin)}" data-cifid="CIFMainLibrary"'
    return f'{first}<script src="{html.escape(panel.script)}"{more}></script>'


PANEL: tuple[Route, ...] = (
    Route(
        "GET",
        "/panel/{crm}",
        page,
        "The agent's phone, for the frame of a CRM",
        media="text/html",
        problems=(404,),
    ),
    Route(
        "GET",
        "/panel/files/{name}",
        file,
        "The panel's scripts and style",
        media="*/*",
        problems=(404,),
    ),
)
