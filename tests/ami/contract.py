"""The AMI contract: what the dialer relies on, as scenes that any PBX must play alike.

`SCENES` run against the simulated PBX (virtual time) and against a real Asterisk. A scene is a
coroutine that takes a `Bench`, and sees nothing but the dialer's own side (`tests.ami.stage`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from dialer.clock import Clock
from dialer.core.commands import (
    Bridge,
    ChangeMonitor,
    CheckLeg,
    EndRecording,
    HangUp,
    HoldCustomer,
    JoinTalk,
    MuteRecording,
    Observe,
    Originate,
    ParkAgent,
    PlayHarbour,
    RecordAttempt,
    RecordOutcome,
    RecordProgress,
    SendOut,
)
from dialer.core.events import (
    AttemptRecorded,
    BridgeFailed,
    CampaignRules,
    CampaignStarted,
    ChannelPlace,
    Event,
    HarbourStarted,
    Lead,
    LeadsOffered,
    LegAnswered,
    LegBridged,
    LegHungUp,
    LegParked,
    LegRinging,
    LegUnbridged,
    LinesDecided,
    LinkLost,
    LinkResynced,
    MonitorBegan,
    OriginateFailed,
    PersonDetected,
    TrunkConfigured,
)
from dialer.core.floor import Floor as CoreFloor
from dialer.core.modes import MonitorMode
from dialer.core.outcomes import Outcome
from dialer.snapshot import CallAbandoned, Decision, LineEnd, LineEnded, Observation
from tests.ami.stage import Bench, Floor, config_of, floor

QUIET_S = 0.7  # after the last event of a call, for what should not come


# --- calls that are not answered -----------------------------------------------------------------

# behaviour -> rang, Hangup's Cause, its TechCause
REFUSALS: dict[str, tuple[bool, int, int]] = {
    "busy": (True, 17, 486),
    "busy-at-once": (False, 17, 486),
    "invalid": (False, 1, 404),
    "no-answer-480": (True, 19, 480),
    "unreachable-480": (False, 19, 480),
    "congestion": (False, 34, 503),
    "rejected": (True, 21, 603),
    "blocked-by-user": (False, 127, 607),
    "blocked-analytics": (False, 127, 608),
    "redirect": (False, 23, 302),
    "gone": (False, 22, 410),
    "forbidden": (False, 21, 403),
    "server-error": (False, 38, 500),
    "not-acceptable": (False, 58, 488),
}


async def refusals(bench: Bench) -> None:
    """Every way to be turned down, all at once: cause, SIP status, and whether it rang."""
    async with floor(bench) as it:
        legs = {behaviour: it.originate(behaviour) for behaviour in REFUSALS}
        for behaviour, leg in legs.items():
            rang, cause, tech_cause = REFUSALS[behaviour]
            ended = await it.event(LegHungUp, leg=leg)
            assert (ended.cause, ended.tech_cause) == (cause, tech_cause), behaviour
            assert (await it.event(OriginateFailed, leg=leg)).reason == 0, behaviour
            expected = {"OriginateFailed", "LegHungUp"} | ({"LegRinging"} if rang else set())
            assert set(it.kinds(leg)) == expected, behaviour
            assert not rang or it.kinds(leg)[0] == "LegRinging"


async def ring_timeout(bench: Bench) -> None:
    """Nobody picks up: our limit ends it, and TechCause is the synthetic 480."""
    async with floor(bench) as it:
        rings = it.originate("ring-forever", ring_limit_s=1.5)
        silent = it.originate("silence", ring_limit_s=1.5)
        for leg in (rings, silent):
            ended = await it.event(LegHungUp, leg=leg)
            assert (ended.cause, ended.tech_cause) == (19, 480)
            assert (await it.event(OriginateFailed, leg=leg)).reason == 3
        assert "LegRinging" in it.kinds(rings)
        assert "LegRinging" not in it.kinds(silent)


async def we_hang_up_ringing(bench: Bench) -> None:
    async with floor(bench) as it:
        leg = it.originate("ring-forever")
        await it.event(LegRinging, leg=leg)
        it.hang_up(leg)
        ended = await it.event(LegHungUp, leg=leg)
        assert ended.cause == 16
        await it.event(OriginateFailed, leg=leg)


async def given_up_by_the_core(bench: Bench) -> None:
    """Two lines ring for longer than the law's 15 s and are given up by the core: one that nobody
    would have answered, and one whose answer was on its way to us as the HangUp left."""
    async with floor(bench) as it:
        core, clock = CoreFloor(it.boot), Clock()
        outcomes: dict[str, RecordOutcome] = {}
        facts: list[Observation] = []

        def tell(event: Event) -> list[str]:
            """The legs that were hung up upon it."""
            hung_up = []
            for command in core.handle(event, clock.now()):
                match command:
                    case RecordAttempt(attempt=attempt):
                        tell(AttemptRecorded(attempt))
                    case Originate() | CheckLeg():
                        it.pbx.send(command)
                    case HangUp(leg=leg):
                        hung_up.append(leg)
                        it.pbx.send(command)
                    case RecordOutcome(attempt=attempt):
                        assert attempt not in outcomes, "a second outcome"
                        outcomes[attempt] = command
                    case Observe(fact=fact):
                        facts.append(fact)
            return hung_up

        def give_up() -> list[str]:
            return tell(LinesDecided("spring", Decision(0, give_up=1)))

        tell(TrunkConfigured("pbx", bench.trunk, 9, 1000.0))
        rules = CampaignRules("spring", "pbx", bench.trunk, "+493023125999", ring_limit_s=60.0)
        tell(CampaignStarted(rules))
        tell(LinkResynced("pbx", ()))
        legs = []
        for n, behaviour in enumerate(("ring-forever", "late-answer")):
            number = bench.number_for(behaviour)
            tell(LeadsOffered("spring", (Lead(n, "spring", number, n, 1),)))
            tell(LinesDecided("spring", Decision(1)))
            (leg,) = core.calls.keys() - set(legs)
            legs.append(leg)
            while core.calls[leg].originated is None:
                await asyncio.sleep(0.01)
                for one in core.tick(clock.now()):
                    assert isinstance(one, Originate | RecordProgress)
                    if isinstance(one, Originate):
                        it.pbx.send(one)
            tell(await it.event(LegRinging, leg=leg))
        stays, answers = legs
        rang = core.calls[answers].ring_told
        assert rang is not None
        await asyncio.sleep(14.5 - (clock.now() - rang))
        assert give_up() == [], "sooner than the law allows"
        await asyncio.sleep(0.6)
        assert give_up() == [stays]
        await it.event(LegParked, 5.0, leg=answers)  # the core has not heard of it yet
        assert give_up() == [answers]
        for leg in legs:
            await it.event(LegHungUp, leg=leg)
            await it.event(OriginateFailed, leg=stays)
        for event in it.events:
            if getattr(event, "leg", "") in legs and not isinstance(event, LegRinging):
                assert tell(event) == []
        ends = [fact.end for fact in facts if isinstance(fact, LineEnded)]
        assert sorted(ends) == sorted([LineEnd.GIVEN_UP, LineEnd.LIVE])
        assert outcomes[stays].outcome is Outcome.NO_ANSWER
        assert outcomes[stays].cause == 16
        assert outcomes[answers].outcome is Outcome.ABANDONED
        assert outcomes[answers].unserved
        assert sum(isinstance(fact, CallAbandoned) for fact in facts) == 1
        assert not core.calls


async def a_trunk_that_is_not_there(bench: Bench) -> None:
    """No channel is ever made: a failure, and never a Hangup."""
    async with floor(bench) as it:
        number = bench.number_for("talk")
        it.pbx.send(Originate("pbx", "od-nowhere-c1", "no-such-trunk", number, "", 5.0))
        failed = await it.event(OriginateFailed, leg="od-nowhere-c1")
        assert failed.reason == 0
        await asyncio.sleep(QUIET_S)
        assert it.kinds("od-nowhere-c1") == ["OriginateFailed"]


# --- calls that are answered ----------------------------------------------------------------------


async def answered_and_waiting(bench: Bench) -> None:
    """Answer, announcement, own holding bridge; then the dead-man timer and the message."""
    async with floor(bench) as it:
        waiting = await it.customer("talk")
        await it.event(PersonDetected, leg=waiting.leg, amd="")
        answered = await it.event(LegAnswered, leg=waiting.leg)
        assert answered.channel == waiting.channel
        assert waiting.channel.startswith(f"PJSIP/{bench.trunk}-")
        begun = asyncio.get_running_loop().time()
        await it.event(HarbourStarted, leg=waiting.leg)
        assert 1.8 <= asyncio.get_running_loop().time() - begun <= 2.3
        ended = await it.event(LegHungUp, leg=waiting.leg, limit_s=15.0)
        assert (ended.cause, ended.tech_cause) == (16, None)
        assert it.kinds(waiting.leg)[0] == "LegRinging"
        assert answered.at is not None
        assert waiting.at is not None
        assert 0 <= waiting.at - answered.at < 0.5


async def early_media_counts_as_ringing(bench: Bench) -> None:
    async with floor(bench) as it:
        waiting = await it.customer("early-media")
        assert it.kinds(waiting.leg)[0] == "LegRinging"


async def harbour_early(bench: Bench) -> None:
    """The message before the timer, by Redirect."""
    async with floor(bench) as it:
        waiting = await it.customer("talk")
        begun = asyncio.get_running_loop().time()
        it.pbx.send(PlayHarbour("pbx", waiting.leg, waiting.channel))
        await it.event(HarbourStarted, leg=waiting.leg)
        assert asyncio.get_running_loop().time() - begun < 1.0
        found = (await it.check(waiting.leg)).found
        assert found is not None
        assert found.place is ChannelPlace.HARBOUR


async def answer_and_bye_at_once(bench: Bench) -> None:
    async with floor(bench) as it:
        for n, behaviour in enumerate(("answer-bye", "answer-bye-30ms")):
            leg = it.originate(behaviour, n)
            ended = await it.event(LegHungUp, leg=leg)
            # 0: gone before the dialplan came to run; nothing announces a live call then
            assert ended.cause in (0, 16)
            assert ended.tech_cause is None
            await it.event(LegAnswered, leg=leg)


# --- talking --------------------------------------------------------------------------------------


async def two_talks_on_one_agent_leg(bench: Bench) -> None:
    """The agent's leg is parked again by itself; customers come and go, either side ending it."""
    async with floor(bench) as it:
        agent = await it.agent()
        for n, customer_ends in enumerate((True, False)):
            customer = await it.customer("talk", n)
            parked_before = it.kinds(agent.leg).count("LegParked")
            await it.talk(agent, customer)
            if customer_ends:
                await bench.hang_up(bench.number_for("talk", n))
            else:
                it.hang_up(customer.leg)
            ended = await it.event(LegHungUp, leg=customer.leg)
            assert ended.cause == 16
            await it.event(LegUnbridged, leg=agent.leg, skip=n)
            await it.event(LegParked, leg=agent.leg, skip=parked_before)
        assert it.kinds(agent.leg) == [
            "LegRinging",
            "LegAnswered",
            "LegParked",
            *["LegBridged", "LegUnbridged", "LegParked"] * 2,
        ]
        bridges = [event.bridge for event in it.events if isinstance(event, LegBridged)]
        assert len(bridges) == 4
        assert len(set(bridges)) == 2  # one for each talk, told of both legs


