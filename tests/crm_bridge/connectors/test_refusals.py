"""What a connector's file may not say: each refused with file, line, field and the mend."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
import yaml

from crm_bridge import config
from crm_bridge.mapping.fields import Field, FieldError, IfNull
from crm_bridge.mapping.load import example, load_connector, parse_connector, shipped
from crm_bridge.mapping.pick import Pick, PickError
from crm_bridge.mapping.template import OUTPUT_MAX, Template, TemplateError
from dialer.server.site import WebSection
from yamlmarks import FileError

GOOD = """\
name: mine
title: Mine
settings:
  base_url: {kind: url, help: where}
  token: {secret: yes, help: a token}
  users: {kind: map, help: users}
auth: {type: bearer, token: "{{ settings.token }}"}
rate: {requests: 10, per: 1s}
events:
  call.completed:
    - step: task
      method: POST
      url: "{{ settings.base_url }}/tasks"
      idempotency: upsert
      body:
        subject: "Call {{ lead.name }}"
        seconds: {pick: data.timings.talk_s, as: duration}
        status: {pick: data.outcome, map: {connected: done}, else: open}
      capture: {task: body.id}
"""


def complaints(old: str, new: str) -> str:
    assert old in GOOD
    with pytest.raises(FileError) as caught:
        parse_connector(GOOD.replace(old, new, 1), "mine.yaml")
    return str(caught.value)


def test_the_good_one_is_good() -> None:
    assert parse_connector(GOOD, "mine.yaml").captures


SUBJECT = '"Call {{ lead.name }}"'
REFUSED = [
    # an unknown field: of the file, of the event, of the settings, of what is captured
    ("      method: POST", "      metod: POST", "mine.yaml:12: events.call.completed[0].metod: is"),
    ("method: POST", "methid: POST", "did you mean method?"),
    (SUBJECT, '"{{ lead.nmae }}"', "mine.yaml:16: events.call.completed[0].body.subject: there is"),
    (SUBJECT, '"{{ lead.nmae }}"', "no field lead.nmae: did you mean name?"),
    (SUBJECT, '"{{ settings.tokn }}"', "did you mean token?"),
    (SUBJECT, '"{{ refs.tusk }}"', "did you mean task?"),
    ("data.timings.talk_s", "data.timings.talk", "mine.yaml:17: "),
    ("data.timings.talk_s", "data.timings.talk", "did you mean talk_s?"),
    ("data.timings.talk_s", "leed.name", "no field leed: did you mean lead?"),
    ("data.timings.talk_s", "length(data.tmings)", "no field data.tmings"),
    ("call.completed:", "call.complete:", "call.complete: is no event"),
    # loops and escapes
    (SUBJECT, '"{% for a in lead %}x{% endfor %}"', "a mapping has no loops"),
    (SUBJECT, '"{{ lead.__class__.__mro__ }}"', "reaches outside its data: __class__"),
    (SUBJECT, '"{{ lead.name.format(lead) }}"', "use filters only"),
    (SUBJECT, "\"{{ 'x' * 10**9 }}\"", "that is not allowed, results could be of any size"),
    (SUBJECT, "\"{% include '/etc/passwd' %}\"", "a mapping reads no other file"),
    (SUBJECT, '"{% set x = 1 %}"', "not allowed in a mapping"),
    (SUBJECT, '"{{ range(9) }}"', "use filters only"),
    (SUBJECT, '"{{ lead.name | map }}"', "unknown filter map"),
    (SUBJECT, '"{{ environ.HOME }}"', "no field environ"),
    (SUBJECT, '"{{ lead.name "', "is no template"),
    ("data.timings.talk_s", '"data.["', "is no JMESPath expression"),
    # wrong types and options
    ("as: duration", "as: durration", "use one of text, integer"),
    ("as: duration", "as: duration, unit: h", "use one of s, ms, min"),
    ("as: duration", "as: duration, zone: UTC", "does not go with as: duration"),
    ("as: duration", "as: time, format: yyyy", "%Y-%m-%d"),
    ("as: duration", "as: time, zone: Mars/Base", "names no time zone"),
    ("as: duration", "as: phone, region: Germany", "write it as US or DE"),
    ("as: duration", "as: duration, max: lots", "a number of characters"),
    ("as: duration", "as: duration, look_up: tokens", "is no setting of this connector"),
    ("as: duration", "as: duration, else: 5", "needs a map"),
    ("{pick: data.timings", "{text: x, pick: data.timings", "exactly one of pick, text and value"),
    ("        subject:", "        seconds.inner:", "is inside of seconds, which is a value"),
    # requests
    ("      idempotency: upsert\n", "", "say why a POST may be repeated"),
    ("idempotency: upsert", "idempotency: find", "the request that looks for the record"),
    ("{{ settings.base_url }}/tasks", "{{ lead.name }}/tasks", "a host of your own or a setting"),
    ("idempotency: upsert", 'idempotency: upsert\n      headers: {Host: "x"}', "is a header that"),
    ("type: bearer", "type: barer", "use one of none, basic, bearer"),
    ("requests: 10, per: 1s", "requests: none, per: soon", "a whole number of at least 1"),
    ("{task: body.id}", "{task: bdy.id}", "no field bdy: did you mean body?"),
    ("name: mine", "name: [mine", "is not YAML"),
]


@pytest.mark.parametrize(("old", "new", "said"), REFUSED)
def test_what_is_wrong_is_refused_and_named(old: str, new: str, said: str) -> None:
    text = complaints(old, new)
    assert said in text
    assert all(line.startswith("mine.yaml:") for line in text.splitlines())


def test_a_real_time_step_cannot_ask_to_be_remembered() -> None:
    text = GOOD.replace("call.completed", "agent.screen_pop").replace("upsert", "once")
    text = text.replace("data.timings.talk_s", "data.attempt_no").replace(
        "data.outcome", "data.agent"
    )
    with pytest.raises(FileError, match="a real-time event is not remembered"):
        parse_connector(text, "mine.yaml")


def test_what_a_template_may_do_takes_no_time_and_little_room() -> None:
    """The most that can be had of the allowed language, at its bounds."""
    context = {"a": "x" * 30_000, "settings": {}}
    began = time.perf_counter()
    with pytest.raises(TemplateError, match="makes more than"):
        Template("{{ a }}{{ a }}").render(context)
    with pytest.raises(TemplateError, match=f"replace makes more than {OUTPUT_MAX}"):
        Template("{{ a | replace('x', 'yyyyyyyyyyyyyyyyyyyyyyyyyy') }}").render(context)
    with pytest.raises(TemplateError, match="is longer than"):
        Template("{{ a }}" * 5000)
    with pytest.raises(TemplateError, match="nested too deeply"):
        Template("{{ " + "(" * 3500 + "a" + ")" * 3500 + " }}")
    with pytest.raises(PickError):
        Pick("a" + "[0" * 900)
    # worked out while compiling, each of these took minutes
    chain = Template("{{ 'a'" + " | replace('a', 'aa')" * 150 + " }}")
    with pytest.raises(TemplateError, match=f"replace makes more than {OUTPUT_MAX}"):
        chain.render(context)
    back_and_forth = "{{ a" + "|replace('x','yy')|truncate(9000)|replace('y','x')" * 50 + " }}"
    assert len(Template(back_and_forth).render({"a": "x" * 9000})) == 9000
    with pytest.raises(TemplateError, match="nested too deeply"):
        Template("{{ 'a'" + " | replace('a', 'aa')" * 330 + " }}")
    with pytest.raises(TemplateError):
        Template("{{ a | truncate(1e999) }}").render(context)
    assert time.perf_counter() - began < 5.0


BOMBS = [
    "|".join(["[to_string(@),to_string(@)]"] * 14),  # 12 s and 3 GB
    "[@,@,@,@,@,@,@,@,@,@]" + "|[@,@,@,@,@,@,@,@,@,@]" * 6 + "|[][][][][][]",
    "map(&map(&map(&[@,@,@,@,@],[@,@,@,@,@]),[@,@]),[@,@,@])",
    "to_string(" * 8 + "@" + ")" * 8,
    "{a: [@,@,@], b: [@,@,@]}" + " | {a: @, b: @, c: [@,@,@]}" * 5,
    "join(body, body.list)",
]


@pytest.mark.parametrize("bomb", BOMBS)
def test_an_expression_that_makes_more_and_more_is_refused(bomb: str) -> None:
    with pytest.raises(PickError, match=r"more than 100 times|not its own"):
        Pick(bomb)


def test_what_people_write_is_no_bomb() -> None:
    table = ", ".join(f"field{n}: data.field{n}" for n in range(60))
    for source in ("{" + table + "}", "a[].b[].c[]", "sort_by(a, &b)[0].c", "join(', ', a[*].b)",
                   "body.items[?kind == 'x' && size > `3`] | [0].id", "a || b || c"):  # fmt: skip
        Pick(source)


def test_a_not_that_is_not_what_it_looks_like_is_refused() -> None:
    """JMESPath takes `!a.b` for `(!a).b`, which is never true."""
    for source in ("!new.call", "refs.call && !new.call", "[!a.b]"):
        with pytest.raises(PickError, match=r"write !\(a.b\) for !a.b"):
            Pick(source)
    assert Pick("refs.call && !(new.call)").find({"refs": {"call": "1"}, "new": {}}) is True


def test_data_cannot_name_what_is_python() -> None:
    """Also where the name is only known when it runs."""
    context = {"lead": {"fields": {"which": "__class__", "values": "mine"}}, "data": {}}
    assert Template("{{ lead[lead.fields.which] }}").render(context) == ""
    assert Template("{{ lead.fields.values }} {{ lead.items }}").render(context) == "mine "


def test_a_field_says_what_it_misses_and_never_what_it_got() -> None:
    field = Field("when", ("when",), Pick("x"), kind="time", if_null=IfNull.REFUSE)
    with pytest.raises(FieldError, match="when is not a time") as caught:
        field.value({"x": "+12025550100"})
    assert "2025550100" not in str(caught.value)
    with pytest.raises(FieldError, match="when is empty, and the CRM demands it"):
        field.value({"x": None})


CRM = """\
endpoints:
  - name: helpdesk
    connector: zendesk
    settings:
      base_url: https://acme.zendesk.com
      email: dialer@acme.example
      token: "${TOKEN}"
      app_id: 7352
      from_line: "+12025550199"
      agents: {anna: 3854}
