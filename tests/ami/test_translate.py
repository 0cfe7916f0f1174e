"""AMI events to core events: by hand-made events, and by what a real Asterisk 22 said."""

from __future__ import annotations

from pathlib import Path

import pytest

from dialer.ami.codec import Decoder, Message
from dialer.ami.listing import channels_found, leg_found
from dialer.ami.translate import PbxTime, Translator
from dialer.ami.version import judge_version
from dialer.core.events import (
    ChannelFound,
    ChannelPlace,
    Event,
    HarbourStarted,
    LegAnswered,
    LegBridged,
    LegHungUp,
    LegParked,
    LegRinging,
    LegUnbridged,
    MachineDetected,
    OriginateFailed,
    PersonDetected,
)

RECORDED = Path(__file__).parents[1] / "recorded"
LEG = "od-b-c1"


def event(name: str, **headers: str) -> Message:
    return Message({"Event": name, **{k.replace("_", "-"): v for k, v in headers.items()}})


def translate(message: Message, now: float = 10.0) -> Event | None:
    return Translator().translate(message, now)


HOLDING = {"BridgeUniqueid": "b-1", "BridgeCreator": "BridgeWait", "BridgeName": f"cu-{LEG}"}
TWO_PARTY = {"BridgeUniqueid": "b-2", "BridgeCreator": "<unknown>", "BridgeName": "<unknown>"}


@pytest.mark.parametrize(
    ("message", "fact"),
    [
        (event("DialState", DestUniqueid=LEG, DialStatus="RINGING"), LegRinging(LEG)),
        (event("DialState", DestUniqueid=LEG, DialStatus="PROGRESS"), LegRinging(LEG)),
        (event("DialState", DestUniqueid=LEG, DialStatus="PROCEEDING"), None),
        (event("DialState", Uniqueid=LEG, DestUniqueid="1.2", DialStatus="RINGING"), None),
        (event("Newstate", Uniqueid=LEG, ChannelState="5", Channel="PJSIP/t-1"), None),
        (
            event("Newstate", Uniqueid=LEG, ChannelState="6", Channel="PJSIP/t-1"),
            LegAnswered(LEG, "PJSIP/t-1"),
        ),
        (
            event("OriginateResponse", Uniqueid=LEG, Response="Success", Channel="PJSIP/t-1"),
            LegAnswered(LEG, "PJSIP/t-1"),
        ),
        (
            event("OriginateResponse", Uniqueid=LEG, Response="Failure", Reason="3"),
            OriginateFailed(LEG, 3),
        ),
        (
            event("OriginateResponse", Uniqueid="<unknown>", ActionID=LEG, Response="Failure"),
            OriginateFailed(LEG, 0),
        ),
        (event("OriginateResponse", Uniqueid="17.1", ActionID="x", Response="Failure"), None),
        (
            event("BridgeEnter", Uniqueid=LEG, Channel="PJSIP/t-1", **HOLDING),
            LegParked(LEG, "PJSIP/t-1"),
        ),
        (event("BridgeEnter", Uniqueid=LEG, **TWO_PARTY), LegBridged(LEG, "b-2")),
        (event("BridgeLeave", Uniqueid=LEG, **TWO_PARTY), LegUnbridged(LEG, "b-2")),
        (event("BridgeLeave", Uniqueid=LEG, **HOLDING), None),
        (event("BridgeEnter", Uniqueid="1700.1", **TWO_PARTY), None),
        (
            event("UserEvent", UserEvent="OverdialLive", Leg=LEG, Uniqueid=LEG, Amd=""),
            PersonDetected(LEG, ""),
        ),
        (
            event("UserEvent", UserEvent="OverdialLive", Leg=LEG, Uniqueid=LEG, Amd="HUMAN/X-1"),
            PersonDetected(LEG, "HUMAN/X-1"),
        ),
        (
            event("UserEvent", UserEvent="OverdialMachine", Leg=LEG, Uniqueid=LEG, Cause="MAX-3"),
            MachineDetected(LEG, "MAX-3"),
        ),
        (
            event("UserEvent", UserEvent="OverdialHarbour", Leg=LEG, Uniqueid=LEG),
            HarbourStarted(LEG),
        ),
        (event("UserEvent", UserEvent="Somebody", Leg=LEG, Uniqueid=LEG), None),
        (
            event("Hangup", Uniqueid=LEG, Cause="17", TechCause="486", Cause_txt="User busy"),
            LegHungUp(LEG, 17, 486),
        ),
        (event("Hangup", Uniqueid=LEG, Cause="16"), LegHungUp(LEG, 16, None)),
        (event("Hangup", Uniqueid="1700.1", Cause="16"), None),
        (event("VarSet", Uniqueid=LEG), None),
        (Message(), None),
    ],
)
def test_one_event(message: Message, fact: Event | None) -> None:
    assert translate(message) == fact