async def agents_phone_lost_while_talking(bench: Bench) -> None:
    async with floor(bench) as it:
        agent = await it.agent()
        customer = await it.customer("talk")
        await it.talk(agent, customer)
        await bench.hang_up(bench.phones[0])
        await it.event(LegHungUp, leg=agent.leg)
        await it.event(LegUnbridged, leg=customer.leg)


async def a_bridge_that_cannot_be(bench: Bench) -> None:
    """Refused with the PBX's words; the agent stays where he is."""
    async with floor(bench) as it:
        agent = await it.agent()
        gone = f"PJSIP/{bench.trunk}-0000ffff"
        it.pbx.send(Bridge("pbx", agent.leg, agent.channel, "od-gone-c1", gone))
        failed = await it.event(BridgeFailed)
        assert (failed.agent_leg, failed.customer_leg) == (agent.leg, "od-gone-c1")
        assert failed.message == f"Channel2 does not exist: {gone}"
        found = (await it.check(agent.leg)).found
        assert found is not None
        assert found.place is ChannelPlace.PARKED


async def gone_in_the_moment_of_the_bridge(bench: Bench) -> None:
    """Whoever hangs up as he is bridged is gone, and the agent's leg parks again: Asterisk brings
    some of those back, into a conversation with nobody."""
    async with floor(bench) as it:
        agent = await it.agent()
        for n in range(30):
            at_once = n % 3 != 0  # the BYE follows the answer; or it is asked for as he waits
            leg = it.originate("answer-bye" if at_once else "talk", n)
            await it.until(lambda leg=leg: {"LegParked", "LegHungUp"} & set(it.kinds(leg)))
            if "LegHungUp" in it.kinds(leg):
                continue
            if not at_once:
                await bench.hang_up(bench.number_for("talk", n))
                await asyncio.sleep((n % 10) * 0.0002)
            channel = (await it.event(LegParked, leg=leg)).channel
            it.pbx.send(Bridge("pbx", agent.leg, agent.channel, leg, channel))
            await it.event(LegHungUp, leg=leg)
            await it.until(
                lambda: (
                    it.kinds(agent.leg).count("LegBridged")
                    == it.kinds(agent.leg).count("LegUnbridged")
                )
            )
            await it.parked(agent.leg)


