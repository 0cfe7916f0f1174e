"""A real Asterisk 22 on loopback, with SIPp as its carrier and as the agents' phones.

    async with AsteriskBench(phones=10) as bench:
        bench.ami_port, bench.cmd_user, bench.cmd_secret, bench.evt_user, bench.evt_secret
        bench.trunk                              # the trunk's endpoint name
        bench.phones                             # the phones' endpoint names
        bench.number_for("busy", 7)              # sipp.CARRIER names the behaviours
        await bench.hang_up(bench.phones[0])     # a phone, or the customer of a number, hangs up
        await bench.kill(); await bench.start_asterisk()     # kill -9, and the same ports again
        await bench.cli("core show channels")
        bench.heard()                            # who really heard whom: see ears.py

The Asterisk is that of `make asterisk`; its configuration is what `asterisk-config/render` writes
for a site, so that these tests try what is installed. Everything listens on 127.0.0.1, on ports
that were free a moment ago, and works in a private directory. Mounts live in the processes' own
mount namespaces and every process dies with this one (asterisk-config/inside), so nothing is left
over after a crash either. Several benches may run at the same time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.asterisk import sipp
from tests.asterisk.ears import Ears, Leg
from tests.asterisk.rawami import RawAmi

REPO = Path(__file__).resolve().parents[2]
CONFIG = REPO / "asterisk-config"
START_LIMIT_S = 30.0
RTP_PORTS = 2000  # two for each leg


def asterisk_root() -> Path:
    """Where `make asterisk` puts the Asterisk: OVERDIAL_ASTERISK_DIR, or .asterisk/root here."""
    return Path(os.environ.get("OVERDIAL_ASTERISK_DIR") or REPO / ".asterisk" / "root")


def missing() -> str:
    """Why there can be no real Asterisk here, with the command that mends it; empty when fine."""
    if os.geteuid() != 0:
        return "real Asterisk needs root (chroot and mounts): sudo make asterisk test"
    if not (asterisk_root() / "usr" / "sbin" / "asterisk").exists():
        return "no Asterisk here: `make asterisk` gets one"
    return ""


class BenchFailed(Exception):
    """The bench could not be set up; the message holds the end of the failing process's output."""


@dataclass(frozen=True)
class Conversation:
    """A customer's call as it really sounded."""

    number: str
    leg: Leg  # leg.voices: agents he heard; leg.sound: a message; leg.silence
    listeners: list[str]  # names of the phones that heard his voice


