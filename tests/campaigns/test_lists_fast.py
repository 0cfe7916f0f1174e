"""What an import does faster than the plain way comes to the same."""

from __future__ import annotations

import json
import zlib

from hypothesis import given
from hypothesis import strategies as st

from dialer.campaigns.numbers import _ALONE, _BETWEEN, _by_slash, numbers_in
from dialer.store.imports import as_json, unpack

WRITTEN = st.text(st.sampled_from("0123456789+() .-/,;xet"), min_size=1, max_size=26)


@given(WRITTEN)
def test_a_number_taken_for_one_alone_is_one(cell: str) -> None:
    cell = cell.strip()
    if _ALONE.match(cell):
        parts = [one for part in _BETWEEN.split(cell) if part for one in _by_slash(part)]
        assert numbers_in(cell) == parts == [cell]


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=4))
def test_fields_are_written_as_json_writes_them(fields: dict[str, str]) -> None:
    assert as_json(fields) == json.dumps(fields)


def test_a_piece_of_the_version_before_is_understood() -> None:
    old = [2, "A1", "Ann", "Etc/UTC", {"a": "1"}, 0, "", "", [["+12125550101", "phone"]], False]
    (row,) = unpack(zlib.compress(json.dumps([old]).encode()))
    assert row[4] == '{"a": "1"}'
    assert row[9:] == [False, {}]