async def names_that_begin_alike(bench: Bench) -> None:
    """Bridge matches by prefix: with whole names the right customer is taken."""
    async with floor(bench) as it:
        agent = await it.agent()
        first, second = await it.customer("talk", 0), await it.customer("talk", 1)
        await it.talk(agent, second)
        found = (await it.check(agent.leg)).found
        assert found is not None
        assert found.peer == second.leg
        assert "LegBridged" not in it.kinds(first.leg)


async def moved_to_another_agent(bench: Bench) -> None:
    """One Bridge takes the customer from the one to the other; the first parks by itself."""
    async with floor(bench) as it:
        first, second = await it.agent(0), await it.agent(1)
        customer = await it.customer("talk")
        await it.talk(first, customer)
        it.pbx.send(Bridge("pbx", second.leg, second.channel, customer.leg, customer.channel))
        await it.event(LegBridged, leg=customer.leg, skip=1)
        await it.event(LegBridged, leg=second.leg)
        await it.event(LegParked, leg=first.leg, skip=1)
        told = it.kinds(customer.leg)
        assert told[-3:] == ["LegBridged", "LegUnbridged", "LegBridged"]
        found = (await it.check(customer.leg)).found
        assert found is not None
        assert found.peer == second.leg
        told = it.kinds(customer.leg)
        gone = f"PJSIP/{bench.phones[0]}-0000ffff"
        it.pbx.send(Bridge("pbx", "od-gone-a1", gone, customer.leg, customer.channel))
        await it.event(BridgeFailed, agent_leg="od-gone-a1")
        assert it.kinds(customer.leg) == told, "what cannot be connected leaves him where he was"
        it.hang_up(customer.leg)
        await it.event(LegParked, leg=second.leg, skip=1)


