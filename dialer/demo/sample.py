"""A sample list of accounts. Nobody in it exists: the numbers are of the block 555-0100 to
555-0199 that the North American numbering plan keeps for fiction, the names are made of lists.
"""

from __future__ import annotations

import csv
import random
from datetime import date, timedelta
from pathlib import Path

COLUMNS = ("account", "name", "phone", "state", "balance", "due_date", "product", "born")

# Area codes and their states: four time zones of the United States.
AREAS = (
    *(("212", "NY"), ("404", "GA"), ("215", "PA"), ("617", "MA"), ("305", "FL"), ("313", "MI")),
    *(("312", "IL"), ("713", "TX"), ("214", "TX"), ("504", "LA"), ("314", "MO"), ("612", "MN")),
    *(("303", "CO"), ("505", "NM"), ("801", "UT"), ("307", "WY"), ("406", "MT")),
    *(("213", "CA"), ("415", "CA"), ("206", "WA"), ("503", "OR"), ("702", "NV"), ("916", "CA")),
    *(("202", "DC"), ("410", "MD"), ("216", "OH"), ("502", "KY"), ("919", "NC"), ("615", "TN")),
)
PER_AREA = 100  # 555-0100 to 555-0199
ACCOUNTS_MAX = len(AREAS) * PER_AREA

_GIVEN = (
    *("Alma", "Bruno", "Clara", "Dario", "Edda", "Felix", "Greta", "Hugo", "Ines", "Jonas"),
    *("Karla", "Leon", "Mira", "Nils", "Olga", "Pablo", "Rita", "Sami", "Thea", "Vera"),
)
_FAMILY = (
    *("Ashdown", "Birkland", "Corvane", "Dunmoor", "Ellisfield", "Farrowby", "Glenhurst"),
    *("Hollins", "Ivarsen", "Jarrowell", "Kestrel", "Lindqvale", "Marlowe", "Northgate"),
    *("Oakhampton", "Pellworth", "Quillane", "Ravensby", "Stanmere", "Thornquist"),
)
_PRODUCTS = ("card", "personal loan", "car loan", "phone contract", "energy")


def write_accounts(path: Path, count: int, seed: int, today: date) -> None:
    """Write `count` accounts, each with a number of its own. ValueError above `ACCOUNTS_MAX`."""
    if not 0 < count <= ACCOUNTS_MAX:
        raise ValueError(f"a sample list has 1 to {ACCOUNTS_MAX} accounts, not {count}")
    rng, born = random.Random(f"accounts/{seed}"), random.Random(f"born/{seed}")
    places = [(area, state, line) for area, state in AREAS for line in range(PER_AREA)]
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(COLUMNS)
        for n, (area, state, line) in enumerate(rng.sample(places, count), start=1):
            out.writerow(
                (
                    f"ACC-{n:05d}",
                    f"{rng.choice(_GIVEN)} {rng.choice(_FAMILY)}",
                    f"({area}) 555-01{line:02d}",
                    state,
                    f"{rng.lognormvariate(5.8, 0.8):.2f}",
                    (today - timedelta(days=rng.randint(20, 180))).isoformat(),
                    rng.choice(_PRODUCTS),
                    (date(1950, 1, 1) + timedelta(days=born.randint(0, 18_000))).isoformat(),
                )
            )
