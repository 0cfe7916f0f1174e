"""SIPp scenarios for the carrier and for the agents' phones, made from tables of behaviours.

One SIPp process plays a whole carrier: what it does with a call is told by the called number. The
numbers are of the blocks that the German regulator keeps for films and books, so nobody has them;
`number_for` gives the n-th number of a behaviour. One more SIPp process plays all phones.

A call under way is told to hang up by an INFO with its Call-ID (`harness.AsteriskBench` sends it);
SIPp writes the Call-IDs to its log. Media is not SIPp's: the SDP names the ports of `ears.py`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from xml.sax.saxutils import escape

NEVER_MS = 3_600_000  # one call of a test ends long before


@dataclass(frozen=True)
class Ring:
    """180 (or 183 with SDP), and then this long before the next step; a CANCEL is honoured, or is
    itself what the next step waits for: the call was answered before it came."""

    ms: int
    early_media: bool = False
    answered_meanwhile: bool = False


@dataclass(frozen=True)
class Silence:
    """No response at all, as from a dead address."""


@dataclass(frozen=True)
class Refuse:
    """A final response other than 200. `header` is one more header line."""

    code: int
    phrase: str
    header: str = ""


@dataclass(frozen=True)
class Talk:
    """200, and hang up after `ms` unless the other side did; 0: BYE follows the ACK at once.

    `play` is a file of `voices` that SIPp itself plays after the answer, for AMD to judge.
    """

    ms: int = NEVER_MS
    play: str = ""


Step = Ring | Silence | Refuse | Talk


@dataclass(frozen=True)
class Behaviour:
    prefix: str  # E.164 without "+"; two digits follow
    steps: tuple[Step, ...]


CARRIER: dict[str, Behaviour] = {
    # Berlin, 030 23125 xxx: not answered
    "busy": Behaviour("4930231250", (Ring(300), Refuse(486, "Busy Here"))),
    "invalid": Behaviour("4930231251", (Refuse(404, "Not Found"),)),
    "no-answer-480": Behaviour("4930231252", (Ring(600), Refuse(480, "Temporarily Unavailable"))),
    "congestion": Behaviour("4930231253", (Refuse(503, "Service Unavailable"),)),
    "rejected": Behaviour("4930231254", (Ring(300), Refuse(603, "Decline"))),
    "blocked-by-user": Behaviour("4930231255", (Refuse(607, "Unwanted"),)),
    "blocked-analytics": Behaviour("4930231256", (Refuse(608, "Rejected"),)),
    "redirect": Behaviour(
        "4930231257",
        (Refuse(302, "Moved Temporarily", "Contact: <sip:+496990009000@127.0.0.1:[local_port]>"),),
    ),
    "ring-forever": Behaviour("4930231258", (Ring(NEVER_MS),)),
    "silence": Behaviour("4930231259", (Silence(),)),
    # Frankfurt, 069 90009 xxx: answered
    "talk": Behaviour("4969900090", (Ring(300), Talk())),
    "talk-1s": Behaviour("4969900091", (Ring(300), Talk(1_000))),
    "talk-3s": Behaviour("4969900092", (Ring(300), Talk(3_000))),
    "talk-8s": Behaviour("4969900093", (Ring(300), Talk(8_000))),
    "answer-bye": Behaviour("4969900094", (Ring(300), Talk(0))),
    "answer-bye-30ms": Behaviour("4969900095", (Ring(300), Talk(30))),
    "early-media": Behaviour("4969900096", (Ring(500, early_media=True), Talk(3_000))),
    "slow-answer": Behaviour("4969900097", (Ring(4_000), Talk(3_000))),
    "talk-20s": Behaviour("4969900098", (Ring(300), Talk(20_000))),
    "answer-at-once": Behaviour("4969900099", (Talk(3_000),)),
    # Hamburg, 040 66969 xxx: more that are not answered
    "unreachable-480": Behaviour("4940669690", (Refuse(480, "Temporarily Unavailable"),)),
    "busy-at-once": Behaviour("4940669691", (Refuse(486, "Busy Here"),)),
    "gone": Behaviour("4940669692", (Refuse(410, "Gone"),)),
    "forbidden": Behaviour("4940669693", (Refuse(403, "Forbidden"),)),
    "server-error": Behaviour("4940669694", (Refuse(500, "Server Internal Error"),)),
    "request-timeout": Behaviour("4940669695", (Refuse(408, "Request Timeout"),)),
    "incomplete": Behaviour("4940669696", (Refuse(484, "Address Incomplete"),)),
    "busy-everywhere": Behaviour("4940669697", (Ring(300), Refuse(600, "Busy Everywhere"))),
    "does-not-exist": Behaviour("4940669698", (Refuse(604, "Does Not Exist Anywhere"),)),
    "not-acceptable": Behaviour("4940669699", (Refuse(488, "Not Acceptable Here"),)),
    # Munich, 089 99998 xxx: answered with a voice, for AMD
    "machine": Behaviour("4989999980", (Ring(300), Talk(12_000, play="machine.alaw"))),
    "answer-meets-cancel": Behaviour(
        "4989999982", (Ring(NEVER_MS, answered_meanwhile=True), Talk(3_000))
    ),
    "late-answer": Behaviour("4989999983", (Ring(16_000), Talk(3_000))),
    "human": Behaviour("4989999981", (Ring(300), Talk(12_000, play="human.alaw"))),
}

PHONE: dict[str, tuple[Step, ...]] = {
    "answers": (Ring(100), Talk()),
    "busy": (Refuse(486, "Busy Here"),),
    "rings": (Ring(NEVER_MS),),
    "hangs-up-3s": (Ring(100), Talk(3_000)),
}


def number_for(behaviour: str, n: int = 0) -> str:
    """The n-th (0 to 99) number, in E.164, that the carrier treats so."""
    if not 0 <= n <= 99:
        raise ValueError(f"a behaviour has the numbers 0 to 99, not {n}")
    return f"+{CARRIER[behaviour].prefix}{n:02d}"


def carrier_scenario() -> str:
    """The carrier: branches on the called number; RTP goes to the port of key `rtp_port`."""
    return _scenario(
        "carrier",
        {name: (rf"^INVITE sip:[+]{b.prefix}", b.steps) for name, b in CARRIER.items()},
        media_port="[rtp_port]",
    )


def phones_scenario() -> str:
    """The phones: the contact's URI parameters say behaviour (od-do) and RTP port (od-media)."""
    return _scenario(
        "phones",
        {name: (rf"^INVITE [^ ]*;od-do={name}[; >]", steps) for name, steps in PHONE.items()},
        media_port="[$media]",
    )


