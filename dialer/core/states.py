"""The state tables of a call and of an agent: where each may go, and on what.

A table is a dict of dicts: `CALL[state][signal]` is the next state. A signal that a state's row
does not name is either *late* (a fact repeated or overtaken, as AMI delivers them: it changes
nothing, see `LATE_CALL` and `LATE_AGENT`) or *illegal*: `next_call_state` raises and nothing is
changed. Signals from the PBX are never illegal for a state in which the leg lives; our own
signals (an agent taken twice, an attempt launched twice) are, and their being so is what keeps
the promises of the design.
"""

from __future__ import annotations

from enum import StrEnum


class IllegalTransition(Exception):
    """A signal that must not happen in this state. Nothing was changed."""


class CallState(StrEnum):
    PLANNED = "planned"  # the attempt is being written ahead
    REVOKED = "revoked"  # taken back while it was being written: not dialled, whatever comes
    CLEARED = "cleared"  # written; waits for its slot on the trunk
    PLACING = "placing"  # Originate sent
    RINGING = "ringing"
    GIVING_UP = "giving up"  # has rung as long as the law wants, and is being hung up
    ANSWERED = "answered"  # up, on its way through the dialplan (AMD, ...)
    WAITING = "waiting"  # a live person, parked, without an agent
    CONNECTING = "connecting"  # an agent is reserved and the Bridge sent
    TALKING = "talking"
    MOVING = "moving"  # a Bridge is sent that takes him from his agent to another
    HANDED_ON = "handed on"  # sent to a number outside; comes back when nobody answers there
    HOLDING = "holding"  # sent to the music
    HELD = "held"  # hears it
    RESUMING = "resuming"  # a Bridge is sent that takes him from the music to an agent
    RELEASED = "released"  # his talk outside is over: he is being hung up
    PARTING = "parting"  # the bridge is dissolved, the hangup will follow
    TURNING_AWAY = "turning away"  # patience is over, sent to the safe-harbour message
    HARBOUR = "harbour"  # hears the message
    MACHINE = "machine"  # taken for a machine by AMD
    CLOSING = "closing"  # the Originate failed; Hangup may still bring the cause
    UNKNOWN = "unknown"  # the link was lost, or facts contradict: reconcile, never resend
    ENDED = "ended"


class CallSignal(StrEnum):
    # ours
    RECORDED = "recorded"
    WITHDRAWN = "withdrawn"  # refused by the store, or taken back before it was dialled
    REVOKED = "revoked"  # the lead or the number was suppressed while the attempt was being written
    LAUNCHED = "launched"
    GIVEN_UP = "given up"
    TAKEN = "taken"  # an agent is reserved
    PASSED = "passed to another agent"
    SENT_OUT = "sent to a number outside"
    PUT_ON_HOLD = "put on hold"
    TAKEN_BACK = "taken from hold"
    LEFT_ALONE = "left alone on hold"
    RELEASED = "released"
    PATIENCE_OVER = "patience over"
    LINGER_OVER = "linger over"
    # the PBX's
    RANG = "rang"
    ANSWERED = "answered"
    LIVE = "live"
    MACHINE = "machine"
    PARKED = "parked"
    BRIDGED = "bridged"
    UNBRIDGED = "unbridged"
    BRIDGE_FAILED = "bridge failed"
    HARBOUR = "harbour"
    HUNG_UP = "hung up"
    ORIGINATE_FAILED = "originate failed"
    LINK_LOST = "link lost"
    # answers to a resync or a check
    FOUND_RINGING = "found ringing"
    FOUND_DIALPLAN = "found in dialplan"
    FOUND_PARKED = "found parked"
    FOUND_TALKING = "found talking"
    FOUND_HARBOUR = "found in harbour"
    FOUND_OUTSIDE = "found outside"  # with, or on the way to, somebody who is none of ours
    FOUND_HELD = "found on hold"
    MISSING = "missing"


_S = CallState
_G = CallSignal

# What any living leg obeys, whatever we believed: a channel that is gone is gone.
_ALWAYS = {_G.HUNG_UP: _S.ENDED, _G.MISSING: _S.ENDED, _G.LINK_LOST: _S.UNKNOWN}

