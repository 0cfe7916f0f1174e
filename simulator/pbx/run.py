"""The simulated PBX on its own: what `simulator pbx` does."""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
from dataclasses import dataclass

from dialer.clock import ScaledLoop
from simulator.pbx.party import Directory, Scripted
from simulator.pbx.people import WorldDirectory
from simulator.pbx.server import AmiServer
from simulator.pbx.users import User, contract_users
from simulator.scenario import Scenario


@dataclass(frozen=True, slots=True)
class PbxOptions:
    """`scenario` None: called parties behave by the last three digits of their number."""

    host: str = "127.0.0.1"
    port: int = 5038
    scenario: Scenario | None = None
    seed: int = 1
    speed: float = 1.0
    cmd_secret: str = ""
    evt_secret: str = ""
    all_secret: str = ""


def run_pbx(options: PbxOptions) -> int:
    """Serve until Ctrl-C or SIGTERM. 0; 1 with a message when the port cannot be had."""

    def loop() -> asyncio.AbstractEventLoop:
        return asyncio.SelectorEventLoop() if options.speed == 1.0 else ScaledLoop(options.speed)

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(_serve(options))


async def _serve(options: PbxOptions) -> int:
    directory: Directory = Scripted()
    if options.scenario is not None:
        directory = WorldDirectory(options.scenario, options.seed)
    cmd, evt = contract_users(
        options.cmd_secret or secrets.token_hex(8), options.evt_secret or secrets.token_hex(8)
    )
    everything = User("overdial-all", options.all_secret or secrets.token_hex(8))
    users = (cmd, evt, everything)
    pbx = AmiServer(directory, users, seed=options.seed, host=options.host, port=options.port)
    try:
        await pbx.start()
    except OSError as error:
        print(
            f"cannot listen on {options.host}:{options.port}: {error.strerror};"
            " choose another port with --port (0: any free one)",
            file=sys.stderr,
        )
        return 1
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    people = options.scenario.name if options.scenario else "by the last three digits of the number"
    print(f"simulated PBX (Asterisk 22 AMI) on {options.host}:{pbx.port}, seed {options.seed}")
    print(f"called parties: {people}")
    for user, what in zip(users, ("commands", "the dialer's events", "everything"), strict=True):
        print(f"  Username: {user.name:13} Secret: {user.secret}   ({what})")
    print("customers: Channel: PJSIP/<number>@<any trunk>, Context: overdial-customer, Exten: s")
    print("agents:    Channel: PJSIP/<any phone>, Context: overdial-agent, Exten: s")
    print("stop with Ctrl-C", flush=True)
    await stop.wait()
    calls = len(pbx.log.times_dialled)
    await pbx.stop()
    print(f"stopped after {calls} calls")
    return 0
