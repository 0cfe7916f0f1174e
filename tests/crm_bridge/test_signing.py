"""Signatures, judged by the `standardwebhooks` package, which shares no code with ours."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, webhooks

from crm_bridge.signing import (
    SecretError,
    Signer,
    VerificationError,
    decode_secret,
    new_secret,
    verify,
)

OLD, NEW = new_secret(), new_secret()
NOW = 1_800_000_000


class _Stopped(datetime):
    """The judge compares with its own clock, which goes on while other tests run."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.fromtimestamp(NOW, tz)


@pytest.fixture(scope="module", autouse=True)
def _the_judges_clock_stands_still() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(webhooks, "datetime", _Stopped)
        yield


def signed(
    *secrets: str, id_: str = "msg_1", at: int = NOW, body: bytes = b'{"a":1}'
) -> dict[str, str]:
    return Signer([decode_secret(one) for one in secrets]).headers(id_, at, body)


@given(st.text(st.characters(codec="utf-8"), max_size=300))
def test_the_judge_accepts_what_we_sign(text: str) -> None:
    body = b'"' + base64.b64encode(text.encode()) + b'"'
    Webhook(NEW).verify(body, signed(NEW, body=body))


def test_we_accept_what_the_judge_signs() -> None:
    # In UTC and nothing else: the package takes the wall clock of any other zone for UTC.
    signature = Webhook(NEW).sign("msg_1", datetime.fromtimestamp(NOW, UTC), "{}")
    headers = {**signed(NEW, body=b"{}"), "webhook-signature": signature}
    assert verify([decode_secret(NEW)], headers, b"{}", NOW) == "msg_1"


def test_our_signature_is_the_judges_byte_for_byte() -> None:
    ours = signed(NEW, body=b"{}")["webhook-signature"]
    assert ours == Webhook(NEW).sign("msg_1", datetime.fromtimestamp(NOW, UTC), "{}")


def test_during_a_rotation_either_secret_will_do() -> None:
    headers = signed(NEW, OLD)
    Webhook(OLD).verify(b'{"a":1}', headers)
    Webhook(NEW).verify(b'{"a":1}', headers)
    for secret in (OLD, NEW):
        assert verify([decode_secret(secret)], headers, b'{"a":1}', NOW) == "msg_1"


@pytest.mark.parametrize(
    ("change", "body", "late_s", "text"),
    [
        ({}, b'{"a":2}', 0, "no signature"),
        ({"webhook-id": "msg_2"}, b'{"a":1}', 0, "no signature"),
        ({"webhook-timestamp": str(NOW + 1)}, b'{"a":1}', 0, "no signature"),
        ({"webhook-timestamp": "soon"}, b'{"a":1}', 0, "not a number"),
        ({"webhook-timestamp": "9" * 5000}, b'{"a":1}', 0, "not a number"),
        ({"webhook-signature": "v1,AAAA"}, b'{"a":1}', 0, "no signature"),
        ({"webhook-signature": "v2,é"}, b'{"a":1}', 0, "no signature"),
        ({"webhook-signature": "v1,A " * 50}, b'{"a":1}', 0, "too many"),
        ({}, b'{"a":1}', 301, "too far"),
        ({}, b'{"a":1}', -301, "too far"),
    ],
)
def test_what_is_not_genuine_is_refused(
    change: dict[str, str], body: bytes, late_s: int, text: str
) -> None:
    with pytest.raises(VerificationError, match=text):
        verify([decode_secret(NEW)], {**signed(NEW), **change}, body, NOW + late_s)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_named(name: str) -> None:
    headers = signed(NEW)
    del headers[name]
    with pytest.raises(VerificationError, match=name):
        verify([decode_secret(NEW)], headers, b'{"a":1}', NOW)


def test_another_secret_does_not_do() -> None:
    with pytest.raises(VerificationError):
        verify([decode_secret(OLD)], signed(NEW), b'{"a":1}', NOW)


def test_nothing_is_signed_without_a_key() -> None:
    with pytest.raises(ValueError, match="unsigned"):
        Signer([])


@pytest.mark.parametrize(
    "secret", ["", "secret", "whsec_", "whsec_!!!", "whsec_" + base64.b64encode(b"x" * 23).decode()]
)
def test_a_bad_secret_is_refused_without_repeating_it(secret: str) -> None:
    with pytest.raises(SecretError) as caught:
        decode_secret(secret)
    assert "crm-bridge secret" in str(caught.value)
    rest = secret.removeprefix("whsec_")
    assert not rest or rest == "secret" or rest not in str(caught.value)