CALL: dict[CallState, dict[CallSignal, CallState]] = {
    _S.PLANNED: {
        _G.RECORDED: _S.CLEARED,
        _G.REVOKED: _S.REVOKED,
        _G.WITHDRAWN: _S.ENDED,
    },
    _S.REVOKED: {_G.REVOKED: _S.REVOKED, _G.WITHDRAWN: _S.ENDED},
    _S.CLEARED: {
        _G.LAUNCHED: _S.PLACING,
        _G.WITHDRAWN: _S.ENDED,
    },
    _S.PLACING: {
        **_ALWAYS,
        _G.RANG: _S.RINGING,
        _G.ANSWERED: _S.ANSWERED,
        _G.LIVE: _S.ANSWERED,
        _G.MACHINE: _S.MACHINE,
        _G.PARKED: _S.WAITING,
        _G.HARBOUR: _S.HARBOUR,
        _G.ORIGINATE_FAILED: _S.CLOSING,
        _G.FOUND_RINGING: _S.RINGING,
        _G.FOUND_DIALPLAN: _S.ANSWERED,
        _G.FOUND_PARKED: _S.WAITING,
        _G.FOUND_HARBOUR: _S.HARBOUR,
    },
    _S.RINGING: {
        **_ALWAYS,
        _G.GIVEN_UP: _S.GIVING_UP,
        _G.ANSWERED: _S.ANSWERED,
        _G.LIVE: _S.ANSWERED,
        _G.MACHINE: _S.MACHINE,
        _G.PARKED: _S.WAITING,
        _G.HARBOUR: _S.HARBOUR,
        _G.ORIGINATE_FAILED: _S.CLOSING,
        _G.FOUND_DIALPLAN: _S.ANSWERED,
        _G.FOUND_PARKED: _S.WAITING,
        _G.FOUND_HARBOUR: _S.HARBOUR,
    },
    # Who answers in this very moment is being hung up all the same: no agent is taken for him.
    _S.GIVING_UP: {
        **_ALWAYS,
        _G.MACHINE: _S.MACHINE,
        _G.HARBOUR: _S.HARBOUR,
        _G.ORIGINATE_FAILED: _S.CLOSING,
        _G.FOUND_RINGING: _S.RINGING,  # the HangUp did nothing
        _G.FOUND_DIALPLAN: _S.ANSWERED,
        _G.FOUND_PARKED: _S.WAITING,
        _G.FOUND_HARBOUR: _S.HARBOUR,
    },
    _S.ANSWERED: {
        **_ALWAYS,
        _G.MACHINE: _S.MACHINE,
        _G.PARKED: _S.WAITING,
        _G.HARBOUR: _S.HARBOUR,
        _G.FOUND_PARKED: _S.WAITING,
        _G.FOUND_HARBOUR: _S.HARBOUR,
        _G.FOUND_TALKING: _S.UNKNOWN,  # we never bridged it
    },
    _S.WAITING: {
        **_ALWAYS,
        _G.TAKEN: _S.CONNECTING,
        _G.PATIENCE_OVER: _S.TURNING_AWAY,
        _G.HARBOUR: _S.HARBOUR,
        _G.FOUND_HARBOUR: _S.HARBOUR,
        _G.FOUND_TALKING: _S.UNKNOWN,
        _G.BRIDGED: _S.UNKNOWN,  # by nobody we know: look, and leave him alone meanwhile
    },
    # Found parked, the Bridge may still be on its way: only its failure or the timer ends this.
    _S.CONNECTING: {
        **_ALWAYS,
        _G.BRIDGED: _S.TALKING,
        _G.BRIDGE_FAILED: _S.WAITING,
        _G.HARBOUR: _S.HARBOUR,  # the dead-man timer was faster than the Bridge
        _G.FOUND_TALKING: _S.TALKING,
        _G.FOUND_HARBOUR: _S.HARBOUR,
    },
    _S.TALKING: {
        **_ALWAYS,
        _G.UNBRIDGED: _S.PARTING,
        _G.HARBOUR: _S.HARBOUR,
        _G.FOUND_DIALPLAN: _S.PARTING,
        _G.FOUND_PARKED: _S.PARTING,
        _G.PASSED: _S.MOVING,
        _G.SENT_OUT: _S.HANDED_ON,
        _G.PUT_ON_HOLD: _S.HOLDING,
    },
    # He leaves the one bridge and enters the other: only the second, a failure or his end is news.
    _S.MOVING: {
        **_ALWAYS,
        _G.BRIDGED: _S.TALKING,
        _G.BRIDGE_FAILED: _S.TALKING,
        _G.HARBOUR: _S.HARBOUR,
        _G.FOUND_TALKING: _S.TALKING,
        _G.FOUND_HARBOUR: _S.HARBOUR,
    },
    _S.HOLDING: {
        **_ALWAYS,
        _G.PARKED: _S.HELD,
        _G.HARBOUR: _S.HARBOUR,
        _G.FOUND_PARKED: _S.HELD,
        _G.FOUND_HELD: _S.HELD,
        _G.FOUND_TALKING: _S.TALKING,  # the Redirect did nothing
        _G.FOUND_HARBOUR: _S.HARBOUR,
    },
    _S.HELD: {
        **_ALWAYS,
        _G.TAKEN_BACK: _S.RESUMING,
        _G.LEFT_ALONE: _S.WAITING,
        _G.HARBOUR: _S.HARBOUR,
        _G.BRIDGED: _S.UNKNOWN,  # by nobody we know: look
        _G.FOUND_TALKING: _S.TALKING,
        _G.FOUND_HARBOUR: _S.HARBOUR,
    },
    _S.RESUMING: {
        **_ALWAYS,
        _G.BRIDGED: _S.TALKING,
        _G.BRIDGE_FAILED: _S.HELD,
        _G.HARBOUR: _S.HARBOUR,
        _G.FOUND_TALKING: _S.TALKING,
        _G.FOUND_HARBOUR: _S.HARBOUR,
    },
    # Out of our hands until he parks again. Found with an agent, he was never sent.
    _S.HANDED_ON: {
        **_ALWAYS,
        _G.RELEASED: _S.RELEASED,
        _G.PARKED: _S.WAITING,
        _G.HARBOUR: _S.HARBOUR,
        _G.FOUND_PARKED: _S.WAITING,
        _G.FOUND_TALKING: _S.TALKING,
        _G.FOUND_HARBOUR: _S.HARBOUR,
    },
    _S.RELEASED: {**_ALWAYS},
    # Parked again, he was on hold once: he hears music, and wants somebody.
    _S.PARTING: {
        **_ALWAYS,
        _G.PARKED: _S.WAITING,
        _G.FOUND_PARKED: _S.WAITING,
        _G.HARBOUR: _S.HARBOUR,  # his agent's phone was gone in the moment of the Bridge
        _G.FOUND_HARBOUR: _S.HARBOUR,
        _G.FOUND_TALKING: _S.TALKING,
    },
    _S.TURNING_AWAY: {
        **_ALWAYS,
        _G.BRIDGED: _S.TALKING,
        _G.HARBOUR: _S.HARBOUR,
        _G.FOUND_TALKING: _S.TALKING,
        _G.FOUND_HARBOUR: _S.HARBOUR,
    },
    # A Bridge that was on its way pulls the customer out of the message: late, but served.
    _S.HARBOUR: {**_ALWAYS, _G.BRIDGED: _S.TALKING, _G.FOUND_TALKING: _S.TALKING},
    _S.MACHINE: {**_ALWAYS},
    _S.CLOSING: {
        _G.HUNG_UP: _S.ENDED,
        _G.MISSING: _S.ENDED,
        _G.LINGER_OVER: _S.ENDED,
        _G.LINK_LOST: _S.ENDED,
    },
    _S.UNKNOWN: {
        _G.HUNG_UP: _S.ENDED,
        _G.MISSING: _S.ENDED,
        _G.ORIGINATE_FAILED: _S.CLOSING,
        _G.RANG: _S.RINGING,
        _G.ANSWERED: _S.ANSWERED,
        _G.LIVE: _S.ANSWERED,
        _G.MACHINE: _S.MACHINE,
        _G.PARKED: _S.WAITING,
        _G.BRIDGED: _S.TALKING,
        _G.UNBRIDGED: _S.PARTING,
        _G.HARBOUR: _S.HARBOUR,
        _G.FOUND_RINGING: _S.RINGING,
        _G.FOUND_DIALPLAN: _S.ANSWERED,
        _G.FOUND_PARKED: _S.WAITING,
        _G.FOUND_TALKING: _S.TALKING,
        _G.FOUND_HARBOUR: _S.HARBOUR,
        _G.FOUND_OUTSIDE: _S.HANDED_ON,
        _G.FOUND_HELD: _S.HELD,
    },
    _S.ENDED: {},
}

