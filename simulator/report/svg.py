"""Small means to draw: a canvas with scaled axes that becomes SVG text. No foreign assets.

Colours are classes, so one style sheet serves light and dark pages.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape

STYLE = """
.ov{font:12px system-ui,sans-serif;fill:#1f2937}
.ov .axis{stroke:#9ca3af;stroke-width:1;fill:none}.ov .grid{stroke:#e5e7eb;stroke-width:1}
.ov .dim{fill:#6b7280}.ov .lead{stroke:#d1d5db;stroke-width:1;fill:none}
.ov .law{stroke:#dc2626;stroke-width:1.5;stroke-dasharray:5 4}.ov .over{fill:#dc2626;opacity:.06}
.ov .c0{--c:#1d63dc}.ov .c1{--c:#0f766e}.ov .c2{--c:#b45309}.ov .c3{--c:#7c3aed}
.ov .c4{--c:#be185d}.ov .c5{--c:#4d7c0f}.ov .c6{--c:#0369a1}.ov .c7{--c:#6b7280}
.ov .dot{fill:var(--c);stroke:var(--c)}.ov .hollow{fill:none;stroke:var(--c);stroke-width:1.5}
.ov .line{fill:none;stroke:var(--c);stroke-width:1.8}.ov .bar{stroke:var(--c);stroke-width:1.2}
.ov .name{fill:var(--c)}.ov .strong{font-weight:600}
@media (prefers-color-scheme:dark){.ov{fill:#e5e7eb}.ov .axis{stroke:#6b7280}
.ov .grid{stroke:#374151}.ov .dim{fill:#9ca3af}.ov .lead{stroke:#4b5563}
.ov .c0{--c:#6ea8fe}.ov .c1{--c:#2dd4bf}.ov .c2{--c:#fbbf24}.ov .c3{--c:#c4b5fd}
.ov .c4{--c:#f9a8d4}.ov .c5{--c:#a3e635}.ov .c6{--c:#7dd3fc}.ov .c7{--c:#9ca3af}}
"""


def ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Round numbers from low to high, about so many."""
    if not high > low:
        return [low]
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= raw)
    first = math.ceil(low / step - 1e-9)
    return [
        round((first + i) * step, 12) for i in range(int((high - first * step) / step + 1e-6) + 1)
    ]


@dataclass(frozen=True)
class Scale:
    """Values low..high onto pixels; `by` bends it first (math.sqrt spreads small values)."""

    low: float
    high: float
    from_px: float
    to_px: float
    by: Callable[[float], float] = float

    def __call__(self, value: float) -> float:
        low, high = self.by(self.low), self.by(self.high)
        inside = min(max(value, self.low), self.high)
        part = (self.by(inside) - low) / (high - low) if high > low else 0.5
        return self.from_px + part * (self.to_px - self.from_px)


@dataclass
class Canvas:
    """Collects shapes; `svg()` is the picture. Text is escaped here and nowhere else."""

    width: float
    height: float
    title: str
    _parts: list[str] = field(default_factory=list)

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        self._parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'
        )

    def path(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        if points:
            text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            self._parts.append(f'<polyline points="{text}" class="{kind}"/>')

    def rect(self, x: float, y: float, width: float, height: float, kind: str) -> None:
        self._parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(0.0, width):.1f}"'
            f' height="{max(0.0, height):.1f}" class="{kind}"/>'
        )

    def dot(self, x: float, y: float, kind: str, tip: str = "", r: float = 4.0) -> None:
        inside = f"<title>{escape(tip)}</title>" if tip else ""
        self._parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:g}" class="{kind}">{inside}</circle>'
        )

    def text(
        self, x: float, y: float, text: str, kind: str = "", anchor: str = "start", turn: int = 0
    ) -> None:
        turned = f' transform="rotate({turn} {x:.1f} {y:.1f})"' if turn else ""
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}"{turned}>'
            f"{escape(text)}</text>"
        )

    def x_axis(
        self, scale: Scale, y: float, marks: Sequence[tuple[float, str]], label: str, top: float
    ) -> None:
        for value, text in marks:
            x = scale(value)
            self.line(x, top, x, y, "grid")
            self.text(x, y + 15, text, "dim", "middle")
        self.line(scale.from_px, y, scale.to_px, y, "axis")
        self.text((scale.from_px + scale.to_px) / 2, y + 32, label, "dim", "middle")

    def y_axis(
        self, scale: Scale, x: float, marks: Sequence[tuple[float, str]], label: str, right: float
    ) -> None:
        for value, text in marks:
            y = scale(value)
            self.line(x, y, right, y, "grid")
            self.text(x - 6, y + 4, text, "dim", "end")
        self.line(x, scale.from_px, x, scale.to_px, "axis")
        self.text(14, (scale.from_px + scale.to_px) / 2, label, "dim", "middle", -90)

    def svg(self, alone: bool = False) -> str:
        """The picture; `alone` with its own style sheet, for a file of its own."""
        style = f"<style>{STYLE}</style>" if alone else ""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="ov" role="img"'
            f' viewBox="0 0 {self.width:g} {self.height:g}" width="{self.width:g}"'
            f' height="{self.height:g}"><title>{escape(self.title)}</title>{style}'
            f"{''.join(self._parts)}</svg>"
        )


def apart(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions near the wanted ones, in the same order of height, at least `gap` apart."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    gap = min(gap, (high - low) / max(1, len(wanted) - 1)) if len(wanted) > 1 else gap
    placed = [0.0] * len(wanted)
    last = low - gap
    for i in order:
        placed[i] = last = max(wanted[i], last + gap)
    last = high + gap
    for i in reversed(order):
        placed[i] = last = min(placed[i], last - gap)
    return placed
