"""Compiles what tests run as machine code, so that no two of their processes do it at once."""

from __future__ import annotations

from dialer.pacing.forward import warm_up
from simulator.fast import run_day
from simulator.scenario import base_world

if __name__ == "__main__":
    warm_up()
    run_day(base_world(2, 60.0), 1)
