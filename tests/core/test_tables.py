"""Every state x every signal: a move, a late fact, or an error that changes nothing."""

from __future__ import annotations

import itertools

import pytest

from dialer.core.states import (
    AGENT,
    CALL,
    CAMPAIGN,
    OWN_CALL_SIGNALS,
    AgentSignal,
    AgentState,
    CallSignal,
    CallState,
    CampaignSignal,
    CampaignState,
    IllegalTransition,
    next_agent_state,
    next_call_state,
    next_campaign_state,
)


@pytest.mark.parametrize(("state", "signal"), list(itertools.product(CallState, CallSignal)))
def test_call(state: CallState, signal: CallSignal) -> None:
    if signal in CALL[state]:
        assert next_call_state(state, signal) is CALL[state][signal]
    elif signal in OWN_CALL_SIGNALS:
        with pytest.raises(IllegalTransition):
            next_call_state(state, signal)
    else:
        assert next_call_state(state, signal) is state


@pytest.mark.parametrize(("state", "signal"), list(itertools.product(AgentState, AgentSignal)))
def test_agent(state: AgentState, signal: AgentSignal) -> None:
    if signal in AGENT[state]:
        assert next_agent_state(state, signal) is AGENT[state][signal]
        return
    try:
        assert next_agent_state(state, signal) is state
    except IllegalTransition:
        assert signal in (
            AgentSignal.TAKEN,
            AgentSignal.GO_READY,
            AgentSignal.GO_BREAK,
            AgentSignal.GO_OUT,
            AgentSignal.CALL_AGAIN,
            AgentSignal.OFFERED,
            AgentSignal.BOOKED,
            AgentSignal.OWN_ANSWER,
            AgentSignal.KEPT,
        )


@pytest.mark.parametrize(
    ("state", "signal"), list(itertools.product(CampaignState, CampaignSignal))
)
def test_campaign(state: CampaignState, signal: CampaignSignal) -> None:
    assert next_campaign_state(state, signal) is CAMPAIGN[state].get(signal, state)


def test_only_a_ready_agent_can_be_taken() -> None:
    takers = [s for s in AgentState if AGENT[s].get(AgentSignal.TAKEN)]
    assert takers == [AgentState.READY]


def test_only_a_waiting_customer_gets_an_agent_and_only_once_is_a_call_launched() -> None:
    assert [s for s in CallState if CallSignal.TAKEN in CALL[s]] == [CallState.WAITING]
    assert [s for s in CallState if CallSignal.LAUNCHED in CALL[s]] == [CallState.CLEARED]
    # and no way leads back to CLEARED once it was launched
    assert [s for s in CallState if CallState.CLEARED in CALL[s].values()] == [CallState.PLANNED]


@pytest.mark.parametrize("state", [s for s in CallState if s is not CallState.ENDED])
def test_every_call_can_end(state: CallState) -> None:
    reached, new = set(), {state}
    while new:
        reached |= new
        new = {t for s in new for t in CALL[s].values()} - reached
    assert CallState.ENDED in reached


@pytest.mark.parametrize("state", list(CallState))
def test_whoever_is_connected_was_waiting_first(state: CallState) -> None:
    """No way from ringing to talking that does not pass through waiting and connecting."""
    if CallState.TALKING in CALL[state].values():
        assert state in (
            CallState.CONNECTING,
            CallState.TURNING_AWAY,
            CallState.MOVING,  # he talks, and goes on talking, with one agent or the other
            CallState.HANDED_ON,
            CallState.HOLDING,
            CallState.HELD,
            CallState.RESUMING,
            CallState.PARTING,
            CallState.HARBOUR,
            CallState.UNKNOWN,
        )