# --- XML --------------------------------------------------------------------------------------

_SDP = """v=0
o=sipp 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio {port} RTP/AVP 8
a=rtpmap:8 PCMA/8000
a=ptime:20
"""
_REMEMBERED = {"via": "Via:", "from": "From:", "to": "To:", "cseq": "CSeq:"}


class _Writer:
    def __init__(self, media_port: str) -> None:
        self.out: list[str] = []
        self.media_port = media_port

    def label(self, name: str) -> None:
        self.out.append(f'<label id="{name}"/>')

    def send(self, text: str, attributes: str = "") -> None:
        self.out.append(f"<send {attributes}><![CDATA[\n{text}\n]]></send>")

    def reply(
        self,
        code: int,
        phrase: str,
        *,
        sdp: bool = False,
        header: str = "",
        attributes: str = "",
        played: bool = False,
    ) -> None:
        """A response to the INVITE, whatever came since."""
        lines = [
            f"SIP/2.0 {code} {phrase}",
            "Via:[$via]",
            "From:[$from]",
            "To:[$to];tag=[pid]t[call_number]",
            "Call-ID: [call_id]",
            "CSeq:[$cseq]",
            header or "Contact: <sip:[local_ip]:[local_port]>",
        ]
        port = "[rtpstream_audio_port]" if played else self.media_port
        self.send(self._body(lines, port if sdp else ""), attributes)

    def reply_last(self, attributes: str = "", *, sdp: bool = False) -> None:
        """200 to the request that came last."""
        lines = [
            "SIP/2.0 200 OK",
            "[last_Via:]",
            "[last_From:]",
            "[last_To:]",
            "[last_Call-ID:]",
            "[last_CSeq:]",
            "Contact: <sip:[local_ip]:[local_port]>",
        ]
        self.send(self._body(lines, self.media_port if sdp else ""), attributes)

    def _body(self, lines: list[str], rtp_port: str) -> str:
        """`rtp_port` of the SDP; none without it."""
        if not rtp_port:
            return "\n".join([*lines, "Content-Length: 0", "", ""])
        head = [*lines, "Content-Type: application/sdp", "Content-Length: [len]", ""]
        return "\n".join([*head, _SDP.format(port=rtp_port)])

    def recv(self, request: str, attributes: str = "") -> None:
        self.out.append(f'<recv request="{request}" {attributes}/>')


