"""A supervisor listens in: begins, changes the mode, leaves; the call is never disturbed."""

from __future__ import annotations

import itertools

import pytest

from dialer.core import commands as cmd
from dialer.core import events as ev
from dialer.core.modes import MonitorMode
from dialer.core.states import (
    MONITOR,
    AgentState,
    CallState,
    MonitorSignal,
    MonitorState,
    next_monitor_state,
)
from tests.core.playbook import Scene

LISTEN, WHISPER, BARGE = MonitorMode
Place = ev.ChannelPlace


def talking() -> tuple[Scene, str, str]:
    """Anna talks: scene, her leg, the attempt."""
    floor = Scene()
    leg = floor.agent()
    attempt = floor.dial()
    floor.talk(attempt, leg)
    return floor, leg, attempt


def asked(mode: MonitorMode = LISTEN) -> ev.MonitorAsked:
    return ev.MonitorAsked("sue", "anna", "main", "phone-sue", mode)


def listening() -> tuple[Scene, str, str]:
    """Sue listens: scene, her leg, the attempt."""
    floor, _, attempt = talking()
    leg = floor.tell(asked()).get(cmd.RingSupervisor).leg
    floor.tell(ev.LegAnswered(leg, "PJSIP/sue-1"), ev.MonitorBegan(leg, LISTEN))
    return floor, leg, attempt


def shown(floor: Scene) -> list[MonitorMode | None]:
    return [c.mode for c in floor.said if isinstance(c, cmd.ShowMonitor)]


@pytest.mark.parametrize(("state", "signal"), list(itertools.product(MonitorState, MonitorSignal)))
def test_every_state_by_every_signal(state: MonitorState, signal: MonitorSignal) -> None:
    assert next_monitor_state(state, signal) is MONITOR[state].get(signal, state)
    if state is not MonitorState.ENDED:
        assert next_monitor_state(state, MonitorSignal.GONE) is MonitorState.ENDED


def test_a_supervisor_listens_whispers_barges_and_leaves() -> None:
    floor, agent_leg, attempt = talking()
    ring = floor.tell(asked()).expect(cmd.RingSupervisor).get(cmd.RingSupervisor)
    assert (ring.phone, ring.agent_leg, ring.customer_leg) == ("phone-sue", agent_leg, attempt)
    assert shown(floor) == []  # asked is not heard
    floor.tell(ev.LegAnswered(ring.leg, "PJSIP/sue-1"), ev.MonitorBegan(ring.leg, LISTEN))
    assert shown(floor) == [LISTEN]
    for mode in (WHISPER, BARGE):
        floor.tell(asked(mode)).expect(cmd.ChangeMonitor)
        assert shown(floor) == []
        floor.tell(ev.MonitorBegan(ring.leg, mode)).expect()
        assert shown(floor) == [mode]
    floor.tell(ev.MonitorLeft("sue")).expect(cmd.HangUp)
    floor.tell(ev.LegHungUp(ring.leg, 16)).expect()
    assert shown(floor) == [None]
    assert floor.state() is AgentState.TALK
    assert floor.floor.calls[attempt].state is CallState.TALKING
    assert not floor.floor.monitors
    assert not floor.floor.monitor_of_leg


def test_it_is_over_with_the_conversation_and_not_there_for_the_next() -> None:
    floor, leg, attempt = listening()
    floor.tell(ev.LegUnbridged(attempt, "b1")).expect(cmd.HangUp)
    assert floor.get(cmd.HangUp).leg == leg
    floor.tell(ev.LegHungUp(attempt, 16), ev.MonitorBegan(leg, WHISPER))
    assert shown(floor) == []  # on its way out it is not heard of again
    floor.tell(ev.LegHungUp(leg, 16))
    assert shown(floor) == [None]


def test_a_phone_that_still_rings_when_the_conversation_ends_is_given_up() -> None:
    floor, _, attempt = talking()
    leg = floor.tell(asked()).get(cmd.RingSupervisor).leg
    floor.tell(ev.LegHungUp(attempt, 16))
    assert [c.leg for c in floor.said if isinstance(c, cmd.HangUp)] == [leg]


def test_what_is_not_there_cannot_be_heard_and_one_hears_one_at_a_time() -> None:
    floor = Scene()
    floor.agent()
    floor.tell(asked()).expect(cmd.Warn)  # she is ready
    floor, _, _ = talking()
    ben = floor.agent("ben")
    second = floor.dial()
    floor.talk(second, ben)
    floor.tell(asked()).expect(cmd.RingSupervisor)
    floor.tell(ev.MonitorAsked("sue", "ben", "main", "phone-sue", LISTEN)).expect(cmd.Warn)
    floor.tell(ev.MonitorAsked("tom", "ben", "main", "phone-tom", BARGE))
    floor.expect(cmd.RingSupervisor)  # another supervisor may


def test_a_phone_that_does_not_answer_is_no_more_than_that() -> None:
    floor, _, attempt = talking()
    leg = floor.tell(asked()).get(cmd.RingSupervisor).leg
    floor.tell(ev.OriginateFailed(leg, refused="no such endpoint"))
    assert shown(floor) == [None]
    assert floor.floor.calls[attempt].state is CallState.TALKING
    floor.tell(asked()).expect(cmd.RingSupervisor)  # and may be rung anew


def test_a_lost_event_is_asked_after() -> None:
    floor, _, _ = talking()
    leg = floor.tell(asked()).get(cmd.RingSupervisor).leg
    floor.wait(26.0)
    assert [c.leg for c in floor.said if isinstance(c, cmd.CheckLeg)] == [leg]
    floor.tell(ev.LegChecked("main", leg, None))
    assert shown(floor) == [None]


def test_after_a_lost_link_what_still_stands_goes_on_and_what_is_over_ends() -> None:
    floor, leg, attempt = listening()
    agent_leg = floor.floor.agents["anna"].leg
    floor.tell(ev.LinkLost("main", "reset"))
    mine = ev.ChannelFound(leg, "PJSIP/sue-1", Place.DIALPLAN)
    call = ev.ChannelFound(attempt, "PJSIP/t-1", Place.TALKING, agent_leg)
    agent = ev.ChannelFound(agent_leg, "PJSIP/anna-1", Place.TALKING, attempt)
    floor.tell(ev.LinkResynced("main", (mine, call, agent))).expect()
    assert floor.floor.monitors["sue"].state is MonitorState.ON
    floor.tell(ev.LinkLost("main", "reset"))
    parked = ev.ChannelFound(agent_leg, "PJSIP/anna-1", Place.PARKED)
    floor.tell(ev.LinkResynced("main", (mine, parked)))
    assert [c.leg for c in floor.said if isinstance(c, cmd.HangUp)] == [leg]


def test_a_new_life_hangs_up_a_supervisor_of_the_old_one() -> None:
    floor = Scene()
    stray = ev.ChannelFound("od-old-s0000001", "PJSIP/sue-1", Place.DIALPLAN)
    floor.tell(ev.LinkResynced("main", (stray,))).expect(cmd.HangUp)
