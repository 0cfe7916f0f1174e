"""Recorded streams of real Asterisk 22 through translation and core: the outcome each scene has.

The core dials the call itself; what the PBX says of it are the recorded bytes, with our own ids put
in for the recorded ones and their Timestamps as the time. Commands of the core go nowhere: what the
recorded hand did instead is in the recording.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from dialer.ami.codec import Decoder
from dialer.ami.translate import Translator
from dialer.core import commands as cmd
from dialer.core import events as ev
from dialer.core.floor import Floor
from dialer.core.outcomes import Outcome
from dialer.snapshot import Decision

RECORDED = Path(__file__).parents[1] / "recorded"
BOOT, CALL, AGENT = "rec1", "od-rec1-c0000001", "od-rec1-a1"
LEAD = ev.Lead(1, "spring", "+493023125001", 1, 1)

OUTCOMES = {
    "refused-busy": Outcome.BUSY,
    "refused-busy-at-once": Outcome.BUSY,
    "refused-invalid": Outcome.INVALID,
    "refused-gone": Outcome.INVALID,
    "refused-no-answer-480": Outcome.NO_ANSWER,
    "refused-unreachable-480": Outcome.UNREACHABLE,
    "refused-congestion": Outcome.CONGESTION,
    "refused-server-error": Outcome.CONGESTION,
    "refused-rejected": Outcome.REJECTED,
    "refused-forbidden": Outcome.REJECTED,
    "refused-blocked-by-user": Outcome.BLOCKED_BY_USER,
    "refused-blocked-analytics": Outcome.BLOCKED_ANALYTICS,
    "refused-redirect": Outcome.REDIRECTED,
    "refused-request-timeout": Outcome.UNREACHABLE,
    "refused-not-acceptable": Outcome.TRUNK_CONFIG,
    "ring-timeout": Outcome.NO_ANSWER,
    "nothing-answers": Outcome.UNREACHABLE,
    "we-hang-up-ringing": Outcome.NO_ANSWER,
    "amd-machine": Outcome.MACHINE,
    "amd-human-then-message": Outcome.ABANDONED,
    "amd-caller-leaves-meanwhile": Outcome.CALLER_LEFT,
    "dead-man-abandon": Outcome.ABANDONED,
    "redirect-abandon": Outcome.ABANDONED,
    "caller-leaves-in-message": Outcome.ABANDONED,
    "caller-leaves-waiting": Outcome.CALLER_LEFT,
    "early-media-then-answer": Outcome.CALLER_LEFT,
    "talk-customer-hangs-up": Outcome.CONNECTED,
    "talk-we-hang-up-customer": Outcome.CONNECTED,
    "talk-agent-leg-lost": Outcome.CONNECTED,
    "recorded-call": Outcome.CALLER_LEFT,
}


def played(scene: str) -> list[cmd.Command]:
    """Everything the core wanted while it was told the scene."""
    floor = Floor(BOOT)
    out: list[cmd.Command] = []
    now = 0.0

    def tell(event: ev.Event) -> None:
        out.extend(floor.handle(event, now))

    rules = ev.CampaignRules("spring", "main", "trunk", "", amd="amd" in scene)
    tell(ev.TrunkConfigured("main", "trunk"))
    tell(ev.CampaignStarted(rules))
    tell(ev.LinkResynced("main", ()))
    if "talk" in scene:
        tell(ev.AgentLoggedIn("anna", AGENT, "main", "phone", ("spring",)))
        tell(ev.StatusChosen("anna", ev.Status.READY))
    tell(ev.LeadsOffered("spring", (LEAD,)))
    tell(ev.LinesDecided("spring", Decision(1)))
    tell(ev.AttemptRecorded(CALL))
    assert any(isinstance(one, cmd.Originate) and one.attempt == CALL for one in out)

    decoder, translator = Decoder(banner=True), Translator()
    stream = (RECORDED / f"{scene}.evt.ami").read_bytes().replace(b"od-rec1-c1", CALL.encode())
    first: float | None = None
    for message in decoder.feed(stream):
        if (stamp := message.get("Timestamp", "")) != "":
            first = float(stamp) if first is None else first
            now = max(now, float(stamp) - first)
        fact = translator.translate(message, now)
        if fact is not None:
            tell(fact)
    now += 600.0  # whatever the core still waits for
    out.extend(floor.tick(now))
    return out


def test_every_scene_with_a_call_has_its_outcome_here() -> None:
    scenes = {path.name.removesuffix(".evt.ami") for path in RECORDED.glob("*.evt.ami")}
    apart = {  # of agents alone, of the link, of actions, or of two calls
        *("actions-that-fail", "agent-leg-lost-at-once", "agent-logs-in-and-out"),
        *("agent-phone-busy", "agent-phone-hangs-up-parked", "agent-phone-not-answered"),
        *("answer-then-bye-at-once", "asterisk-stops", "bridge-after-the-timer"),
        *("originate-refused", "resync", "two-talks-on-one-leg"),
    }
    assert scenes - apart == set(OUTCOMES)


@pytest.mark.parametrize("scene", sorted(OUTCOMES))
def test_the_recorded_call_ends_as_it_did(scene: str) -> None:
    records = [one for one in played(scene) if isinstance(one, cmd.RecordOutcome)]
    assert [one.outcome for one in records] == [OUTCOMES[scene]]
    (record,) = records
    assert record.attempt == CALL
    times = record.timings
    stages = [times.originated, times.ringing, times.answered, times.live, times.ended]
    known = [at for at in stages if at is not None]
    assert known == sorted(known)
    assert record.unserved == (OUTCOMES[scene] is Outcome.ABANDONED)
