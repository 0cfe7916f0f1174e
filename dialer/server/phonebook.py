"""Phones in the browser: what each registers with, and the servers that help its audio through NAT.

TURN credentials are made anew for each question, by the REST scheme that coturn calls
`use-auth-secret`: the user name is the Unix time of its end and the phone, the password the base64
of HMAC-SHA1 over it with the secret that both sides know. Nothing of it is kept.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dialer.server.face import BrowserPhone, IceServer
from dialer.server.site import IceSettings, PbxSettings


def turn_credential(secret: str, phone: str, until: int) -> tuple[str, str]:
    """User name and password, good until that Unix time."""
    username = f"{until}:{phone}"
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return username, base64.b64encode(digest).decode()


@dataclass(frozen=True, slots=True)
class _Entry:
    phone: BrowserPhone
    ice: IceSettings | None


class PhoneBook:
    """By PBX and the phone's name. `now_s` is Unix time."""

    def __init__(self, pbxes: Sequence[PbxSettings], now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._entries = {
            (pbx.name, name): _Entry(BrowserPhone(pbx.browser.url, name, password), pbx.browser.ice)
            for pbx in pbxes
            if pbx.browser is not None
            for name, password in pbx.browser.passwords.items()
        }

    def get(self, pbx: str, phone: str) -> BrowserPhone | None:
        """None for an ordinary phone."""
        entry = self._entries.get((pbx, phone))
        if entry is None:
            return None
        return replace(entry.phone, ice=self._servers(entry))

    def _servers(self, entry: _Entry) -> tuple[IceServer, ...]:
        ice = entry.ice
        if ice is None:
            return ()
        servers = [IceServer(ice.stun)] if ice.stun else []
        if ice.turn:
            until = int(self._now_s() + ice.valid_s)
            servers.append(
                IceServer(ice.turn, *turn_credential(ice.turn_secret, entry.phone.user, until))
            )
        return tuple(servers)
