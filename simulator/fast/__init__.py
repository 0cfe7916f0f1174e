"""The fast fidelity: pacer and floor only, compiled, for sweeps over many days."""

from simulator.fast.run import DayResult, run_day, run_days

__all__ = ["DayResult", "run_day", "run_days"]