# Our own signals are never late: out of place they are a broken promise.
OWN_CALL_SIGNALS = frozenset(
    {
        _G.RECORDED,
        _G.LAUNCHED,
        _G.GIVEN_UP,
        _G.TAKEN,
        _G.PASSED,
        _G.SENT_OUT,
        _G.PUT_ON_HOLD,
        _G.TAKEN_BACK,
        _G.LEFT_ALONE,
        _G.RELEASED,
        _G.PATIENCE_OVER,
        _G.LINGER_OVER,
        _G.WITHDRAWN,
        _G.REVOKED,
    }
)


def next_call_state(state: CallState, signal: CallSignal) -> CallState:
    """Where a call in `state` goes on `signal`; the same state for a late fact.

    Raises `IllegalTransition` for a signal of our own that must not happen here.
    """
    target = CALL[state].get(signal)
    if target is not None:
        return target
    if signal in OWN_CALL_SIGNALS:
        raise IllegalTransition(f"a call that is {state} cannot be {signal}")
    return state


class AgentState(StrEnum):
    SIGNING_ON = "signing on"  # the agent's phone is being rung
    READY = "ready"
    PREVIEW = "preview"  # looks at a lead, to accept or to skip it
    DIALLING = "dialling"  # kept free for a call that is being dialled for this agent
    RESERVED = "reserved"  # a Bridge with a waiting customer is sent
    TALK = "talk"
    WRAP_UP = "wrap-up"
    BREAK = "break"
    PHONE_LOST = "phone lost"  # the leg is gone; going ready rings the phone again
    LEAVING = "leaving"  # logged out, the leg is being hung up
    UNKNOWN = "unknown"  # the link was lost
    LOGGED_OUT = "logged out"


