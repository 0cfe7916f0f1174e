"""One shape for every benchmark's result: a title, then name, value and what the value is."""

from __future__ import annotations

from collections.abc import Sequence


def show(title: str, rows: Sequence[tuple[str, str, str]]) -> None:
    """Print rows of (name, value, remark) under a title."""
    names = max(len(name) for name, _, _ in rows)
    values = max(len(value) for _, value, _ in rows)
    print(f"\n{title}")
    for name, value, remark in rows:
        print(f"  {name:<{names}}  {value:>{values}}  {remark}".rstrip())


def quantile(values: Sequence[float], q: float) -> float:
    """The value below which the share `q` of the sorted `values` lies; nan of none."""
    if not values:
        return float("nan")
    return values[min(len(values) - 1, int(q * len(values)))]
