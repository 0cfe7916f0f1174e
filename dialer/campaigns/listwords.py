"""The report of an import, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from dialer.campaigns.lists import ImportReport
from dialer.store.preview import When

_SHOWN = 10  # reasons, rules and zones; the rest is added up


def in_words(report: ImportReport, campaign: str) -> Iterator[str]:
    """Lines for people. No personal data."""
    what = "would be imported" if report.dry_run else "imported"
    batch = "" if report.list_id is None else f" as batch {report.list_id}"
    yield f"{report.path}: {report.rows} rows, {report.accepted} {what} for {campaign}{batch}"
    used = ", ".join(f"{c.header} = {c.target}" for c in report.columns if c.target)
    cut = f", delimiter {report.delimiter!r}" if report.delimiter else ""
    yield f"  read as {report.encoding}{cut}; {used}"
    if report.updated:
        would = "would be " if report.dry_run else ""
        yield f"  {report.updated:,} that are there already {would}brought up to date"
    if report.held:
        yield f"  {report.held:,} are not dialled by themselves: their time zone is not known"
    if report.came_meanwhile:
        yield f"  {report.came_meanwhile:,} had come in another way meanwhile: left as they are"
    yield from _verdicts(report)
    yield from _zones(report)
    if report.numbers_dropped:
        yield f"  {report.numbers_dropped:,} further numbers of these could not be used"
    if report.skipped:
        yield f"  {report.skipped:,} skipped: they are there already"
    if report.rejected:
        yield f"  {report.rejected:,} rejected, see {report.rejects}:"
    for reason, count in report.reasons.most_common(_SHOWN):
        first = report.firsts.get(reason)
        where = "" if first is None else f"; first in line {first.line}"
        if first is not None and first.column:
            where += f", column {first.column}"
        yield f"    {count:8,}  {reason}{where}"


def _verdicts(report: ImportReport) -> Iterator[str]:
    if not report.dry_run:
        return
    by_when: Counter[str] = Counter()
    by_rule: Counter[tuple[str, str]] = Counter()
    for (when, rule, _), count in report.verdicts.items():
        by_when[when] += count
        if rule:
            by_rule[when, rule] += count
    for when in When:
        yield f"  {by_when[when.value]:8,}  {when.value}"
        for (other, rule), count in by_rule.most_common():
            if other == when:
                yield f"    {count:8,}  by {rule}"
    yield f"  {report.duplicates:8,}  duplicate"
    yield f"  {report.invalid:8,}  invalid, or on the do-not-call list"


def _zones(report: ImportReport) -> Iterator[str]:
    if not report.dry_run:
        return
    yield "  by time zone:"
    for zones, count in report.zones.most_common(_SHOWN):
        yield f"    {count:8,}  {zones or 'not known'}"
    if (rest := len(report.zones) - _SHOWN) > 0:
        others = report.zones.total() - sum(n for _, n in report.zones.most_common(_SHOWN))
        yield f"    {others:8,}  in {rest} others"