@pytest.mark.parametrize(
    "message",
    [
        event("UserEvent", UserEvent="OverdialLive", Leg=LEG, Uniqueid="od-b-c2"),
        event("UserEvent", UserEvent="OverdialLive", Leg=LEG),
        event("UserEvent", UserEvent="OverdialNews", Leg=LEG, Uniqueid=LEG),
        event("BridgeEnter", Uniqueid="od-b-c2", **HOLDING),
    ],
)
def test_what_makes_no_sense_is_counted_and_gives_nothing(message: Message) -> None:
    translator = Translator()
    assert translator.translate(message, 1.0) is None
    assert translator.odd == 1


@pytest.mark.parametrize("cause", ["", "x", "-1", "9999999", "１７"])
def test_a_cause_that_is_no_number(cause: str) -> None:
    assert translate(event("Hangup", Uniqueid=LEG, Cause=cause)) == LegHungUp(LEG, 0, None)


def test_a_redirect_is_known_though_the_hangup_does_not_tell() -> None:
    translator = Translator()
    ended = event("DialEnd", DestUniqueid=LEG, DialStatus="CANCEL", Forward="+496990009000")
    assert translator.translate(ended, 1.0) is None
    hangup = event("Hangup", Uniqueid=LEG, Cause="0")
    assert translator.translate(hangup, 2.0) == LegHungUp(LEG, 23, 302)
    assert translator.translate(hangup, 3.0) == LegHungUp(LEG, 0, None)  # remembered once


def test_redirects_without_a_hangup_are_forgotten_in_time() -> None:
    translator = Translator()
    for n in range(10_001):
        ended = event("DialEnd", DestUniqueid=f"od-b-c{n}", Forward="+496990009000")
        translator.translate(ended, 1.0)
    first = event("Hangup", Uniqueid="od-b-c0", Cause="0")
    assert translator.translate(first, 2.0) == LegHungUp("od-b-c0", 0, None)


# --- the PBX's clock ---------------------------------------------------------------------------


def test_the_event_that_was_delayed_least_sets_the_offset() -> None:
    time = PbxTime()
    assert time.at("1000.0", 50.3) == pytest.approx(50.3)  # 300 ms late, and nobody can know yet
    assert time.at("1001.0", 51.1) == pytest.approx(51.1)  # 100 ms late
    assert time.at("1002.0", 52.5) == pytest.approx(52.1)
    assert time.at("1003.0", 53.1) == pytest.approx(53.1)


def test_a_clock_that_is_set_is_followed() -> None:
    time = PbxTime(window_s=60.0)
    time.at("1000.0", 50.0)
    assert time.at("3000.0", 51.0) == pytest.approx(51.0)  # set forward: at once
    for n in range(200):  # set back: after two windows
        at = time.at(str(500.0 + n), 52.0 + n)
    assert at == pytest.approx(251.0)


@pytest.mark.parametrize("stamp", ["", "x", "nan", "inf", "-5", "0", "1e300"])
def test_a_stamp_that_is_none(stamp: str) -> None:
    assert PbxTime().at(stamp, 5.0) is None


def test_never_after_now() -> None:
    time = PbxTime()
    time.at("1000.0", 50.0)
    assert time.at("1010.0", 51.0) == 51.0


# --- recorded from Asterisk 22 -------------------------------------------------------------------


