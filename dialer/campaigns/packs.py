"""Rule packs from their files: those that are shipped, and a site's own beside or instead of them.

A site's pack of a shipped pack's name replaces it: so a pack is edited or end-dated (`valid_to`)
without touching the program.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dialer.campaigns.compliance.rules import AbandonRule, CapRule, ListRule, Pack, WindowRule
from yamlmarks import FileError
from yamlmarks.values import YamlFile

SHIPPED = Path(__file__).parent / "compliance" / "packs"
_PARTS: dict[str, type] = {
    "windows": WindowRule,
    "caps": CapRule,
    "lists": ListRule,
    "abandoned": AbandonRule,
}


def load_pack(path: Path) -> Pack:
    """Read one pack. Raises `FileError` with every fault: `file:line: field: mend`."""
    file = YamlFile(path)
    if not isinstance(file.value, dict):
        raise FileError([f"{path}:1: a rule pack is a table of fields: pack: ..., windows: ..."])
    try:
        pack = Pack.model_validate(file.value)
    except ValidationError as error:
        raise FileError([_fault(file, one) for one in error.errors(include_url=False)]) from None
    if path.stem != pack.pack:
        raise FileError([file.fault(("pack",), f"must be named as its file: {path.stem}")])
    return pack


@lru_cache(maxsize=8)
def shipped_packs() -> tuple[Pack, ...]:
    return tuple(load_pack(path) for path in sorted(SHIPPED.glob("*.yaml")))


def load_packs(folder: Path | None = None) -> tuple[Pack, ...]:
    """The shipped packs and those of `folder`, in order of name."""
    packs = {pack.pack: pack for pack in shipped_packs()}
    if folder is not None:
        if not folder.is_dir():
            raise FileError([f"{folder}: is no folder of rule packs"])
        faults: list[str] = []
        for path in sorted(folder.glob("*.yaml")):
            try:
                pack = load_pack(path)
            except FileError as error:
                faults.extend(error.faults)
            else:
                packs[pack.pack] = pack
        if faults:
            raise FileError(faults)
    return tuple(packs[name] for name in sorted(packs))


def canonical(packs: Iterable[Pack]) -> list[dict[str, Any]]:
    """The packs as plain data, to be kept beside the decisions made by them."""
    return [pack.model_dump(mode="json", by_alias=False) for pack in packs]


@lru_cache(maxsize=64)
def version_of(packs: Sequence[Pack]) -> str:
    """A name of exactly these rules: their content's hash."""
    text = json.dumps(_sorted(canonical(packs)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _sorted(value: Any) -> Any:
    """Sets come out in any order: days of a window."""
    if isinstance(value, dict):
        return {key: _sorted(part) for key, part in value.items()}
    if isinstance(value, list):
        parts = [_sorted(part) for part in value]
        return sorted(parts) if all(isinstance(part, int) for part in parts) else parts
    return value


def pack_schema() -> dict[str, Any]:
    """The JSON Schema of a pack's file, for editors."""
    return Pack.model_json_schema(mode="validation")


def _fault(file: YamlFile, error: Any) -> str:
    where = tuple(error["loc"])
    match error["type"]:
        case "missing":
            return file.fault(where, "is missing")
        case "extra_forbidden":
            model = _PARTS.get(str(where[0]), Pack) if len(where) > 1 else Pack
            known = ", ".join(getattr(model, "model_fields", {}))
            return file.fault(where, f"is not a field here; there are: {known}")
        case "value_error":
            return file.fault(where, str(error["ctx"]["error"]))
    message = str(error["msg"])
    return file.fault(where, message[:1].lower() + message[1:])
