"""The campaign of a simulated world: its list dialled from the top again and again."""

from __future__ import annotations

from dialer.campaigns.model import CampaignFile, Purpose
from dialer.core.events import RING_MIN_S
from simulator.full.crew import MACHINE_CODE, SERVED_CODE
from simulator.scenario import BadScenario, Scenario

ZONE = "UTC"  # the day's wall clock is the core's
TRUNK, CALLER_ID = "carrier", "+12025550100"
NUMBERS = "+1555"  # an area code that nobody has; seven digits follow
_AGAIN = ("abandoned", "caller_left", "machine", "no_answer", "unreachable", "busy", "rejected")


def campaign_of(scenario: Scenario, name: str) -> CampaignFile:
    """A campaign under the compliance gate that dials this world.

    Raises BadScenario for a world that the shipping core would not dial: it never cuts a ringing
    line before 15 s, and never lets a person wait longer than 2 s.
    """
    line, law = scenario.line, scenario.law
    if not RING_MIN_S <= line.ring_limit_s <= 120.0:
        raise BadScenario(
            "line.ring_limit_s",
            f"is {line.ring_limit_s:g}; the full engine runs the dialer itself, which rings for "
            "15 to 120 s",
        )
    if line.ring_least_s < RING_MIN_S:
        raise BadScenario(
            "line.ring_least_s",
            f"is {line.ring_least_s:g}; the full engine runs the dialer itself, which gives up "
            "no line before 15 s",
        )
    if not 0.0 < law.wait_limit_s <= 2.0:
        raise BadScenario(
            "law.wait_limit_s",
            f"is {law.wait_limit_s:g}; the full engine runs the dialer itself, where nobody waits "
            "longer than 2 s",
        )
    return CampaignFile.model_validate(
        {
            "name": name,
            "purpose": Purpose.SERVICE.value,
            "trunk": TRUNK,
            "caller_id": CALLER_ID,
            "default_region": "US",
            "abandon_limit": law.abandon_rate_max,
            "ring_limit_s": line.ring_limit_s,
            "ring_least_s": min(line.ring_least_s, line.ring_limit_s),  # as long: never given up
            "patience_s": law.wait_limit_s,
            "wrap_up_limit_s": 3600,
            "amd": scenario.amd.on,
            "attempts_max": 100,
            "retry": {outcome: {"after": "0s", "max": 100} for outcome in _AGAIN},
            "dispositions": [
                {"code": SERVED_CODE, "label": "Done"},
                {
                    "code": MACHINE_CODE,
                    "label": "Answering machine",
                    "category": "no_contact",
                    "next": "retry",
                    "after": "2h",
                    "machine": True,
                },
            ],
            "calling_window": [{"days": "mon-sun", "from": "00:00", "to": "24:00"}],
        }
    )
