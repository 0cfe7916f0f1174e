"""A configuration is right, or refused with file, line, field and the mend."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge import config
from crm_bridge.events import Kind, Type
from crm_bridge.render import Format
from crm_bridge.schedule import RETRY_AFTER_S
from crm_bridge.signing import new_secret
from yamlmarks import FileError

SECRET = new_secret()


def parse(text: str, **environ: str) -> config.Config:
    return config.parse(text, "crm.yaml", environ)


def problems(text: str) -> list[str]:
    with pytest.raises(FileError) as caught:
        parse(text)
    return list(caught.value.faults)


def endpoint(*lines: str) -> str:
    """A file with one endpoint that is right, and `lines` more or other; line 1 is `endpoints:`."""
    fields = {
        "name": "crm",
        "url": "https://crm.example.com/hook",
        "secrets": f"[{SECRET}]",
    }
    for line in lines:
        name, _, value = line.partition(": ")
        fields[name] = value
    text = "\n    ".join(f"{name}: {value}" for name, value in fields.items() if value)
    return f"endpoints:\n  - {text}\n"


def test_a_small_file_gets_sound_defaults() -> None:
    found = parse(endpoint()).endpoints[0]
    assert found.name == "crm"
    assert found.retry_s == RETRY_AFTER_S
    assert found.timeout_s == 15
    assert all(found.wants(one, one.kind) for one in Type)
    assert sum(RETRY_AFTER_S) >= 3 * 86400


def test_everything_that_can_be_set() -> None:
    found = parse(
        "instance: dialer-2\n"
        + endpoint(
            "secrets: ['${NEW}', '${OLD}']",
            "types: ['call.*', disposition.set]",
            "class: durable",
            "format: cloudevents",
            "timeout: 5s",
            "concurrency: 3",
            "retry: [1s, 5m, 2h]",
            "allow_networks: [10.1.0.0/16, fd00::/8]",
            "headers: {X-Tenant: blue}",
        ),
        NEW=SECRET,
        OLD=new_secret(),
    )
    assert found.instance == "dialer-2"
    one = found.endpoints[0]
    assert len(one.keys) == 2
    assert one.wants("call.completed", Kind.DURABLE)
    assert not one.wants("dnc.added", Kind.DURABLE)
    assert not one.wants("agent.screen_pop", Kind.REALTIME)
    assert one.format is Format.CLOUDEVENTS
    assert (one.timeout_s, one.concurrency, one.retry_s) == (5, 3, (1, 300, 7200))
    assert one.allow_networks == (ip_network("10.1.0.0/16"), ip_network("fd00::/8"))
    assert one.headers == {"X-Tenant": "blue"}


@pytest.mark.parametrize(
    ("line", "at", "mend"),
    [
        ("url: ftp://crm.example.com", "crm.yaml:3: endpoints[0].url", "https://crm"),
        ("url: https://me:you@crm.example.com", "crm.yaml:3: endpoints[0].url", "headers:"),
        ("url: http://crm.example.com", "crm.yaml:3: endpoints[0].url", "allow_networks"),
        ("url: https://127.0.0.1/", "crm.yaml:3: endpoints[0].url", "allow_networks"),
        ("url: 'https://[::1]/'", "crm.yaml:3: endpoints[0].url", "allow_networks"),
        ("url: https://169.254.169.254/latest", "crm.yaml:3: endpoints[0].url", "allow_networks"),
        ("name: The CRM", "crm.yaml:2: endpoints[0].name", "such as: crm"),
        ("name: ", "crm.yaml:2: endpoints[0].name", "is missing"),
        ("secrets: ", "crm.yaml:2: endpoints[0].secrets", "crm-bridge secret"),
        ("secrets: []", "crm.yaml:4: endpoints[0].secrets", "nothing is sent unsigned"),
        ("secrets: [hunter2]", "crm.yaml:4: endpoints[0].secrets[0]", "starts with 'whsec_'"),
        ("secrets: ['${NONE}']", "crm.yaml:4: endpoints[0].secrets", "no NONE: set it"),
        ("types: [call.finished]", "crm.yaml:5: endpoints[0].types[0]", "docs/events.md"),
        ("class: slow", "crm.yaml:5: endpoints[0].class", "all, realtime, durable"),
        ("format: xml", "crm.yaml:5: endpoints[0].format", "standard, cloudevents"),
        ("timeout: 15", "crm.yaml:5: endpoints[0].timeout", "with its unit: 15s"),
        ("timeout: 1h", "crm.yaml:5: endpoints[0].timeout", "from 0.1s to 60s"),
        ("concurrency: 0", "crm.yaml:5: endpoints[0].concurrency", "1 to 64"),
        ("concurrency: many", "crm.yaml:5: endpoints[0].concurrency", "1 to 64"),
        ("retry: [soon]", "crm.yaml:5: endpoints[0].retry[0]", "5s, 30m, 2h"),
        (
            "allow_networks: [10.1.2.3/8]",
            "crm.yaml:5: endpoints[0].allow_networks[0]",
            "10.1.0.0/16",
        ),
        ("ca_file: /nowhere/ca.pem", "crm.yaml:5: endpoints[0].ca_file", "PEM"),
        ("headers: {Host: evil}", "crm.yaml:5: endpoints[0].headers", "not allowed"),
        ("headers: {webhook-id: x}", "crm.yaml:5: endpoints[0].headers", "not allowed"),
        ('headers: {X-A: "b\\r\\nHost: evil"}', "crm.yaml:5: endpoints[0].headers", "printable"),
        ("timeot: 5s", "crm.yaml:5: endpoints[0].timeot", "did you mean timeout?"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_its_mend(line: str, at: str, mend: str) -> None:
    found = problems(endpoint(line))
    assert len(found) == 1, found
    assert found[0].startswith(at + ": ")
    assert mend in found[0]
    assert "hunter2" not in found[0]
    assert SECRET not in found[0]


def test_all_mistakes_are_told_at_once() -> None:
    found = problems(endpoint("timeout: x", "class: x", "nonsense: x"))
    assert len(found) == 3


def test_a_name_used_twice_names_the_first() -> None:
    text = endpoint() + endpoint().partition("\n")[2]
    assert "is used on line 2 already" in problems(text)[0]


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("endpoints: {a: b}", "crm.yaml:1: endpoints: needs a list"),
        ("endpoints:\n  - just text", "crm.yaml:2: endpoints[0]: needs fields"),
        ("- a", "crm.yaml:1: file: needs fields"),
        ("endpoints: [", "crm.yaml:1: is not YAML"),
        ("a: b: c", "crm.yaml:1: is not YAML"),
        ("instance: 'My Dialer'", "crm.yaml:1: instance: use 1 to 64"),
        ("instance: a\ninstance: b", "crm.yaml:2: instance: is given twice"),
    ],
)
def test_a_file_of_the_wrong_shape(text: str, mend: str) -> None:
    assert problems(text)[0].startswith(mend)


def test_an_empty_file_has_no_endpoints() -> None:
    assert parse("").endpoints == ()


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"none\.yaml: cannot be read: No such file"):
        config.load(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe9")
    with pytest.raises(FileError, match=r"latin\.yaml:1: .*save it as UTF-8"):
        config.load(tmp_path / "latin.yaml")


def test_a_secret_is_not_shown_by_accident() -> None:
    assert SECRET not in repr(parse(endpoint()))
    assert str(parse(endpoint()).endpoints[0].keys[0]) not in repr(parse(endpoint()))


@given(st.text(max_size=200))
def test_no_text_does_worse_than_be_refused(text: str) -> None:
    found: tuple[str, ...] = ()
    try:
        parse(text)
    except FileError as error:
        found = error.faults
    assert all(line.startswith("crm.yaml:") for line in found)


@given(
    st.floats(0.001, 1000).map(lambda n: round(n, 3)), st.sampled_from(["ms", "s", "m", "h", "d"])
)
def test_durations(number: float, unit: str) -> None:
    factor = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}[unit]
    assert config.duration_s(f"{number:.3f}{unit}") == pytest.approx(number * factor)
