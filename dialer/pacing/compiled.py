"""The door to numba: compile to machine code, kept on disk between runs.

numba's cache asks only whether the file of a function itself has changed, not what the function
calls or which constants it took from elsewhere: a change to one module would leave old machine
code in its callers. So a function's stamp holds, besides its own file, the numbers around it and
the stamps of the compiled functions around it. It depends on nothing else, in particular not on
what the process imported before: every command finds what another has compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def _cache_file(function: object) -> Any:
    """Where numba keeps the stamp; a numba that stores otherwise only loses this protection."""
    return getattr(getattr(function, "_cache", None), "_cache_file", None)


def _around(function: Callable[..., Any]) -> list[tuple[str, object]]:
    """What a function may have taken from its module: numbers and functions compiled before."""
    found: list[tuple[str, object]] = []
    for name, value in sorted(function.__globals__.items()):
        if isinstance(value, int | float):
            found.append((name, value))
        elif (file := _cache_file(value)) is not None:
            found.append((name, file._source_stamp))
    return found


def compiled(function: F, **options: Any) -> F:
    """numba's njit, cached on disk. The types are those of the plain function."""
    made = numba.njit(cache=True, **options)(function)
    if (file := _cache_file(made)) is not None:
        of_file = file._source_stamp  # numba has looked at the function's own file
        stamp = repr((of_file, function.__qualname__, _around(function)))
        file._source_stamp = sha256(stamp.encode()).hexdigest()
    return cast(F, made)


def borrowing(function: F) -> F:
    """As `compiled`, for a function that makes no array and calls none that does.

    It does not count who holds the arrays it is lent. A floor or a pacer's state is dozens of them,
    and counting them in and out at every call took a third of a simulated day. A function that
    makes an array after all does not compile.
    """
    return compiled(function, _nrt=False)
