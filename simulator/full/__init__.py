"""Full fidelity: the shipping core, pacing, campaigns and store, in virtual time.

The same facts reach `dialer.core.floor.Floor` as in production and its commands are carried out:
the PBX is played by `exchange` out of the world, the agents by `crew`, the tables are the dialer's
own on SQLite in memory. There is no socket, no AMI text and no event loop in between.
"""
