"""The codec: what goes in comes out, however it is cut up; and nothing can be slipped in."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.ami import actions
from dialer.ami.codec import (
    Decoder,
    Message,
    NotAmi,
    NotEncodable,
    encode_action,
    encode_message,
)
from dialer.core.commands import Originate, RingAgent

names = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True).filter(
    lambda name: name.lower() not in ("event", "response", "action", "actionid")
)
clean = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=60
)  # what may stand in a value
anything = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)
headers = st.dictionaries(names.map(str.lower), clean, max_size=12)
messages = st.builds(
    lambda event, rest: {"Event": event, **rest}, st.sampled_from(["Hangup", "Newstate"]), headers
)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    at = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(at)]


@given(st.lists(messages, max_size=6), st.lists(st.integers(0, 10_000), max_size=20), st.booleans())
def test_messages_survive_any_cutting(
    sent: list[dict[str, str]], cuts: list[int], only_lf: bool
) -> None:
    wire = b"".join(encode_message(message.items()) for message in sent)
    if only_lf:
        wire = wire.replace(b"\r\n", b"\n")
    decoder = Decoder()
    got = [message for piece in pieces(wire, cuts) for message in decoder.feed(piece)]
    assert got == sent
    assert decoder.malformed == 0


@given(st.lists(messages, min_size=1, max_size=3))
def test_one_byte_at_a_time(sent: list[dict[str, str]]) -> None:
    wire = b"Asterisk Call Manager/11.0.0\r\n" + b"".join(
        encode_message(message.items()) for message in sent
    )
    decoder = Decoder(banner=True)
    got = [message for byte in wire for message in decoder.feed(bytes([byte]))]
    assert got == sent
    assert decoder.version == "11.0.0"


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_any_bytes_leave_the_decoder_working(rubbish: list[bytes]) -> None:
    decoder = Decoder(message_max=500)
    for piece in rubbish:
        decoder.feed(piece)
    decoder.feed(b"\n\n\n\n")
    assert decoder.feed(b"Event: Hangup\r\nCause: 16\r\n\r\n") == [
        {"Event": "Hangup", "Cause": "16"}
    ]


@given(st.dictionaries(names, anything, max_size=8), st.dictionaries(names, anything, max_size=4))
def test_no_value_injects_an_action_header_or_variable(
    given_headers: dict[str, str], variables: dict[str, str]
) -> None:
    """Whatever goes in: either it is refused, or exactly it comes out on the PBX's side."""
    try:
        wire = encode_action("NoOp", "q-1", given_headers.items(), variables)
    except NotEncodable:
        return
    decoder = Decoder(line_max=1024, headers_max=128)
    (message,) = decoder.feed(wire)
    repeated = [f"{name}={value}" for name, value in variables.items()]
    assert message.header("Action") == "NoOp"
    assert message.header("ActionID") == "q-1"
    assert message.all("Variable") == repeated + [
        value for name, value in given_headers.items() if name.lower() == "variable"
    ] or "variable" in {name.lower() for name in given_headers}
    expected = {"Action", "ActionID", *given_headers, *(["Variable"] if variables else [])}
    assert set(message) == expected
    for line in wire.split(b"\r\n"):
        assert len(line) + 2 <= 1000
    for value in variables.values():
        assert not set(value) & set(',"\\()')