# Staffed time: what an agent's hours are reckoned from. While a link is lost, agents talk on.
AT_WORK = frozenset(
    {
        AgentState.READY,
        AgentState.PREVIEW,
        AgentState.DIALLING,
        AgentState.RESERVED,
        AgentState.TALK,
        AgentState.WRAP_UP,
        AgentState.UNKNOWN,
    }
)


class AgentSignal(StrEnum):
    # the agent's own and ours
    GO_READY = "go ready"  # free, and the chosen status is READY
    GO_BREAK = "go on break"
    GO_OUT = "log out"
    CALL_AGAIN = "ring the phone again"
    TAKEN = "taken"
    OFFERED = "be offered a lead"
    BOOKED = "be booked for a call"
    OWN_ANSWER = "be given the call booked for"
    KEPT = "be kept for the call booked for"  # the phone is parked again while it is dialled
    # the PBX's
    TO_WRAP_UP = "to wrap-up"  # parked again after a conversation
    BRIDGED = "bridged"
    LEG_GONE = "leg gone"
    LINK_LOST = "link lost"
    FOUND_TALKING = "found talking"
    FOUND_RINGING = "found ringing"


_A = AgentState
_B = AgentSignal
_GONE = {_B.LEG_GONE: _A.PHONE_LOST, _B.LINK_LOST: _A.UNKNOWN}
# Bridged without our having asked for it: we no longer know, so no call for this agent.
_STRANGE = {_B.BRIDGED: _A.UNKNOWN, _B.FOUND_TALKING: _A.UNKNOWN}
_FREE = {_B.GO_READY: _A.READY, _B.GO_BREAK: _A.BREAK, _B.GO_OUT: _A.LEAVING}

