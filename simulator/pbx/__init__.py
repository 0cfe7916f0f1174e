"""A PBX that is not there: an AMI server that serves Asterisk 22's actions and events."""

from simulator.pbx.faults import Faults, Point
from simulator.pbx.party import BEHAVIOURS, Answer, CalledParty, Directory, Scripted, Verdict
from simulator.pbx.server import AmiServer
from simulator.pbx.users import User, contract_users

__all__ = [
    "BEHAVIOURS",
    "AmiServer",
    "Answer",
    "CalledParty",
    "Directory",
    "Faults",
    "Point",
    "Scripted",
    "User",
    "Verdict",
    "contract_users",
]
