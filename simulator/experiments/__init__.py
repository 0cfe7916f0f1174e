"""Experiments for telephony engineers: run, compare, sweep, tune, fit, replay, what-if, report."""