AGENT: dict[AgentState, dict[AgentSignal, AgentState]] = {
    _A.SIGNING_ON: {**_GONE, **_FREE, _B.TO_WRAP_UP: _A.WRAP_UP, _B.KEPT: _A.DIALLING},
    _A.READY: {
        **_GONE,
        **_FREE,
        _B.TAKEN: _A.RESERVED,
        _B.OFFERED: _A.PREVIEW,
        _B.BOOKED: _A.DIALLING,
        **_STRANGE,
    },
    _A.PREVIEW: {**_GONE, **_FREE, _B.BOOKED: _A.DIALLING, **_STRANGE},
    _A.DIALLING: {**_GONE, **_FREE, _B.OWN_ANSWER: _A.RESERVED, **_STRANGE},
    _A.BREAK: {**_GONE, **_FREE, _B.BOOKED: _A.DIALLING, **_STRANGE},
    _A.RESERVED: {
        **_GONE,
        **_FREE,
        _B.BRIDGED: _A.TALK,
        _B.FOUND_TALKING: _A.TALK,
        _B.KEPT: _A.DIALLING,
    },
    _A.TALK: {**_GONE, **_FREE, _B.TO_WRAP_UP: _A.WRAP_UP},
    _A.WRAP_UP: {**_GONE, **_FREE},
    _A.PHONE_LOST: {
        _B.CALL_AGAIN: _A.SIGNING_ON,
        _B.GO_OUT: _A.LOGGED_OUT,
        _B.LEG_GONE: _A.PHONE_LOST,
        _B.LINK_LOST: _A.PHONE_LOST,
        _B.FOUND_RINGING: _A.SIGNING_ON,  # given up too early: the leg lives
    },
    _A.LEAVING: {
        _B.LEG_GONE: _A.LOGGED_OUT,
        _B.LINK_LOST: _A.LEAVING,
        _B.GO_OUT: _A.LEAVING,
    },
    _A.UNKNOWN: {
        **_FREE,
        _B.TO_WRAP_UP: _A.WRAP_UP,
        _B.FOUND_TALKING: _A.TALK,
        _B.FOUND_RINGING: _A.SIGNING_ON,
        _B.LEG_GONE: _A.PHONE_LOST,
        _B.LINK_LOST: _A.UNKNOWN,
        _B.CALL_AGAIN: _A.SIGNING_ON,
        _B.KEPT: _A.DIALLING,
    },
    _A.LOGGED_OUT: {},
}
del AGENT[_A.READY][_B.GO_READY]  # already there
_LATE_AGENT = frozenset(
    {
        _B.BRIDGED,
        _B.TO_WRAP_UP,
        _B.FOUND_TALKING,
        _B.FOUND_RINGING,
        _B.LEG_GONE,
        _B.LINK_LOST,
    }
)


def next_agent_state(state: AgentState, signal: AgentSignal) -> AgentState:
    """Where an agent in `state` goes on `signal`; the same state for a late fact.

    Raises `IllegalTransition` for what must not happen: above all a second caller (`TAKEN` in
    any state but READY).
    """
    target = AGENT[state].get(signal)
    if target is not None:
        return target
    if signal in _LATE_AGENT or (signal is _B.GO_READY and state is _A.READY):
        return state
    raise IllegalTransition(f"an agent who is {state} cannot {signal}")


class ConsultState(StrEnum):
    """Of an agent whose customer hears music, and of whom the agent asks meanwhile, if anybody."""

    HOLDING = "holding"  # the customer goes to the music, the agent's leg parks
    ON_HOLD = "on hold"  # nobody is asked: the agent wants him to wait
    CALLING = "calling"  # the Bridge of the two is sent
    TALKING = "talking"
    # with somebody outside only
    DIALLING = "dialling"  # the number is rung
    SWAPPING = "swapping"  # the Bridge of agent and customer is sent, the third hears music
    WITH_CUSTOMER = "with the customer"
    JOINING = "joining"  # third and customer are being bridged, the agent joins them then
    JOINED = "joined"
    UNJOINING = "unjoining"  # the customer goes to the music, the agent's leg parks
    RETURNING = "returning"  # the customer is being brought back to the first
    COMPLETING = "completing"  # ... or to the second


class ConsultSignal(StrEnum):
    # ours
    DIALLED = "dialled"
    SWAPPED = "swapped"
    JOINED = "joined"
    UNJOINED = "unjoined"
    WAITS = "waits"
    CALLED = "called"
    GIVEN_UP = "given up"
    COMPLETED = "completed"
    # the PBX's
    BRIDGED = "bridged"
    FAILED = "failed"
    BEGAN = "began"  # all three hear each other
    LOST = "lost"  # the link: the customer is found on hold still


_K = ConsultState
_L = ConsultSignal

