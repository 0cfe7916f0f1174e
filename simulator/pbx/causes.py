"""Causes as Asterisk 22 gives them: SIP status to Q.850, Q.850 to text, to DialStatus, and back.

The last two are where it misleads: DialEnd says NOANSWER for every cause it has no word for, and
a hangup from our side is given a SIP status that nobody ever sent. Both are imitated, because a
dialer that believes them must fail here too.
"""

from __future__ import annotations

_BY_SIP = {
    302: 23,
    401: 21,
    403: 21,
    404: 1,
    407: 21,
    408: 18,
    409: 41,
    410: 22,
    420: 3,
    480: 19,
    483: 19,
    484: 28,
    485: 1,
    486: 17,
    488: 58,
    500: 38,
    501: 29,
    502: 27,
    503: 34,
    504: 102,
    600: 17,
    603: 21,
    604: 1,
    606: 58,
}

_SYNTHETIC = {  # what a hangup by us with that cause is called in SIP; others get none
    1: 404,
    2: 404,
    3: 404,
    17: 486,
    18: 408,
    19: 480,
    20: 480,
    21: 403,
    22: 410,
    23: 302,
    27: 502,
    28: 484,
    29: 501,
    31: 480,
    34: 503,
    38: 500,
    42: 503,
    58: 488,
    66: 503,
    127: 500,
}

_TEXT = {
    0: "Unknown",
    1: "Unallocated (unassigned) number",
    3: "No route to destination",
    16: "Normal Clearing",
    17: "User busy",
    18: "No user responding",
    19: "User alerting, no answer",
    20: "Subscriber absent",
    21: "Call Rejected",
    22: "Number changed",
    23: "Redirected to new destination",
    26: "Answered elsewhere",
    27: "Destination out of order",
    28: "Invalid number format",
    29: "Facility rejected",
    31: "Normal, unspecified",
    34: "Circuit/channel congestion",
    38: "Network out of order",
    41: "Temporary failure",
    42: "Switching equipment congestion",
    44: "Requested channel not available",
    58: "Bearer capability not available",
    66: "Channel not implemented",
    102: "Recover on timer expiry",
    127: "Interworking, unspecified",
}


def cause_of_sip(status: int) -> int:
    """Q.850 cause of a final SIP status other than 2xx."""
    known = _BY_SIP.get(status)
    if known is not None:
        return known
    return 34 if 500 <= status < 600 else 127


def synthetic_sip(cause: int) -> int:
    """SIP status Asterisk gives a hangup of its own with this cause; 0: none."""
    return _SYNTHETIC.get(cause, 0)


def cause_text(cause: int) -> str:
    return _TEXT.get(cause, "Unknown")


def dial_status(cause: int) -> str:
    """DialStatus of a dial that ended with this cause: right for four of them, no more."""
    if cause == 17:
        return "BUSY"
    if cause == 34:
        return "CONGESTION"
    if cause in (3, 20):
        return "CHANUNAVAIL"
    return "NOANSWER"
