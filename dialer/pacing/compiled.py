"""The door to numba: compile to machine code, kept on disk between runs.

numba's cache asks only whether the file of a function itself has changed, not what the function
calls or which constants it took from elsewhere: a change to one module would leave old machine
code in its callers. So the stamp of a function runs on over everything compiled before it, and
what a function calls from another module was always compiled before it.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])
_so_far = sha256()


def _constants(function: Callable[..., Any]) -> list[tuple[str, float]]:
    """The numbers that a function takes from its module: they are compiled in."""
    found = ((name, function.__globals__.get(name)) for name in function.__code__.co_names)
    return [(name, value) for name, value in found if isinstance(value, int | float)]


def compiled(function: F) -> F:
    """numba's njit, cached on disk. The types are those of the plain function."""
    made = numba.njit(cache=True)(function)
    cache_file = getattr(getattr(made, "_cache", None), "_cache_file", None)
    if cache_file is not None:  # a numba that stores otherwise only loses this protection
        of_file = cache_file._source_stamp  # numba has looked at the function's own file
        _so_far.update(repr((of_file, function.__qualname__, _constants(function))).encode())
        cache_file._source_stamp = _so_far.hexdigest()
    return cast(F, made)