@dataclass
class AsteriskBench:
    """See the module. `phone_behaviour` is one of sipp.PHONE, by phone name; others answer."""

    phones_wanted: int = 2
    phone_behaviour: dict[str, str] = field(default_factory=dict)
    trunk: str = "carrier"
    cmd_user: str = "overdial-cmd"
    evt_user: str = "overdial-evt"
    ami_host: str = "127.0.0.1"
    more_settings: str = ""  # more of asterisk-config's site.toml, such as [[phones]]

    def __post_init__(self) -> None:
        self.cmd_secret, self.evt_secret = secrets.token_hex(12), secrets.token_hex(12)
        self.phones = [f"agent{n:02d}" for n in range(1, self.phones_wanted + 1)]
        self.ami_port = free_port(socket.SOCK_STREAM)
        self.sip_port, self.carrier_port, self.phones_port = (free_port() for _ in range(3))
        # Below the range the kernel hands out; Asterisk passes over a port that is taken.
        self.rtp_start = random.randrange(11_000, 30_000, 2)
        self.work = Path()
        self.ears = Ears()
        self._processes: dict[str, asyncio.subprocess.Process] = {}

    number_for = staticmethod(sipp.number_for)

    async def __aenter__(self) -> AsteriskBench:
        if why := missing():
            raise BenchFailed(why)
        for tries_left in (2, 1, 0):
            try:
                await self._start()
            except BaseException as error:
                await self.stop()
                if not (tries_left and "Address already in use" in str(error)):
                    raise
                self.__post_init__()  # somebody took a port that was free a moment ago: others
            else:
                break
        return self

    async def _start(self) -> None:
        self.work = Path(tempfile.mkdtemp(prefix="overdial-asterisk-"))
        await self.ears.start(
            self.phones, [self.work / name / "calls.log" for name in ("carrier", "phones")]
        )
        await self._configure()
        await self._start_sipp("carrier", sipp.carrier_scenario(), self.carrier_port)
        await self._start_sipp("phones", sipp.phones_scenario(), self.phones_port)
        await self.start_asterisk()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """End every process that this bench started, and remove its directory."""
        for name in list(self._processes):
            await self._end(name, signal.SIGKILL)  # an orderly stop would only take longer
        self.ears.stop()
        if self.work != Path():
            shutil.rmtree(self.work, ignore_errors=True)

    # --- Asterisk ---------------------------------------------------------------------------

    async def start_asterisk(self) -> None:
        """Start (again, on the same ports) and wait until it is fully booted."""
        await self._spawn("asterisk", "/usr/sbin/asterisk", "-f", "-n")
        try:
            async with asyncio.timeout(START_LIMIT_S):
                while not await self._booted():  # noqa: ASYNC110 (a process, not a task, is awaited)
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise BenchFailed(f"Asterisk did not boot:\n{self.output('asterisk')}") from None

    async def _booted(self) -> bool:
        if self._processes["asterisk"].returncode is not None:
            raise BenchFailed(f"Asterisk ended:\n{self.output('asterisk')}")
        with contextlib.suppress(OSError, PermissionError, EOFError, KeyError):
            async with RawAmi(self.ami_port, self.evt_user, self.evt_secret) as ami:
                await ami.event("FullyBooted", 5.0)
                return True
        return False

    async def kill(self) -> None:
        """kill -9: what a crash of Asterisk looks like."""
        await self._end("asterisk", signal.SIGKILL)

    async def stop_asterisk(self) -> None:
        """An orderly stop, which hangs up all calls."""
        await self._end("asterisk", signal.SIGTERM)

    async def restart(self) -> None:
        await self.kill()
        await self.start_asterisk()

    async def pause(self) -> None:
        """SIGSTOP: the process is there, its links are up, and it says nothing any more."""
        self._processes["asterisk"].send_signal(signal.SIGSTOP)
        async with asyncio.timeout(5.0):
            while process_state(self.pid) != "T":  # noqa: ASYNC110 (a process, not a task)
                await asyncio.sleep(0.002)

    def resume(self) -> None:
        self._processes["asterisk"].send_signal(signal.SIGCONT)

    @property
    def pid(self) -> int:
        return self._processes["asterisk"].pid

    async def cli(self, command: str) -> str:
        """What `asterisk -rx command` prints."""
        process = await asyncio.create_subprocess_exec(
            *self._inside("/usr/sbin/asterisk", "-rx", command),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await asyncio.wait_for(process.communicate(), START_LIMIT_S)
        return out.decode(errors="replace")

    # --- calls ------------------------------------------------------------------------------

    def calls(self, who: str) -> list[str]:
        """Call-IDs, oldest first, of a phone (by name) or of a customer (by number)."""
        log = self.work / ("phones" if who in self.phones else "carrier") / "calls.log"
        pattern = re.compile(rf"call (\S+) user {re.escape(who)} ")
        return pattern.findall(log.read_text()) if log.exists() else []

    async def hang_up(self, who: str) -> None:
        """Let the phone of this name, or the customer of this number, hang up its newest call."""
        calls = self.calls(who)
        if not calls:
            raise LookupError("that phone or customer has had no call")
        port = self.phones_port if who in self.phones else self.carrier_port
        text = (
            f"INFO sip:{port}@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;"
            f"branch=z9hG4bK{secrets.token_hex(6)}\r\nFrom: <sip:bench@127.0.0.1>;tag=b\r\n"
            f"To: <sip:{port}@127.0.0.1>\r\nCall-ID: {calls[-1]}\r\nCSeq: 9 INFO\r\n"
            "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(text.encode(), ("127.0.0.1", port))

    def heard(self) -> list[Conversation]:
        """Every customer whose audio came, with what he heard and who heard him; oldest first."""
        log = self.work / "carrier" / "calls.log"
        lines = log.read_text() if log.exists() else ""
        calls = [
            (float(at), int(port), number)
            for number, port, at in re.findall(
                r"call \S+ user (\S+) peer (\d+) at .*?(\d+\.\d+)\s*$", lines, re.MULTILINE
            )
        ]
        agents = [leg for leg in self.ears.legs if leg.who != "customer"]
        out = []
        for leg in (leg for leg in self.ears.legs if leg.who == "customer"):
            invites = [call for call in calls if call[1] == leg.port and call[0] <= leg.began]
            listeners = [agent.who for agent in agents if ("C", leg.serial) in agent.voices]
            out.append(Conversation(max(invites)[2] if invites else "", leg, listeners))
        return out

    # --- inside -----------------------------------------------------------------------------

    async def _configure(self) -> None:
        for name in ("etc", "lib", "log", "run", "spool"):
            (self.work / name).mkdir()
        (self.work / "voices").mkdir()
        for name, audio in sipp.voices().items():
            (self.work / "voices" / name).write_bytes(audio)
        (self.work / "site.toml").write_text(self._site())
        render = await asyncio.create_subprocess_exec(
            sys.executable,
            str(CONFIG / "render"),
            "write",
            str(self.work / "site.toml"),
            str(self.work / "etc"),
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await render.communicate()
        if render.returncode:
            raise BenchFailed(errors.decode())

    def _site(self) -> str:
        lines = [
            f'[ami]\nport = {self.ami_port}\ncmd_secret = "{self.cmd_secret}"',
            f'evt_secret = "{self.evt_secret}"',
            f'[sip]\nbind = "127.0.0.1"\nport = {self.sip_port}',
            f"[rtp]\nstart = {self.rtp_start}\nend = {self.rtp_start + RTP_PORTS - 1}",
            f'[[trunks]]\nname = "{self.trunk}"\nhost = "127.0.0.1"',
            f"port = {self.carrier_port}\nqualify_s = 0",
        ]
        for name in self.phones:
            do = self.phone_behaviour.get(name, "answers")
            contact = (
                f"sip:{name}@127.0.0.1:{self.phones_port}"
                f";od-do={do};od-media={self.ears.ports[name]}"
            )
            lines.append(f'[[phones]]\nname = "{name}"\ncontact = "{contact}"\nqualify_s = 0')
        return "\n".join([*lines, self.more_settings]) + "\n"

    async def _start_sipp(self, name: str, scenario: str, port: int) -> None:
        home = self.work / name
        home.mkdir()
        (home / "scenario.xml").write_text(scenario)
        where = f"/overdial/{name}"
        rtp = random.randrange(34_000, 60_000, 2)
        await self._spawn(
            name,
            *("/usr/bin/sipp", "-nostdin", "-i", "127.0.0.1", "-p", str(port)),
            *("-sf", f"{where}/scenario.xml", "-key", "rtp_port", str(self.ears.ports["customer"])),
            *("-mp", str(free_port()), "-cp", str(free_port())),
            *("-min_rtp_port", str(rtp), "-max_rtp_port", str(rtp + RTP_PORTS)),
            *("-trace_logs", "-log_file", f"{where}/calls.log", "-log_overwrite", "false"),
            *("-trace_err", "-error_file", f"{where}/errors.log"),
        )
        await asyncio.sleep(0.2)
        if self._processes[name].returncode is not None:
            raise BenchFailed(f"SIPp ({name}) ended:\n{self.output(name)}")

    def _inside(self, *command: str) -> tuple[str, ...]:
        return (str(CONFIG / "inside"), str(asterisk_root()), str(self.work), *command)

    async def _spawn(self, name: str, *command: str) -> None:
        with (self.work / f"{name}.out").open("ab") as out:
            self._processes[name] = await asyncio.create_subprocess_exec(
                *self._inside(*command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={
                    "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
                    "TERM": "dumb",
                },
            )

    async def _end(self, name: str, how: signal.Signals) -> None:
        process = self._processes.pop(name, None)
        if process is None:
            return
        for step in (how, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.send_signal(step)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 10.0)
                return

    def log(self) -> str:
        """Asterisk's own log."""
        return (self.work / "log" / "messages.log").read_text(errors="replace")

    def output(self, name: str) -> str:
        """The end of what a process of the bench said: "asterisk", "carrier" or "phones"."""
        texts = [self.work / f"{name}.out", self.work / name / "errors.log"]
        return "\n".join(p.read_text(errors="replace")[-2000:] for p in texts if p.exists())


def process_state(pid: int) -> str:
    """The letter of ps(1): "S" sleeping, "T" stopped, "Z" dead and not waited for, "" gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def free_port(kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
    """A port on 127.0.0.1 that nobody had a moment ago."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