def recorded(scene: str, leg: str, *, link: str = "evt") -> list[str]:
    """Kinds of the facts about a leg, in order; of the repeated answer only the first."""
    decoder, translator = Decoder(banner=True), Translator()
    facts: list[str] = []
    for message in decoder.feed((RECORDED / f"{scene}.{link}.ami").read_bytes()):
        fact = translator.translate(message, float(message.get("Timestamp", "1")) - 1.7e9)
        if fact is not None and getattr(fact, "leg", "") == leg:
            name = type(fact).__name__
            if isinstance(fact, LegHungUp):
                name = f"LegHungUp {fact.cause}/{fact.tech_cause or '-'}"
            if isinstance(fact, OriginateFailed):
                name = f"OriginateFailed {fact.reason}"
            if not (isinstance(fact, LegAnswered) and name in facts):
                facts.append(name)
    assert decoder.malformed == 0
    assert translator.odd == 0
    return facts


ANSWERED = {"LegRinging", "LegAnswered", "PersonDetected", "LegParked"}

REFUSALS = {
    "refused-busy": (True, 0, "17/486"),
    "refused-busy-at-once": (False, 0, "17/486"),
    "refused-invalid": (False, 0, "1/404"),
    "refused-no-answer-480": (True, 0, "19/480"),
    "refused-unreachable-480": (False, 0, "19/480"),
    "refused-congestion": (False, 0, "34/503"),
    "refused-rejected": (True, 0, "21/603"),
    "refused-blocked-by-user": (False, 0, "127/607"),
    "refused-blocked-analytics": (False, 0, "127/608"),
    "refused-redirect": (False, 0, "23/302"),
    "refused-gone": (False, 0, "22/410"),
    "refused-forbidden": (False, 0, "21/403"),
    "refused-server-error": (False, 0, "38/500"),
    "refused-request-timeout": (False, 0, "18/408"),
    "refused-not-acceptable": (False, 0, "58/488"),
    "ring-timeout": (True, 3, "19/480"),
    "nothing-answers": (False, 3, "19/480"),
    "we-hang-up-ringing": (True, 0, "16/-"),
}


@pytest.mark.parametrize("scene", REFUSALS)
def test_recorded_calls_that_were_not_answered(scene: str) -> None:
    rang, reason, causes = REFUSALS[scene]
    ringing = ["LegRinging"] if rang else []
    ends = {f"OriginateFailed {reason}", f"LegHungUp {causes}"}
    facts = recorded(scene, "od-rec1-c1")
    assert facts[: len(ringing)] == ringing
    assert set(facts[len(ringing) :]) == ends  # in an order that differs from call to call


@pytest.mark.parametrize(
    ("scene", "then"),
    [
        ("dead-man-abandon", ["HarbourStarted", "LegHungUp 16/-"]),
        ("redirect-abandon", ["HarbourStarted", "LegHungUp 16/-"]),
        ("caller-leaves-in-message", ["HarbourStarted", "LegHungUp 16/-"]),
        ("caller-leaves-waiting", ["LegHungUp 16/-"]),
        ("early-media-then-answer", ["LegHungUp 16/-"]),
        ("talk-customer-hangs-up", ["LegBridged", "LegUnbridged", "LegHungUp 16/-"]),
        ("talk-we-hang-up-customer", ["LegBridged", "LegUnbridged", "LegHungUp 16/-"]),
    ],
)
def test_recorded_calls_that_were_answered(scene: str, then: list[str]) -> None:
    facts = recorded(scene, "od-rec1-c1")
    assert set(facts[:4]) == ANSWERED
    assert facts[4:] == then


def test_recorded_answer_and_bye_at_once() -> None:
    """Now and then the call is over before the dialplan runs: no announcement, and Cause 0."""
    facts = recorded("answer-then-bye-at-once", "od-rec1-c1")
    ran = "PersonDetected" in facts
    assert facts[0] == "LegRinging"
    assert set(facts[:-1]) == (ANSWERED if ran else {"LegRinging", "LegAnswered"})
    assert facts[-1] in (("LegHungUp 16/-",) if ran else ("LegHungUp 0/-", "LegHungUp 16/-"))


def test_recorded_agent_leg_through_two_talks() -> None:
    assert recorded("two-talks-on-one-leg", "od-rec1-a1") == [
        "LegRinging",
        "LegAnswered",
        "LegParked",
        *["LegBridged", "LegUnbridged", "LegParked"] * 2,
        "LegHungUp 16/-",
    ]


