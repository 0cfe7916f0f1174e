"""Work done in a process of its own, its results taken as they come.

Reading a list is some microseconds of pure computing a cell: in the dialer's process it would make
agents wait for it, and in an import's it would make the database wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
from collections.abc import AsyncIterator, Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from dialer.campaigns.yamlfile import FileError
from dialer.clock import outside_work

T = TypeVar("T")

_NICE = 5  # whoever talks to people goes first
_END_LIMIT_S = 5.0


def _work(pipe: Connection, make: Callable[..., Iterator[Any]], args: tuple[Any, ...]) -> None:
    """The other process: sends ("piece", ...), and at the end ("end",), ("fault", ...)."""
    os.nice(_NICE)
    try:
        for piece in make(*args):
            pipe.send(("piece", piece))
        pipe.send(("end",))
    except FileError as error:
        pipe.send(("fault", error.faults))
    except (BrokenPipeError, KeyboardInterrupt):  # nobody wants it any more
        pass
    finally:
        pipe.close()


@contextlib.asynccontextmanager
async def pieces_apart(
    make: Callable[..., Iterator[T]], *args: Any
) -> AsyncIterator[AsyncIterator[T]]:
    """The pieces of `make(*args)`, a function of a module, in a fresh process.

    Its `FileError` is raised here. The process ends with the context, whatever was taken.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    worker = context.Process(
        target=_work, args=(theirs, make, args), name="list reader", daemon=True
    )
    with outside_work():
        await asyncio.to_thread(worker.start)
    theirs.close()
    try:
        yield _received(ours)
    finally:
        worker.kill()
        with outside_work():
            await asyncio.shield(asyncio.to_thread(worker.join, _END_LIMIT_S))
        ours.close()


async def _received(pipe: Connection) -> AsyncIterator[Any]:
    while True:
        try:
            with outside_work():
                kind, *rest = await asyncio.to_thread(pipe.recv)
        except EOFError:
            raise FileError(["the reading of the list was broken off: try again"]) from None
        match kind:
            case "piece":
                yield rest[0]
            case "fault":
                raise FileError(rest[0])
            case _:
                return
