"""The door to numba: compile to machine code, kept on disk between runs.

numba's cache asks only whether the file of a function itself has changed, not the files of the
functions it calls; a change to one module would leave old machine code in its callers. So the
stamp of every compiled function covers all modules of its package and of this one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])
_HERE = Path(__file__).parent


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, time and size of every module in a folder."""
    found = ((p.name, p.stat()) for p in sorted(folder.glob("*.py")))
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in found)


_stamps: dict[Path, Any] = {}


def compiled(function: F) -> F:
    """numba's njit, cached on disk. The types are those of the plain function."""
    made = numba.njit(cache=True)(function)
    folder = Path(function.__code__.co_filename).parent
    for each in (_HERE, folder):
        if each not in _stamps and each.is_dir():
            _stamps[each] = _stamp(each)
    cache_file = getattr(getattr(made, "_cache", None), "_cache_file", None)
    if cache_file is not None:  # a numba that stores otherwise only loses this protection
        cache_file._source_stamp = (_stamps.get(_HERE), _stamps.get(folder))
    return cast(F, made)