CONSULT: dict[ConsultState, dict[ConsultSignal, ConsultState]] = {
    _K.HOLDING: {
        _L.CALLED: _K.CALLING,
        _L.DIALLED: _K.DIALLING,
        _L.WAITS: _K.ON_HOLD,
        _L.GIVEN_UP: _K.RETURNING,
    },
    _K.DIALLING: {_L.CALLED: _K.CALLING, _L.GIVEN_UP: _K.RETURNING},
    _K.ON_HOLD: {_L.GIVEN_UP: _K.RETURNING},
    _K.CALLING: {_L.BRIDGED: _K.TALKING, _L.GIVEN_UP: _K.RETURNING},
    _K.TALKING: {
        _L.GIVEN_UP: _K.RETURNING,
        _L.COMPLETED: _K.COMPLETING,
        _L.SWAPPED: _K.SWAPPING,
        _L.JOINED: _K.JOINING,
    },
    _K.SWAPPING: {_L.BRIDGED: _K.WITH_CUSTOMER, _L.FAILED: _K.TALKING, _L.LOST: _K.TALKING},
    _K.WITH_CUSTOMER: {
        _L.SWAPPED: _K.CALLING,
        _L.COMPLETED: _K.COMPLETING,
        _L.JOINED: _K.JOINING,
    },
    _K.JOINING: {
        _L.BEGAN: _K.JOINED,
        _L.UNJOINED: _K.UNJOINING,
        _L.FAILED: _K.TALKING,
        _L.LOST: _K.TALKING,
    },
    _K.JOINED: {_L.UNJOINED: _K.UNJOINING, _L.LOST: _K.TALKING},
    _K.UNJOINING: {_L.GIVEN_UP: _K.RETURNING},
    # Ends with the customer's bridge; refused, he is for whoever is free.
    _K.RETURNING: {_L.LOST: _K.TALKING},
    _K.COMPLETING: {_L.FAILED: _K.TALKING, _L.LOST: _K.TALKING},
}


def next_consult_state(state: ConsultState, signal: ConsultSignal) -> ConsultState:
    """Where a consultation goes; a signal its row does not name changes nothing."""
    return CONSULT[state].get(signal, state)


class MonitorState(StrEnum):
    """Of a supervisor who listens in on a conversation, over a leg of the supervisor's own."""

    RINGING = "ringing"  # the supervisor's phone
    ON = "on"
    LEAVING = "leaving"  # the leg is being hung up
    UNKNOWN = "unknown"  # the link was lost
    ENDED = "ended"


class MonitorSignal(StrEnum):
    # ours
    DISMISSED = "dismissed"  # the supervisor leaves, or the conversation is over
    # the PBX's
    BEGAN = "began"  # ... or goes on in another mode
    GONE = "gone"
    LINK_LOST = "link lost"
    FOUND_RINGING = "found ringing"
    FOUND = "found"


_M = MonitorState
_N = MonitorSignal

MONITOR: dict[MonitorState, dict[MonitorSignal, MonitorState]] = {
    _M.RINGING: {
        _N.BEGAN: _M.ON,
        _N.DISMISSED: _M.LEAVING,
        _N.GONE: _M.ENDED,
        _N.LINK_LOST: _M.UNKNOWN,
        _N.FOUND: _M.ON,
    },
    _M.ON: {_N.DISMISSED: _M.LEAVING, _N.GONE: _M.ENDED, _N.LINK_LOST: _M.UNKNOWN},
    _M.LEAVING: {_N.GONE: _M.ENDED},
    _M.UNKNOWN: {
        _N.BEGAN: _M.ON,
        _N.DISMISSED: _M.LEAVING,
        _N.GONE: _M.ENDED,
        _N.FOUND_RINGING: _M.RINGING,
        _N.FOUND: _M.ON,
    },
    _M.ENDED: {},
}


def next_monitor_state(state: MonitorState, signal: MonitorSignal) -> MonitorState:
    """Where a supervisor's listening goes; a signal its row does not name changes nothing."""
    return MONITOR[state].get(signal, state)


class CampaignState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"  # dials no more, serves what is under way
    STOPPED = "stopped"


class CampaignSignal(StrEnum):
    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    DRAINED = "drained"  # the last call under way has ended


_C = CampaignState
_D = CampaignSignal

CAMPAIGN: dict[CampaignState, dict[CampaignSignal, CampaignState]] = {
    _C.STOPPED: {_D.START: _C.RUNNING},
    _C.RUNNING: {_D.START: _C.RUNNING, _D.PAUSE: _C.PAUSED, _D.STOP: _C.STOPPING},
    _C.PAUSED: {_D.START: _C.RUNNING, _D.RESUME: _C.RUNNING, _D.STOP: _C.STOPPING},
    _C.STOPPING: {_D.START: _C.RUNNING, _D.DRAINED: _C.STOPPED},
}


def next_campaign_state(state: CampaignState, signal: CampaignSignal) -> CampaignState:
    """Where a campaign goes; a signal its row does not name changes nothing."""
    return CAMPAIGN[state].get(signal, state)
