"""An archive whose every file is named in a manifest with its hash, and its check."""

from __future__ import annotations

import csv
import hashlib
import json
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from dialer.campaigns.rejects import harmless

MANIFEST = "manifest.json"
_PIECE = 1 << 20
_LINES = 1_000  # written together
_FILES_MAX = 10_000
_MANIFEST_MAX = 16 << 20  # bytes


@dataclass(frozen=True, slots=True)
class FileEntry:
    name: str
    sha256: str
    bytes: int
    rows: int | None = None  # of a table, without its header


class _Text:
    """Takes text, hashes it as UTF-8 and writes it on: a file for `csv.writer`."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self._waiting: list[bytes] = []
        self.hash = hashlib.sha256()
        self.size = 0

    def write(self, text: str) -> int:
        data = text.encode()
        self.hash.update(data)
        self.size += len(data)
        self._waiting.append(data)
        if len(self._waiting) >= _LINES:
            self.flush()
        return len(text)

    def flush(self) -> None:
        self._target.write(b"".join(self._waiting))
        self._waiting.clear()


class Archive:
    """Writes `path` beside itself first: it is there whole or not at all."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        self._zip = zipfile.ZipFile(self._part, "w", zipfile.ZIP_DEFLATED, compresslevel=6)
        self.entries: list[FileEntry] = []

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._zip.close()
        if kind is None:
            self._part.replace(self._path)
        else:
            self._part.unlink(missing_ok=True)

    def table(self, name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """A CSV, whose cells no spreadsheet takes for formulas; how many rows it has."""
        count = 0
        with self._zip.open(name, "w", force_zip64=True) as target:
            text = _Text(target)
            out = csv.writer(text)
            out.writerow(header)
            for row in rows:
                out.writerow([_cell(value) for value in row])
                count += 1
            text.flush()
        self.entries.append(FileEntry(name, text.hash.hexdigest(), text.size, count))
        return count

    def document(self, name: str, value: Any) -> None:
        body = json.dumps(value, indent=2, sort_keys=True, default=str).encode()
        self.text(name, body)

    def text(self, name: str, body: bytes) -> None:
        self._zip.writestr(name, body)
        self.entries.append(FileEntry(name, hashlib.sha256(body).hexdigest(), len(body)))

    def manifest(self, about: dict[str, Any]) -> str:
        """Write the manifest, last of all; its own hash, to be kept elsewhere."""
        files = [asdict(one) for one in sorted(self.entries, key=lambda one: one.name)]
        body = json.dumps(about | {"files": files}, indent=2, default=str).encode()
        self._zip.writestr(MANIFEST, body)
        return hashlib.sha256(body).hexdigest()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str) and not value.startswith("+"):
        return harmless(value)
    return str(value)  # a number of a phone stays one: nothing is computed from +49


def verify(path: Path) -> tuple[list[str], str]:
    """What is wrong with an archive, and the hash of its manifest. Raises `OSError` and
    `zipfile.BadZipFile`."""
    faults: list[str] = []
    with zipfile.ZipFile(path) as packed:
        info = {one.filename: one for one in packed.infolist()}
        if MANIFEST not in info or info[MANIFEST].file_size > _MANIFEST_MAX:
            return [f"there is no {MANIFEST}"], ""
        body = packed.read(MANIFEST)
        try:
            files = {one["name"]: one for one in json.loads(body)["files"][:_FILES_MAX]}
        except (ValueError, KeyError, TypeError):
            return [f"{MANIFEST} is broken"], ""
        for name in sorted(info.keys() - files.keys() - {MANIFEST}):
            faults.append(f"{name}: is not in the manifest")
        for name, entry in sorted(files.items()):
            if name not in info:
                faults.append(f"{name}: is missing")
            elif _hash_of(packed, name, int(entry["bytes"])) != entry["sha256"]:
                faults.append(f"{name}: was changed")
    return faults, hashlib.sha256(body).hexdigest()


def _hash_of(packed: zipfile.ZipFile, name: str, size: int) -> str:
    """Empty when it is longer than it may be, or broken."""
    found, seen = hashlib.sha256(), 0
    try:
        with packed.open(name) as file:
            while piece := file.read(_PIECE):
                seen += len(piece)
                if seen > size:
                    return ""
                found.update(piece)
    except (zipfile.BadZipFile, EOFError):
        return ""
    return found.hexdigest()