async def sent_on_to_a_number_outside(bench: Bench) -> None:
    """The agent is free at once; outside is rung; who is not answered there waits again."""
    async with floor(bench) as it:
        agent = await it.agent()
        for n, behaviour in enumerate(("talk", "busy")):
            customer = await it.customer("talk", n)
            parked = it.kinds(agent.leg).count("LegParked")
            await it.talk(agent, customer)
            number = bench.number_for(behaviour, 9)
            it.pbx.send(SendOut("pbx", customer.leg, customer.channel, number))
            await it.event(LegUnbridged, leg=customer.leg)
            await it.event(LegParked, leg=agent.leg, skip=parked)
            if behaviour == "talk":
                await it.event(LegBridged, leg=customer.leg, skip=1)
                found = (await it.check(customer.leg)).found
                assert found is not None
                assert (found.place, found.peer) == (ChannelPlace.TALKING, "")
                await bench.hang_up(number)
            else:
                await it.event(LegParked, leg=customer.leg, skip=1)
                await asyncio.sleep(2.5)  # no two seconds now: he hears music
                assert "HarbourStarted" not in it.kinds(customer.leg)
                back = LegParked(agent.leg, agent.channel)
                it.pbx.send(Bridge("pbx", back.leg, back.channel, customer.leg, customer.channel))
                await it.event(LegBridged, leg=customer.leg, skip=1)
                it.hang_up(customer.leg)
            await it.event(LegHungUp, leg=customer.leg)


