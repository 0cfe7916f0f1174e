"""Recordings of the simulated PBX: files as MixMonitor leaves them, of the right length, silent."""

from __future__ import annotations

import os
import struct
from pathlib import Path

RATE = 8000  # samples a second, 16 bits each
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


class Recordings:
    """`folder` None: nothing is written."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder

    def begin(self, name: str) -> None:
        """As long as it grows, the header of the file says that it is empty."""
        if self.folder is not None:
            (self.folder / name).write_bytes(_wav(0) + bytes(RATE // 50))

    def end(self, name: str, seconds: float, at: float) -> None:
        """`at`: Unix time on the PBX's clock."""
        if self.folder is not None:
            size = int(seconds * RATE) * 2
            with (self.folder / name).open("wb") as file:
                file.write(_wav(size))
                file.truncate(_HEADER.size + size)
            os.utime(self.folder / name, (at, at))


def _wav(size: int) -> bytes:
    form = (b"fmt ", 16, 1, 1, RATE, RATE * 2, 2, 16)
    return _HEADER.pack(b"RIFF", 36 + size, b"WAVE", *form, b"data", size)
