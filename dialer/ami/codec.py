"""AMI on the wire: bytes to messages and back. No I/O, no state but the decoder's buffer.

Both directions of both sides are here: the dialer encodes actions and decodes events, the
simulated PBX decodes actions and encodes events. What is encoded is checked strictly, because a
line end in a value would be a second action on the PBX. What is decoded is taken leniently and
within limits: a message that makes no sense is counted and left out, and never ends the link.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

LINE_BYTES_MAX = 1000  # Asterisk's input buffer is 1025 bytes; a longer line loses the action
HEADERS_MAX = 120  # Asterisk takes 128 lines for one action
ID_MAX = 100  # ActionID goes through a buffer of 150 bytes together with its name
CHANNEL_BYTES_MAX = 250  # Originate copies Channel into 256 bytes and cuts the rest off

BANNER = "Asterisk Call Manager/"
_BANNER_BYTES_MAX = 256

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}\Z")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*\Z")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}\Z")
# Asterisk cuts a Variable header at commas, and quotes, backslashes and brackets steer the cutting.
_VARIABLE_VALUE = re.compile(r'[^,"\\()]*\Z')

# Headers that must not be empty. An empty Channel makes Setvar write a *global* variable, Status
# list every channel, and Getvar read a global one.
_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "bridge": ("Channel1", "Channel2"),
    "bridgeinfo": ("BridgeUniqueid",),
    "getvar": ("Channel", "Variable"),
    "hangup": ("Channel",),
    "originate": ("Channel", "ChannelId", "Context", "Exten", "Priority", "Timeout"),
    "redirect": ("Channel", "Context", "Exten", "Priority"),
    "setvar": ("Channel", "Variable"),
    "status": ("Channel",),
}
_IDS = ("ActionID", "ChannelId", "OtherChannelId")
_CHANNELS = ("Channel", "Channel1", "Channel2", "ExtraChannel")
_MAY_REPEAT = ("Variable",)


class NotEncodable(ValueError):
    """The action must not be sent. The text names the header, never its value."""


class NotAmi(Exception):
    """What answers at this port does not greet as an Asterisk Manager Interface."""


class Message(dict[str, str]):
    """Headers of one message, by name as written on the wire; of a repeated one, the last.

    `message["Event"]` is the fast way and right for Asterisk, which always writes a header's name
    the same way; `header` is for what other people's clients send.
    """

    __slots__ = ("_repeats",)
    _repeats: dict[str, list[str]]

    def header(self, name: str) -> str:
        """The header's value whatever the case of its name; empty when there is none."""
        if name in self:
            return self[name]
        lowered = name.lower()
        return next((value for key, value in self.items() if key.lower() == lowered), "")

    def all(self, name: str) -> list[str]:
        """Every value of a header that may be repeated, in order; the name in any case."""
        repeats = getattr(self, "_repeats", None)
        if repeats is not None and (values := repeats.get(name.lower())) is not None:
            return list(values)
        lowered = name.lower()
        return [value for key, value in self.items() if key.lower() == lowered]


_KINDS = ("Event", "Response", "Action")
_KINDS_LOWER = frozenset(kind.lower() for kind in _KINDS)


class Decoder:
    """Bytes in pieces of any size to whole messages. Line ends may be CR LF or LF.

    `malformed` counts what was left out: lines without a colon, messages without Event, Response
    or Action, and what is beyond the limits (bytes in a message, bytes in a line, headers).
    Bytes that are not UTF-8 become U+FFFD. With `banner`, the first line must be Asterisk's
    greeting (`NotAmi` when it is not); its version is then in `version`.
    """

    def __init__(
        self,
        *,
        banner: bool = False,
        line_max: int = 8_192,  # an event's AppData may be as long as a dialplan line
        headers_max: int = 512,
        message_max: int = 131_072,
    ) -> None:
        self.version = ""
        self.malformed = 0
        self._greeting_due = banner
        self._line_max = line_max
        self._headers_max = headers_max
        self._message_max = message_max
        self._rest = b""
        self._carriage = b""  # a CR whose LF may come with the next piece
        self._skipping = False  # inside a message that is beyond the limit

    def feed(self, data: bytes) -> list[Message]:
        """Take the next piece of the stream; the messages that it completed."""
        data = self._carriage + data
        self._carriage = b""
        if data.endswith(b"\r"):
            data, self._carriage = data[:-1], b"\r"
        data = self._rest + data.replace(b"\r\n", b"\n")
        if self._greeting_due:
            data = self._greeting(data)
        blocks = data.split(b"\n\n")
        self._rest = blocks.pop()
        messages = []
        for block in blocks:
            if self._skipping:
                self._skipping = False  # its end; counted when it began
            elif (message := self._message(block)) is not None:
                messages.append(message)
        if len(self._rest) > self._message_max:
            if not self._skipping:
                self.malformed += 1
            self._skipping = True
            self._rest = self._rest[-1:]  # may be the first half of the blank line
        return messages

    def _greeting(self, data: bytes) -> bytes:
        line, end, rest = data.partition(b"\n")
        if not end:
            if len(data) > _BANNER_BYTES_MAX or not data.startswith(BANNER.encode()[: len(data)]):
                raise NotAmi
            return data
        if not line.startswith(BANNER.encode()):
            raise NotAmi
        self._greeting_due = False
        self.version = line[len(BANNER) :].decode("ascii", "replace").strip()
        return rest

    def _message(self, block: bytes) -> Message | None:
        if len(block) > self._message_max:
            self.malformed += 1
            return None
        text = block.decode("utf-8", "replace").strip("\n")
        if not text:
            return None
        lines = text.split("\n")
        if len(lines) > self._headers_max or (
            len(block) > self._line_max and any(len(x.encode()) > self._line_max for x in lines)
        ):
            self.malformed += 1
            return None
        try:
            message = Message([line.split(": ", 1) for line in lines])
        except ValueError:
            return self._careful(lines)
        if len(message) != len(lines):
            return self._careful(lines)
        if "Event" in message or "Response" in message:
            return message
        return self._careful(lines)

    def _careful(self, lines: list[str]) -> Message | None:
        """The same for a message with something unusual: repeats, odd spacing, bad lines."""
        message = Message()
        repeats: dict[str, list[str]] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or not name:
                self.malformed += 1
                continue
            message[name] = value = value.removeprefix(" ")
            repeats.setdefault(name.lower(), []).append(value)
        if _KINDS_LOWER.isdisjoint(repeats):
            if repeats:
                self.malformed += 1
            return None
        message._repeats = repeats
        return message