async def asked_while_he_hears_music(bench: Bench) -> None:
    """The customer to the music, the two agents together, then he to the second; or they part."""
    async with floor(bench) as it:
        first, second = await it.agent(0), await it.agent(1)
        customer = await it.customer("talk")
        await it.talk(first, customer)
        it.pbx.send(HoldCustomer("pbx", customer.leg, customer.channel))
        await it.event(LegParked, leg=customer.leg, skip=1)
        await it.event(LegParked, leg=first.leg, skip=1)
        it.pbx.send(Bridge("pbx", first.leg, first.channel, second.leg, second.channel))
        await it.event(LegBridged, leg=first.leg, skip=1)
        await it.event(LegBridged, leg=second.leg)
        await asyncio.sleep(2.5)  # no two seconds now
        assert "HarbourStarted" not in it.kinds(customer.leg)
        it.pbx.send(ParkAgent("pbx", first.leg))
        await it.event(LegParked, leg=first.leg, skip=2)
        await it.event(LegParked, leg=second.leg, skip=1)
        it.pbx.send(Bridge("pbx", first.leg, first.channel, second.leg, second.channel))
        await it.event(LegBridged, leg=second.leg, skip=1)
        it.pbx.send(Bridge("pbx", second.leg, second.channel, customer.leg, customer.channel))
        await it.event(LegBridged, leg=customer.leg, skip=1)
        await it.event(LegParked, leg=first.leg, skip=3)
        found = (await it.check(customer.leg)).found
        assert found is not None
        assert found.peer == second.leg
        it.hang_up(customer.leg)
        await it.event(LegParked, leg=second.leg, skip=2)


async def recorded_on_the_way_to_the_music(bench: Bench) -> None:
    """A recording begins on the way to the music; who was there is back when his agent is lost."""
    async with floor(bench) as it:
        agent = await it.agent()
        customer = await it.customer("talk")
        await it.talk(agent, customer)
        silence = MuteRecording("pbx", customer.leg, muted=True)
        assert not await it.pbx.ask(silence), "nothing is recorded yet"
        it.pbx.send(HoldCustomer("pbx", customer.leg, customer.channel, record=True))
        await it.event(LegParked, leg=customer.leg, skip=1)
        await it.event(LegParked, leg=agent.leg, skip=1)
        it.pbx.send(Bridge("pbx", agent.leg, agent.channel, customer.leg, customer.channel))
        await it.event(LegBridged, leg=customer.leg, skip=1)
        assert await it.pbx.ask(silence)
        assert await it.pbx.ask(EndRecording("pbx", customer.leg))
        await bench.hang_up(bench.phones[0])
        await it.event(LegParked, leg=customer.leg, skip=2)
        await asyncio.sleep(2.5)  # no two seconds now
        assert "HarbourStarted" not in it.kinds(customer.leg)
        it.hang_up(customer.leg)
        await it.event(LegHungUp, leg=customer.leg)


