"""Lists read in a process of their own, the pieces taken as they come.

Reading a list is some microseconds of pure computing a cell: in the dialer's process it would make
agents wait for it, and in an import's it would make the database wait. The other process gets a
`Request` on its standard input and answers by frames: four bytes of length, then a pickle. Both
ends are this program.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import struct
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, BinaryIO

from dialer.campaigns.reading import Heading, Piece, Request, read_heading, read_list
from dialer.clock import outside_work
from yamlmarks import FileError

_WORK: Mapping[str, Callable[[Request], Iterator[Any]]] = {
    "heading": read_heading,
    "list": read_list,
}
_NICE = 5  # whoever talks to people goes first
_LENGTH = struct.Struct(">I")
_END = b""


@contextlib.asynccontextmanager
async def apart(what: str, request: Request) -> AsyncIterator[AsyncIterator[Heading | Piece]]:
    """The pieces of a list ("list"), or only its heading ("heading").

    What the reading raises as `FileError` is raised here. The process ends with the context,
    however much was taken.
    """
    with outside_work():
        worker = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "dialer.campaigns.apart"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
    assert worker.stdin is not None and worker.stdout is not None  # noqa: PT018 - both are pipes
    try:
        asked = pickle.dumps((what, request))
        worker.stdin.write(_LENGTH.pack(len(asked)) + asked)
        worker.stdin.close()
        yield _received(worker.stdout)
    finally:
        with contextlib.suppress(ProcessLookupError):
            worker.kill()
        with outside_work():
            await asyncio.shield(worker.wait())


async def _received(pipe: asyncio.StreamReader) -> AsyncIterator[Heading | Piece]:
    while True:
        try:
            with outside_work():
                (length,) = _LENGTH.unpack(await pipe.readexactly(_LENGTH.size))
                frame = await pipe.readexactly(length)
        except asyncio.IncompleteReadError:
            raise FileError(["the reading of the list was broken off: try again"]) from None
        if not frame:
            return
        piece = pickle.loads(frame)  # noqa: S301 - from our own process
        if isinstance(piece, tuple):
            raise FileError(piece)
        yield piece


def _send(pipe: BinaryIO, frame: bytes) -> None:
    pipe.write(_LENGTH.pack(len(frame)) + frame)
    pipe.flush()


def main() -> None:
    """The other process."""
    os.nice(_NICE)
    source, target = sys.stdin.buffer, sys.stdout.buffer
    (length,) = _LENGTH.unpack(source.read(_LENGTH.size))
    what, request = pickle.loads(source.read(length))  # noqa: S301 - from our own process
    try:
        for piece in _WORK[what](request):
            _send(target, pickle.dumps(piece, pickle.HIGHEST_PROTOCOL))
        _send(target, _END)
    except FileError as error:
        _send(target, pickle.dumps(error.faults))


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):  # nobody wants it any more
        main()