def encode_action(
    action: str,
    action_id: str,
    headers: Iterable[tuple[str, str]] = (),
    variables: Mapping[str, str] | None = None,
) -> bytes:
    """One action, checked. `NotEncodable` says which header is wrong; then nothing must be sent.

    `variables` become `Variable` headers, one each. Values with a comma, quote, backslash or
    bracket are refused there: Asterisk would read further variables out of them.
    """
    lines = [("Action", action), ("ActionID", action_id), *headers]
    for name, value in (variables or {}).items():
        if not _VARIABLE.match(name):
            raise NotEncodable(f"{action}: a variable's name is not letters, digits, underscores")
        if not _VARIABLE_VALUE.match(value):
            raise NotEncodable(f'{action}: variable {name} holds one of , " \\ ( )')
        lines.append(("Variable", f"{name}={value}"))
    if len(lines) > HEADERS_MAX:
        raise NotEncodable(f"{action}: more than {HEADERS_MAX} headers")
    _check_action(action, lines)
    return _encode(lines)


def _check_action(action: str, lines: list[tuple[str, str]]) -> None:
    given: dict[str, str] = {}
    for name, value in lines:
        lowered = name.lower()
        if lowered in given and name not in _MAY_REPEAT:
            raise NotEncodable(f"{action}: {name} is given twice")
        given[lowered] = value
    if not action or not _NAME.match(action):
        raise NotEncodable("an action's name must be letters and digits")
    for name in _REQUIRED.get(action.lower(), ()):
        if not given.get(name.lower(), "").strip():
            raise NotEncodable(f"{action}: {name} must not be empty")
    for name in _IDS:
        if name.lower() in given:
            check_id(given[name.lower()], f"{action}: {name}")
    for name in _CHANNELS:
        value = given.get(name.lower(), "")
        if value.startswith("/"):  # Hangup would take it for a pattern over all channels
            raise NotEncodable(f"{action}: {name} must not begin with '/'")
        if len(value.encode("utf-8", "surrogatepass")) > CHANNEL_BYTES_MAX:
            raise NotEncodable(f"{action}: {name} is longer than {CHANNEL_BYTES_MAX} bytes")


def check_id(value: str, what: str) -> None:
    """Ids are letters, digits and . _ : - only; they go into names, and into dialplan."""
    if not _ID.match(value) or len(value) > ID_MAX:
        raise NotEncodable(f"{what} is not an id of at most {ID_MAX} letters, digits, . _ : -")


def _encode(lines: Iterable[tuple[str, str]]) -> bytes:
    encoded = []
    for name, value in lines:
        if not _NAME.match(name):
            raise NotEncodable("a header's name must be letters, digits and '-'")
        if _CONTROL.search(value):
            raise NotEncodable(f"{name} holds a control character or a line end")
        try:
            line = f"{name}: {value}\r\n".encode()
        except UnicodeEncodeError:
            raise NotEncodable(f"{name} is not valid Unicode") from None
        if len(line) > LINE_BYTES_MAX:
            raise NotEncodable(f"{name} makes a line longer than {LINE_BYTES_MAX} bytes")
        encoded.append(line)
    return b"".join(encoded) + b"\r\n"


def encode_message(headers: Iterable[tuple[str, str]]) -> bytes:
    """An event or a response, for the simulated PBX. Fast: one check over the whole text.

    `NotEncodable` when a name or value holds a line end. Length is the caller's affair, as it is
    Asterisk's.
    """
    pairs = list(headers)
    text = "".join([f"{name}: {value}\r\n" for name, value in pairs])
    if text.count("\n") != len(pairs) or text.count("\r") != len(pairs):
        raise NotEncodable("a header of an event or response holds a line end")
    return (text + "\r\n").encode()
