"""Scripts and knowledge pages: Markdown files to HTML that is safe to show as it is.

CommonMark and tables, raw HTML off, links to http(s), mailto and pages only. `{{ field }}` in a
script becomes the customer's value, escaped, after the Markdown was rendered: a value can neither
be markup nor make a link.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from markdown_it import MarkdownIt

BYTES_MAX = 256 * 1024
PAGES_MAX = 1_000
_STEP = re.compile(r"^## +(?P<title>.*?)(?P<marks>(?: *\{[a-z]+\})*) *#*\s*$")
_FENCE = re.compile(r"^ {0,3}(```|~~~)")
_FIELD = re.compile(r"\{\{\s*([A-Za-z0-9_.-]{1,64})\s*\}\}")
_MARK = re.compile(r"\{([a-z]+)\}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,80}\Z")
_LINK = re.compile(r"^(https?:|mailto:|#|[A-Za-z0-9_.-]+(#|$))")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a script. `verify`: the right party is verified here."""

    id: str
    title: str
    required: bool
    verify: bool
    html: str


@dataclass(frozen=True, slots=True)
class Page:
    page: str
    title: str
    html: str


def _renderer() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    made.validateLink = lambda url: bool(_LINK.match(url.strip()))  # type: ignore[method-assign]
    return made


_MARKDOWN = _renderer()


def render(text: str) -> str:
    rendered: str = _MARKDOWN.render(text)
    return rendered


@lru_cache(maxsize=256)
def _steps(path: Path, changed_ns: int) -> tuple[Step, ...]:
    return steps_of(path.read_bytes()[:BYTES_MAX].decode("utf-8", "replace"))


def steps_of(text: str) -> tuple[Step, ...]:
    """A script's steps, without values."""
    steps: list[Step] = []
    title, marks, lines, fence = "", frozenset[str](), list[str](), ""

    def end() -> None:
        body = "\n".join(lines).strip()
        if title or body:
            steps.append(
                Step(
                    f"s{len(steps) + 1}",
                    title,
                    "required" in marks,
                    "verify" in marks,
                    render(body),
                )
            )

    for line in text.splitlines():
        if found := _FENCE.match(line):
            fence = "" if fence == found[1] else (fence or found[1])
        heading = None if fence else _STEP.match(line)
        if heading is None:
            lines.append(line)
            continue
        end()
        title, lines = heading["title"], []
        marks = frozenset(_MARK.findall(heading["marks"]))
    end()
    return tuple(steps)


def script(path: Path, values: Mapping[str, str]) -> tuple[Step, ...]:
    """The script's steps with these values filled in. Raises OSError when it cannot be read."""

    def value(found: re.Match[str]) -> str:
        return html.escape(values.get(found[1], ""))

    return tuple(
        Step(
            step.id,
            _FIELD.sub(lambda found: values.get(found[1], ""), step.title),
            step.required,
            step.verify,
            _FIELD.sub(value, step.html),
        )
        for step in _steps(path, path.stat().st_mtime_ns)
    )


@lru_cache(maxsize=1024)
def _page(path: Path, changed_ns: int) -> Page:
    text = path.read_bytes()[:BYTES_MAX].decode("utf-8", "replace")
    found = re.search(r"^#\s+(.+?)\s*#*\s*$", text, re.MULTILINE)
    return Page(path.stem, found[1] if found else path.stem, render(text))


def knowledge(folder: Path) -> list[Page]:
    """The folder's pages by name. Raises OSError when it cannot be read."""
    paths = sorted(path for path in folder.iterdir() if _is_page(path))
    return [_page(path, path.stat().st_mtime_ns) for path in paths[:PAGES_MAX]]


def page(folder: Path, name: str) -> Page | None:
    path = page_path(folder, name)
    return None if path is None else _page(path, path.stat().st_mtime_ns)


def page_path(folder: Path, name: str, *, new: bool = False) -> Path | None:
    """The page of that name, or where a new one would be; a name leads nowhere else than into the
    folder."""
    path = folder / f"{name}.md"
    if not _NAME.match(name):
        return None
    return path if _is_page(path) or (new and not path.exists() and not path.is_symlink()) else None


def _is_page(path: Path) -> bool:
    return path.suffix == ".md" and path.is_file() and not path.is_symlink()