async def somebody_outside_is_asked(bench: Bench) -> None:
    """Each step is one Bridge; who is left by it has music; three together, and each may leave."""
    async with floor(bench) as it:
        agent = await it.agent()
        customer = await it.customer("talk")
        await it.talk(agent, customer)
        it.pbx.send(HoldCustomer("pbx", customer.leg, customer.channel))
        await it.event(LegParked, leg=customer.leg, skip=1)
        await it.event(LegParked, leg=agent.leg, skip=1)
        third = await it.outside("talk", 8)

        async def together(one: LegParked, other: LegParked, left: LegParked | None) -> None:
            before = it.kinds(other.leg).count("LegBridged")
            parked = 0 if left is None else it.kinds(left.leg).count("LegParked")
            it.pbx.send(Bridge("pbx", one.leg, one.channel, other.leg, other.channel))
            await it.event(LegBridged, leg=other.leg, skip=before)
            if left is not None:
                await it.event(LegParked, leg=left.leg, skip=parked)

        await together(agent, third, None)
        await together(agent, customer, third)
        await together(agent, third, customer)
        await asyncio.sleep(2.5)  # no two seconds now
        assert "HarbourStarted" not in it.kinds(customer.leg)
        await together(third, customer, agent)
        it.pbx.send(JoinTalk("pbx", agent.leg, customer.leg))
        await it.event(MonitorBegan, leg=agent.leg)
        found = (await it.check(agent.leg)).found
        assert found is not None
        assert found.place is ChannelPlace.DIALPLAN
        parked = it.kinds(agent.leg).count("LegParked")
        it.pbx.send(ParkAgent("pbx", agent.leg))
        await it.event(LegParked, leg=agent.leg, skip=parked)
        found = (await it.check(customer.leg)).found
        assert found is not None
        assert (found.place, found.peer) == (ChannelPlace.TALKING, third.leg)
        it.pbx.send(JoinTalk("pbx", agent.leg, customer.leg))
        await it.event(MonitorBegan, leg=agent.leg, skip=1)
        it.hang_up(third.leg)
        parked = it.kinds(customer.leg).count("LegParked")
        await it.event(LegParked, leg=customer.leg, skip=parked)
        it.hang_up(customer.leg)
        parked = it.kinds(agent.leg).count("LegParked")
        await it.event(LegParked, leg=agent.leg, skip=parked)


async def a_supervisor_listens_in(bench: Bench) -> None:
    """Every mode is told when it begins; leaving disturbs nobody; it is over with the customer."""
    async with floor(bench) as it:
        agent, customer = await it.agent(), await it.customer("talk")
        await it.talk(agent, customer)
        before = it.kinds(agent.leg) + it.kinds(customer.leg)
        for n in (1, 2):
            leg = it.supervisor(agent.leg, customer.leg, MonitorMode.LISTEN, phone=1)
            await it.event(MonitorBegan, leg=leg, mode=MonitorMode.LISTEN)
            for mode in (MonitorMode.WHISPER, MonitorMode.BARGE):
                it.pbx.send(ChangeMonitor("pbx", leg, mode))
                await it.event(MonitorBegan, leg=leg, mode=mode)
            found = (await it.check(leg)).found
            assert found is not None
            assert found.place is ChannelPlace.DIALPLAN
            if n == 1:
                await bench.hang_up(bench.phones[1])
                await it.event(LegHungUp, leg=leg)
                assert it.kinds(agent.leg) + it.kinds(customer.leg) == before
        it.hang_up(customer.leg)
        await it.event(LegHungUp, leg=customer.leg)
        assert (await it.event(LegHungUp, leg=leg)).cause in (0, 16)
        late = it.supervisor(agent.leg, customer.leg, MonitorMode.LISTEN, phone=1)
        await it.event(LegHungUp, leg=late)  # nobody to hear: it does not stay


