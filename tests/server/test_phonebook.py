"""What a phone in the browser is told: its account, and servers with credentials that expire."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from pydantic import ValidationError

from dialer.server.phonebook import PhoneBook
from dialer.server.site import IceSettings, PbxSettings

PBX = {"cmd_secret": "c", "evt_secret": "e", "trunks": [{"name": "carrier"}]}
ICE = {
    "stun": ["stun:turn.example.org:3478"],
    "turn": ["turn:turn.example.org:3478?transport=udp", "turns:turn.example.org:443"],
    "turn_secret": "north wind",
    "valid_s": 3600,
}


def book(**browser: object) -> PhoneBook:
    one = {"url": "/phone", "passwords": {"anna": "pw"}, **browser}
    return PhoneBook([PbxSettings.model_validate({**PBX, "browser": one})], lambda: 1_700_000_000.5)


def test_turn_credentials_are_by_the_rest_scheme_and_expire() -> None:
    phone = book(ice=ICE).get("main", "anna")
    assert phone is not None
    stun, turn = phone.ice
    assert (stun.urls, stun.username) == (("stun:turn.example.org:3478",), "")
    assert turn.username == "1700003600:anna"
    digest = hmac.new(b"north wind", b"1700003600:anna", hashlib.sha1).digest()
    assert base64.b64decode(turn.credential) == digest
    assert "north wind" not in repr(phone)


def test_without_servers_there_are_none_and_nobody_elses_phone_is_told() -> None:
    plain = book().get("main", "anna")
    assert plain is not None
    assert plain.ice == ()
    assert book(ice=ICE).get("main", "ben") is None
    assert book(ice=ICE).get("other", "anna") is None


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(ValidationError, match="turn_secret"):
        IceSettings.model_validate({"turn": ["turn:x"]})
    with pytest.raises(ValidationError, match="pattern"):
        IceSettings.model_validate({"stun": ["http://x"]})