def test_recorded_agent_phone_that_is_busy() -> None:
    assert set(recorded("agent-phone-busy", "od-rec1-a1")) == {
        "OriginateFailed 0",
        "LegHungUp 17/486",
    }


def test_recorded_bridge_time_is_exact() -> None:
    """Answer to bridge by the PBX's own stamps, whatever our own clock and the delay were."""
    decoder, translator = Decoder(banner=True), Translator()
    at: dict[str, float] = {}
    stamps: dict[str, float] = {}
    for message in decoder.feed((RECORDED / "talk-customer-hangs-up.evt.ami").read_bytes()):
        stamp = float(message.get("Timestamp", "0"))
        fact = translator.translate(message, stamp - 1.7e9 + 0.005)
        if isinstance(fact, LegParked | LegBridged) and fact.leg == "od-rec1-c1":
            assert fact.at is not None
            at[type(fact).__name__] = fact.at
            stamps[type(fact).__name__] = stamp
    gap = at["LegBridged"] - at["LegParked"]
    assert gap == pytest.approx(stamps["LegBridged"] - stamps["LegParked"], abs=1e-6)


def listed(scene: str, event_name: str) -> list[Message]:
    data = (RECORDED / f"{scene}.evt.ami").read_bytes()
    return [m for m in Decoder(banner=True).feed(data) if m.get("Event") == event_name]


def test_recorded_resync() -> None:
    bridges = {m["BridgeUniqueid"]: m for m in listed("resync", "BridgeListItem")}
    found = channels_found(listed("resync", "CoreShowChannel"), bridges)
    places = {one.leg: (one.place, one.peer) for one in found}
    assert places == {
        "od-rec1-a1": (ChannelPlace.TALKING, "od-rec1-c1"),
        "od-rec1-c1": (ChannelPlace.TALKING, "od-rec1-a1"),
        "od-rec1-a2": (ChannelPlace.PARKED, ""),
        "od-rec1-c2": (ChannelPlace.RINGING, ""),
        "od-rec1-c3": (ChannelPlace.HARBOUR, ""),
        "od-rec1-c4": (ChannelPlace.PARKED, ""),
    }
    without_list = {
        one.leg: one.place for one in channels_found(listed("resync", "CoreShowChannel"), {})
    }
    assert without_list == {leg: place for leg, (place, _) in places.items()}


def test_recorded_status_of_one_leg() -> None:
    data = (RECORDED / "resync.cmd.ami").read_bytes()
    statuses = {
        m["Uniqueid"]: m for m in Decoder(banner=True).feed(data) if m.get("Event") == "Status"
    }
    talking = leg_found(
        "od-rec1-c1",
        statuses["od-rec1-c1"],
        Message({"BridgeCreator": "<unknown>"}),
        [Message({"Uniqueid": "od-rec1-a1"}), Message({"Uniqueid": "od-rec1-c1"})],
    )
    assert talking == ChannelFound(
        "od-rec1-c1", statuses["od-rec1-c1"]["Channel"], ChannelPlace.TALKING, "od-rec1-a1"
    )
    ringing = leg_found("od-rec1-c2", statuses["od-rec1-c2"], None, ())
    assert ringing.place is ChannelPlace.RINGING
    assert leg_found("od-rec1-c3", statuses["od-rec1-c3"], None, ()).place is ChannelPlace.HARBOUR


# --- versions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "usable", "warns"),
    [
        ("22.10.1", True, False),
        ("22.10.1~dfsg+~cs6.15.60671435-1", True, False),
        ("22.11.0-rc1", True, False),
        ("22.10.0", True, True),
        ("22.9.0", False, True),
        ("20.19.0", False, True),
        ("23.3.0", False, True),
        ("20.20.1", True, False),
        ("20.20.0", True, True),
        ("18.26.4", True, True),
        ("24.0.0", True, False),
        ("certified/22.8-cert1", True, True),
        ("GIT-master-abcdef", True, True),
        ("", True, True),
    ],
)
def test_versions(version: str, usable: bool, warns: bool) -> None:
    verdict = judge_version(version)
    assert verdict.usable is usable
    assert bool(verdict.why) is warns