# --- where legs stand -----------------------------------------------------------------------------


async def checks(bench: Bench) -> None:
    """CheckLeg in every place, and for a leg that is not there."""
    async with floor(bench) as it:
        ringing = it.originate("ring-forever")
        await it.event(LegRinging, leg=ringing)
        agent = await it.agent(0)
        customer = await it.customer("talk")
        parked = (await it.check(customer.leg)).found
        await it.talk(agent, customer)
        talking = (await it.check(customer.leg)).found
        assert parked is not None
        assert (parked.place, parked.channel) == (ChannelPlace.PARKED, customer.channel)
        assert talking is not None
        assert (talking.place, talking.peer) == (ChannelPlace.TALKING, agent.leg)
        found = (await it.check(ringing)).found
        assert found is not None
        assert found.place is ChannelPlace.RINGING
        assert (await it.check("od-nobody-c1")).found is None


async def resync_adopts_what_stands(bench: Bench) -> None:
    """A dialer that comes anew sees every leg of the one before, and can act on it."""
    async with floor(bench) as first:
        ringing = first.originate("ring-forever", ring_limit_s=60.0)
        await first.event(LegRinging, leg=ringing)
        idle, busy = await first.agent(0), await first.agent(1)
        customer = await first.customer("talk")
        await first.talk(busy, customer)
        async with floor(bench) as second:
            resynced = await second.event(LinkResynced)
            assert not resynced.restarted
            places = {
                one.leg: (one.place, one.peer)
                for one in resynced.channels
                if one.leg in (ringing, idle.leg, busy.leg, customer.leg)
            }
            assert places == {
                ringing: (ChannelPlace.RINGING, ""),
                idle.leg: (ChannelPlace.PARKED, ""),
                busy.leg: (ChannelPlace.TALKING, customer.leg),
                customer.leg: (ChannelPlace.TALKING, busy.leg),
            }
            second.hang_up(customer.leg)
            await second.event(LegHungUp, leg=customer.leg)
            await second.event(LegParked, leg=busy.leg)


# --- links that break -----------------------------------------------------------------------------


async def killed_and_started_again(bench: Bench) -> None:
    """Link lost at once, refusals meanwhile, and a resync that says `restarted`."""
    async with floor(bench) as it:
        agent = await it.agent()
        customer = await it.customer("talk")
        await it.talk(agent, customer)
        await bench.kill()
        lost = await it.event(LinkLost)
        assert f"{bench.ami_host}:{bench.ami_port}" in lost.why
        status = it.pbx.status()
        assert not status.connected
        assert status.why
        leg = it.originate("talk", 5)
        refused = await it.event(OriginateFailed, leg=leg)
        assert refused.refused.startswith("not sent: ")
        await bench.start_asterisk()
        resynced = await it.event(LinkResynced, 40.0, skip=1)
        assert resynced.restarted
        assert resynced.channels == ()
        assert it.pbx.status().connected
        assert it.pbx.status().why == ""
        assert (await it.check(leg)).found is None  # and it was not sent after all
        assert "LegRinging" not in it.kinds(leg)


async def stopped_in_order(bench: Bench) -> None:
    """The Hangups of an orderly stop are heard before the link is called lost."""
    async with floor(bench) as it:
        agent = await it.agent()
        await bench.stop_asterisk()
        lost = await it.event(LinkLost, 20.0)
        assert lost.why.endswith("Asterisk shut down")
        ended = await it.event(LegHungUp, leg=agent.leg)
        assert it.events.index(ended) < it.events.index(lost)
        await bench.start_asterisk()
        await it.event(LinkResynced, 40.0, skip=1)