def _scenario(
    name: str, behaviours: dict[str, tuple[str, tuple[Step, ...]]], *, media_port: str
) -> str:
    w = _Writer(media_port)
    names = list(behaviours)
    w.out.append('<recv request="INVITE"><action>')
    for variable, header in _REMEMBERED.items():
        w.out.append(
            f'<ereg regexp=".*" search_in="hdr" header="{header}" assign_to="{variable}"/>'
        )
    w.out.append(
        '<ereg regexp="sip:[^>]*" search_in="hdr" header="Contact:" assign_to="target"/>'
        '<ereg regexp="^INVITE sip:([^@]*)@" search_in="msg" assign_to="_u,user"/>'
        '<ereg regexp="od-media=([0-9]+)" search_in="msg" check_it="false" assign_to="_m,media"/>'
        '<ereg regexp="m=audio ([0-9]+)" search_in="msg" check_it="false" assign_to="_a,peer"/>'
    )
    for n, key in enumerate(names):
        pattern = escape(behaviours[key][0], {'"': "&quot;"})
        w.out.append(
            f'<ereg regexp="{pattern}" search_in="msg" check_it="false" assign_to="is{n}"/>'
        )
    w.out.append(
        '<log message="call [call_id] user [$user] peer [$peer] at [timestamp]"/></action></recv>'
    )
    for n in range(len(names)):
        w.out.append(f'<nop next="do{n}" test="is{n}"/>')
    w.reply(404, "Not In The Scenario")
    w.recv("ACK", 'next="end"')
    for n, key in enumerate(names):
        w.label(f"do{n}")
        _steps(w, f"do{n}", behaviours[key][1])
    _common(w)
    variables = [*_REMEMBERED, "target", "_u", "user", "_m", "media", "_a", "peer"]
    variables += [f"is{n}" for n in range(len(names))]
    reference = f'<Reference variables="{",".join(variables)}"/>'
    body = "\n".join([*w.out, reference])
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="{name}">\n{body}\n</scenario>\n'
    )


def _steps(w: _Writer, label: str, steps: tuple[Step, ...]) -> None:
    for step in steps:
        match step:
            case Ring(_, _, True):
                w.reply(180, "Ringing")
                w.recv("CANCEL", f'timeout="{NEVER_MS}" ontimeout="end"')
                w.reply_last()
            case Ring(ms, early_media):
                if early_media:
                    w.reply(183, "Session Progress", sdp=True)
                else:
                    w.reply(180, "Ringing")
                w.recv("CANCEL", f'timeout="{ms}" ontimeout="{label}r" next="cancelled"')
                w.label(f"{label}r")
            case Silence():
                w.recv("CANCEL", f'timeout="{NEVER_MS}" ontimeout="end" next="cancelled"')
            case Refuse(code, phrase, header):
                w.reply(code, phrase, header=header, attributes='retrans="500"')
                w.recv("ACK", 'next="end"')
            case Talk(ms, play):
                w.reply(200, "OK", sdp=True, attributes='retrans="500"', played=bool(play))
                if ms == 0:
                    w.recv("ACK", 'next="hangup"')
                else:
                    # An order to hang up, or Asterisk's own BYE, may be faster than its ACK.
                    w.recv("INFO", 'optional="true" next="hangup"')
                    w.recv("BYE", 'optional="true" next="bye"')
                    w.recv("ACK")
                    if play:
                        w.out.append(
                            f'<nop><action><exec rtp_stream="/overdial/voices/{play},1,8,PCMA/8000"'
                            "/></action></nop>"
                        )
                    _talk(w, f"{label}t", ms)


def _talk(w: _Writer, label: str, ms: int) -> None:
    """Wait for the other side's BYE, for the order to hang up, or for the time to be over.

    Session refreshes are answered; they start the time anew, which only an endless talk sees.
    """
    limit = f'timeout="{ms}" ontimeout="hangup"'
    w.label(label)
    w.recv("INFO", f'optional="true" next="hangup" {limit}')
    w.recv("UPDATE", f'optional="true" next="{label}u" {limit}')
    w.recv("INVITE", f'optional="true" next="{label}i" {limit}')
    w.recv("BYE", f'next="bye" {limit}')
    w.label(f"{label}u")
    w.reply_last(f'next="{label}"')
    w.label(f"{label}i")
    w.reply_last('retrans="500"', sdp=True)
    w.recv("ACK", f'next="{label}"')


def _common(w: _Writer) -> None:
    w.label("bye")
    w.reply_last('next="end"')
    w.label("cancelled")
    w.reply_last()
    w.reply(487, "Request Terminated", attributes='retrans="500"')
    w.recv("ACK", 'next="end"')
    w.label("hangup")
    w.send(
        "\n".join(
            [
                "BYE [$target] SIP/2.0",
                "Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]",
                "From:[$to];tag=[pid]t[call_number]",
                "To:[$from]",
                "Call-ID: [call_id]",
                "CSeq: 1 BYE",
                "Max-Forwards: 70",
                "Content-Length: 0",
                "",
                "",
            ]
        ),
        'retrans="500"',
    )
    w.recv("BYE", 'optional="true" next="bye"')
    w.out.append('<recv response="200" next="end"/>')
    w.label("end")
    w.out.append('<pause milliseconds="1"/>')


def voices() -> dict[str, bytes]:
    """A-law files: "machine" goes on and on, "human" says one short word and waits."""
    word = random.Random(1).randbytes  # loud noise; AMD measures energy, not speech
    silence = b"\xd5" * 8
    return {
        "machine.alaw": b"".join(word(8 * 400) + silence * 60 for _ in range(16)),
        "human.alaw": silence * 200 + word(8 * 350) + silence * 6_000,
    }