"""


def test_an_endpoint_may_name_a_connector() -> None:
    found = config.parse(CRM, "crm.yaml", {"TOKEN": "t0p"}).endpoints[0]
    assert found.connector is not None
    assert found.connector.connector.name == "zendesk"
    assert found.types == tuple(load_connector("zendesk").events)
    assert "t0p" not in repr(found)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("connector: zendesk", "connector: zendex", "crm.yaml:3: endpoints[0].connector: is not"),
        ("      app_id: 7352\n", "", "settings.app_id: is missing: the id of your app"),
        ('      token: "${TOKEN}"\n', "", "keep it out of the file: ${TOKEN}"),
        ("app_id: 7352", "app_id: 7352\n      appid: 1", "did you mean app_id?"),
        (
            "https://acme.z",
            "http://acme.z",
            "crm.yaml:5: endpoints[0].settings.base_url: is not",
        ),
        ("https://acme.zendesk.com", "https://127.0.0.1", "refused: the address is private"),
        ("https://acme.zendesk.com", "https://me:pw@acme.example", "user name or password"),
        ("https://acme.zendesk.com", "acme", "is no web address"),
        (
            "    settings:",
            "    url: https://x.example\n    settings:",
            "does not go with a connector",
        ),
        ("    settings:", "    types: [dnc.added]\n    settings:", "the connector takes: agent"),
        ("connector: zendesk", "connector: ./no.yaml", "no.yaml: cannot be read"),
    ],
)
def test_an_endpoints_settings_are_checked(old: str, new: str, said: str) -> None:
    assert old in CRM
    with pytest.raises(FileError) as caught:
        config.parse(CRM.replace(old, new, 1), "crm.yaml", {"TOKEN": "t0p"})
    assert said in str(caught.value)
    assert "t0p" not in str(caught.value)


def test_the_shipped_ones_are_whole() -> None:
    assert len(shipped()) == 7
    for name in shipped():
        found = load_connector(name)
        assert found.name == name
        assert found.title
        assert all(one.help for one in found.settings.values())
        assert example(found).settings.keys() <= found.settings.keys()


def test_the_examples_of_the_page_are_right() -> None:
    page = Path("docs/connectors.md").read_text(encoding="utf-8")
    endpoint, panel, connector = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert config.parse(endpoint, "page", {"ZENDESK_TOKEN": "t"}).endpoints[0].connector
    assert parse_connector(connector, "page").captures
    assert WebSection.model_validate(yaml.safe_load(panel)["web"]).panels