async def wrong_password(bench: Bench) -> None:
    """Said in words for people, no event but LinkLost, and no busy loop."""
    for user in ("cmd", "evt"):
        config = replace(config_of(bench), **{f"{user}_secret": "wrong"}, retry_refused_s=2.0)
        it = Floor(bench, config)
        await it.pbx.start()
        lost = await it.event(LinkLost)
        assert lost.why.startswith(
            f"AMI password refused for user overdial-{user} at {bench.ami_host}:{bench.ami_port}"
        )
        await asyncio.sleep(3.0)
        assert it.events == [lost]  # told once, however often it was tried
        assert it.pbx.status().counters["retries"] <= 3
        assert it.pbx.status().why == lost.why
        await it.pbx.close()
        await it.tasks.close()


async def a_user_without_rights(bench: Bench) -> None:
    """The event user may not dial: refused by the PBX, and said so."""
    config = replace(config_of(bench), cmd_user=bench.evt_user, cmd_secret=bench.evt_secret)
    async with floor(bench, config) as it:
        leg = it.originate("talk")
        failed = await it.event(OriginateFailed, leg=leg)
        assert failed.refused == "Permission denied"


async def ids_that_begin_alike(bench: Bench) -> None:
    """Asterisk takes an id that begins a living channel's for a duplicate: no channel, no call.

    This is why legs' ids have a fixed width. The longer id is no trouble.
    """
    async with floor(bench) as it:
        number, trunk = bench.number_for("talk"), bench.trunk
        leg = "od-alike-c1"
        for name in (f"{leg}2", f"{leg}23", leg):
            it.pbx.send(Originate("pbx", name, trunk, number, "", 20.0))
            if name != leg:
                await it.event(LegRinging, leg=name)
        failed = await it.event(OriginateFailed, leg=leg)
        assert failed.reason == 0
        assert it.kinds(leg) == ["OriginateFailed"]
        for name in (f"{leg}2", f"{leg}23"):
            assert "OriginateFailed" not in it.kinds(name)


async def many_at_once(bench: Bench) -> None:
    """Fifty calls in one instant: each has its own end, none is lost."""
    async with floor(bench) as it:
        legs = [it.originate("busy" if n % 2 else "invalid", n) for n in range(50)]
        for leg in legs:
            await it.event(LegHungUp, leg=leg, limit_s=20.0)
            await it.event(OriginateFailed, leg=leg)
        counters = it.pbx.status().counters
        for trouble in ("malformed", "orphans", "faults", "lost", "odd_events"):
            assert not counters.get(trouble), trouble


Scene = Callable[[Any], Coroutine[Any, Any, None]]

SCENES: tuple[Scene, ...] = (
    refusals,
    ring_timeout,
    we_hang_up_ringing,
    given_up_by_the_core,
    a_trunk_that_is_not_there,
    answered_and_waiting,
    early_media_counts_as_ringing,
    harbour_early,
    answer_and_bye_at_once,
    two_talks_on_one_agent_leg,
    agents_phone_lost_while_talking,
    a_bridge_that_cannot_be,
    gone_in_the_moment_of_the_bridge,
    names_that_begin_alike,
    moved_to_another_agent,
    sent_on_to_a_number_outside,
    asked_while_he_hears_music,
    recorded_on_the_way_to_the_music,
    somebody_outside_is_asked,
    a_supervisor_listens_in,
    checks,
    resync_adopts_what_stands,
    wrong_password,
    a_user_without_rights,
    many_at_once,
    killed_and_started_again,
    stopped_in_order,
)

# What the real one does and the simulated one does not, and what the dialer never provokes.
TREACHERY: tuple[Scene, ...] = (ids_that_begin_alike,)