@given(st.text(st.characters(categories=("Cc",)), min_size=1, max_size=3), clean, clean)
def test_control_characters_are_refused_everywhere(bad: str, before: str, after: str) -> None:
    value = before + bad + after
    for attempt in (
        lambda: encode_action("NoOp", "q-1", [("X", value)]),
        lambda: encode_action("NoOp", "q-1", [(value, "x")]),
        lambda: encode_action(value, "q-1"),
        lambda: encode_action("NoOp", value),
        lambda: encode_action("NoOp", "q-1", variables={"X": value}),
        lambda: encode_action("NoOp", "q-1", variables={value: "x"}),
    ):
        with pytest.raises(NotEncodable) as refused:
            attempt()
        assert not after.strip() or len(after) < 4 or after not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "given_headers", "variables", "says"),
    [
        ("Setvar", [("Channel", ""), ("Variable", "X"), ("Value", "1")], {}, "Channel must not"),
        ("Setvar", [("Variable", "X"), ("Value", "1")], {}, "Channel must not be empty"),
        ("Hangup", [("Channel", "/.*/")], {}, "must not begin with '/'"),
        ("Hangup", [("Channel", " ")], {}, "Channel must not be empty"),
        ("Redirect", [("Channel", "x" * 251), ("Context", "c")], {}, "Exten must not be empty"),
        ("Bridge", [("Channel1", "x" * 251), ("Channel2", "y")], {}, "longer than 250 bytes"),
        ("NoOp", [("X", "a" * 1000)], {}, "longer than 1000 bytes"),
        ("NoOp", [("X", "é" * 500)], {}, "longer than 1000 bytes"),
        ("NoOp", [("X", "\ud800")], {}, "not valid Unicode"),
        ("NoOp", [("X", "1"), ("x", "2")], {}, "given twice"),
        ("NoOp", [("ActionID", "q-2")], {}, "given twice"),
        ("NoOp", [(f"X{n}", "") for n in range(130)], {}, "more than 120 headers"),
        ("NoOp", [], {"A,B": "1"}, "a variable's name"),
        ("NoOp", [], {"A": "1,SHELL(x)=2"}, "variable A holds one of"),
        ("NoOp", [("ChannelId", "a b")], {}, "is not an id"),
        ("NoOp", [("ChannelId", "a" * 101)], {}, "is not an id"),
    ],
)
def test_what_is_refused(
    name: str, given_headers: list[tuple[str, str]], variables: dict[str, str], says: str
) -> None:
    with pytest.raises(NotEncodable, match=says):
        encode_action(name, "q-1", given_headers, variables)


def test_a_line_may_be_just_as_long_as_the_limit() -> None:
    assert encode_action("NoOp", "q-1", [("X", "a" * (1000 - len("X: \r\n")))])


# --- decoding ---------------------------------------------------------------------------------


def test_repeated_headers_are_kept_in_order() -> None:
    (message,) = Decoder().feed(b"Action: Originate\nVariable: A=1\nvariable: B=2\n\n")
    assert message.all("Variable") == ["A=1", "B=2"]
    assert message.header("action") == "Originate"
    assert message.all("None") == []


def test_a_header_without_blank_or_value() -> None:
    (message,) = Decoder().feed(b"Event: X\r\nA:\r\nB: \r\nC:c\r\nD: a: b\r\n\r\n")
    assert message == {"Event": "X", "A": "", "B": "", "C": "c", "D": "a: b"}


@pytest.mark.parametrize(
    "wrong",
    [
        b"no colon at all",
        b"Event: X\r\nno colon",
        b"Neither: one\r\nNor: other",
        b"Event: X\r\nLong: " + b"x" * 9000,
        b"Event: X\r\n" + b"H: v\r\n" * 600,
        b"Event: X\r\nLong: " + b"x" * 200_000,
    ],
)
def test_a_bad_message_is_counted_and_the_next_is_read(wrong: bytes) -> None:
    decoder = Decoder()
    got = decoder.feed(wrong + b"\r\n\r\nEvent: Next\r\n\r\n")
    assert got[-1] == {"Event": "Next"}
    assert decoder.malformed == 1


def test_an_endless_message_takes_no_memory_and_ends_at_its_blank_line() -> None:
    decoder = Decoder(message_max=1000)
    decoder.feed(b"Event: X\r\n")
    for _ in range(1000):
        assert decoder.feed(b"Header: " + b"x" * 500 + b"\r\n") == []
        assert len(decoder._rest) <= 1000
    assert decoder.feed(b"\r\nEvent: Next\r\n\r\n") == [{"Event": "Next"}]
    assert decoder.malformed == 1


def test_bytes_that_are_not_utf8_do_no_harm() -> None:
    (message,) = Decoder().feed(b"Event: X\r\nName: \xff\xfeabc\r\n\r\n")
    assert message["Name"] == "\ufffd\ufffdabc"


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 200 OK\r\n", b"SSH-2.0-x\r\n", b"x" * 300, b"\n"])
def test_a_greeting_that_is_not_asterisks(greeting: bytes) -> None:
    with pytest.raises(NotAmi):
        Decoder(banner=True).feed(greeting)


def test_an_event_with_a_line_end_in_a_value_is_not_written() -> None:
    with pytest.raises(NotEncodable):
        encode_message([("Event", "X"), ("Name", "a\r\nEvent: Hangup")])
    with pytest.raises(NotEncodable):
        encode_message([("Event", "X"), ("Name", "a\nb")])


# --- the dialer's actions ---------------------------------------------------------------------


def encoded(action: actions.Action) -> Message:
    (message,) = Decoder().feed(
        encode_action(action.name, action.action_id or "q-1", action.headers, action.variables)
    )
    return message


def test_a_customers_call() -> None:
    message = encoded(
        actions.customer_call(
            Originate("p", "od-b-c1", "carrier", "+493023125800", "+493023125999", 25.0, amd=True)
        )
    )
    assert message.all("Variable") == ["OD_LEG=od-b-c1", "OD_TRUNK=carrier", "OD_AMD=1"]
    del message["Variable"]
    assert message == {
        "Action": "Originate",
        "ActionID": "od-b-c1",
        "Channel": "PJSIP/+493023125800@carrier",
        "Context": "overdial-customer",
        "Exten": "s",
        "Priority": "1",
        "Timeout": "25000",
        "Async": "true",
        "ChannelId": "od-b-c1",
        "CallerID": "+493023125999",
    }


def test_an_agents_call() -> None:
    message = encoded(actions.agent_call(RingAgent("p", "od-b-a1", "agent01", 30.0)))
    assert message["Channel"] == "PJSIP/agent01"
    assert message["Context"] == "overdial-agent"
    assert message["Timeout"] == "30000"


@pytest.mark.parametrize(
    "command",
    [
        Originate("p", "od-b-c1", "carrier", "+49 30", "", 25.0),
        Originate("p", "od-b-c1", "carrier", "+4930@evil", "", 25.0),
        Originate("p", "od-b-c1", "carrier", "100&PJSIP/200", "", 25.0),
        Originate("p", "od-b-c1", "a/b", "+4930", "", 25.0),
        Originate("p", "od-b-c1", "", "+4930", "", 25.0),
        Originate("p", "od b", "carrier", "+4930", "", 25.0),
        Originate("p", "od-b-c1", "carrier", "+4930", "x\r\nAction: y", 25.0),
        Originate("p", "od-b-c1", "carrier", "+4930", '"a" <b>', 25.0),
    ],
)
def test_a_call_that_cannot_be_dialled_says_no_number(command: Originate) -> None:
    with pytest.raises(NotEncodable) as refused:
        actions.customer_call(command)
    assert command.phone not in str(refused.value)
    assert "4930" not in str(refused.value)


def test_actions_as_they_are_written() -> None:
    assert encoded(actions.bridge("PJSIP/a-1", "PJSIP/c-2")) == {
        "Action": "Bridge",
        "ActionID": "q-1",
        "Channel1": "PJSIP/a-1",
        "Channel2": "PJSIP/c-2",
    }
    assert encoded(actions.play_harbour("PJSIP/c-2"))["Priority"] == "abandon"
    assert encoded(actions.hang_up("od-b-c1"))["Cause"] == "16"
    assert encoded(actions.status("od-b-c1"))["Channel"] == "od-b-c1"
