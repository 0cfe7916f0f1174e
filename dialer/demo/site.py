"""The demo's site as files: settings, campaign, CRM endpoint and list, as any site has them."""

from __future__ import annotations

import json
import secrets as random_secrets
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from crm_bridge import signing
from dialer.campaigns.strategy.load import load_strategy
from dialer.demo.sample import write_accounts
from dialer.server.credentials import hash_password

CAMPAIGN = "spring"
GUEST = "guest"  # an agent for whoever watches: log in, go ready, take calls
TRUNK = "carrier"
CALLER_ID = "+12025550100"  # of the block kept for fiction
LINES_PER_AGENT, LINES_EXTRA = 12, 20
ORIGINATES_PER_S = 50.0
# How often simulated agents choose which code, for a person; a machine's code is for machines.
WEIGHTS = {
    "promise": 30.0,
    "refused": 25.0,
    "callback": 20.0,
    "wrong_time": 15.0,
    "wrong_number": 8.0,
    "do_not_call": 2.0,
}


@dataclass(frozen=True, slots=True)
class Secrets:
    """Made anew for every demo. `passwords` by simulated agent; `guest` is the watcher's own."""

    cmd: str = field(repr=False)
    evt: str = field(repr=False)
    webhook: str = field(repr=False)
    viewer: str = field(repr=False)
    supervisor: str = field(repr=False)
    guest: str = field(repr=False)
    passwords: dict[str, str] = field(repr=False)

    @classmethod
    def made(cls, agents: int) -> Secrets:
        def token() -> str:
            return random_secrets.token_urlsafe(24)

        names = [f"agent{n:03d}" for n in range(1, agents + 1)]
        passwords = {name: token() for name in names}
        typed = random_secrets.token_hex(3)  # somebody has to type it, on loopback
        return cls(token(), token(), signing.new_secret(), token(), token(), typed, passwords)


def write_site(
    directory: Path,
    secrets: Secrets,
    *,
    agents: int,
    leads: int,
    seed: int,
    ami_port: int,
    web_port: int,
    crm_url: str,
    today: date,
    strategy: Path | None = None,
) -> Path:
    """Write all files of the site into `directory` (no `leads`, no list); its settings' path."""
    if leads:
        write_accounts(directory / "accounts.csv", leads, seed, today)
    campaign = _CAMPAIGN
    if strategy is not None:
        # A copy: what is changed on the page must not change somebody's own file.
        (directory / strategy.name).write_bytes(strategy.read_bytes())
        campaign += f"\nstrategy: {json.dumps(strategy.name)}\n{_queues(strategy)}"
    (directory / "campaign.yaml").write_text(campaign, encoding="utf-8")
    (directory / "script.md").write_text(_SCRIPT, encoding="utf-8")
    (directory / "knowledge").mkdir(exist_ok=True)
    (directory / "knowledge" / "payments.md").write_text(_PAYMENTS, encoding="utf-8")
    _write(directory / "crm.yaml", _crm(crm_url, secrets.webhook))
    return _write(
        directory / "dialer.yaml",
        {
            "database": f"sqlite:///{directory / 'overdial.db'}",
            "zone": "America/New_York",
            "web": {
                "port": web_port,
                "supervisors": {"demo": secrets.supervisor},
                "viewers": {"demo": secrets.viewer},
            },
            "pbxes": [
                {
                    "name": "main",
                    "port": ami_port,
                    "cmd_secret": secrets.cmd,
                    "evt_secret": secrets.evt,
                    "trunks": [
                        {
                            "name": TRUNK,
                            "channels_max": LINES_PER_AGENT * agents + LINES_EXTRA,
                            "originates_per_s": ORIGINATES_PER_S,
                        }
                    ],
                }
            ],
            "campaigns": ["campaign.yaml"],
            "crm": "crm.yaml",
            "trace": "pacing.jsonl",
            "agents": [
                {
                    "name": name,
                    "title": f"Agent {number}",
                    "phone": f"phone{number:03d}",
                    "password_hash": hash_password(password, cheap=True),
                    "campaigns": [CAMPAIGN],
                }
                for number, (name, password) in enumerate(
                    [*secrets.passwords.items(), (GUEST, secrets.guest)], start=1
                )
            ],
        },
    )


_CAMPAIGN = f"""\
name: {CAMPAIGN}
title: Spring collections
purpose: collections
trunk: {TRUNK}
caller_id: "{CALLER_ID}"
default_region: US
mode: predictive
abandon_limit: 0.03
amd: true
wrap_up_limit_s: 120

# The demo plays at any hour of the day, because nobody on its list exists. A real campaign keeps
# to the hours of the law where the called party lives: leave this out and it is 08:00 to 20:00.
calling_window:
  - {{days: mon-sun, from: "00:00", to: "24:00"}}
compliance:
  override: {{by: dialer demo, because: nobody on the list exists and no call leaves this machine}}

# Sooner again than any real campaign would call, so that an hour shows it.
retry:
  no_answer: {{after: 20m, max: 3}}
  busy: {{after: 10m, max: 3}}
  machine: {{after: 30m, max: 2}}

screen:
  masked: [balance]
  verify:
    identifiers: [{{field: born, label: Date of birth}}, {{field: state, label: State}}]
    need: 2
  script: script.md
  knowledge: knowledge

dispositions:
  - {{code: promise, label: Promise to pay, requires: [amount, due_on], emits: promise,
     hot_key: "1"}}
  - {{code: callback, label: Call back, next: callback, requires: [callback_at], hot_key: "2"}}
  - {{code: refused, label: Refuses to pay, hot_key: "3"}}
  - {{code: wrong_time, label: Bad moment, category: no_contact, next: retry, after: 2h}}
  - {{code: wrong_number, label: Wrong number, category: wrong_party, next: do_not_call}}
  - {{code: machine, label: Answering machine, category: no_contact, next: retry, after: 2h}}
  - {{code: do_not_call, label: Do not call, next: do_not_call, hot_key: "9", confirm: true}}
"""


_SCRIPT = """\
## Greeting {required}

Good day, my name is {{ agent }}. Am I speaking with **{{ name }}**?

## Who is it {required} {verify}

Ask for the date of birth and the state. *Never read them out.*

## Why we call {required}

This is an attempt to collect a debt, and any information will be used for that purpose. It is about
your {{ product }}: {{ balance }}, due since {{ due_date }}.

## Agree on something

1. Can it be paid today? See the page *Ways to pay*.
2. Not today: a day and an amount that will be kept. Repeat both.
"""

_PAYMENTS = """\
# Ways to pay

| Way | How long it takes | What the customer needs |
|---|---|---|
| Bank transfer | one to two days | the account's number as reference |
| Card by phone | at once | **pause the recording** before any digit is said |
| Portal | at once | the letter with the access code |
"""


def _queues(strategy: Path) -> str:
    """The queues a strategy names, as the campaign has them. Raises `FileError`."""
    steps = [step for one in load_strategy(strategy).file.treatments.values() for step in one.steps]
    names = sorted({step.queue for step in steps if step.queue is not None})
    return "queues:\n" + "".join(f"  - {{name: {name}}}\n" for name in names) if names else ""


def _crm(url: str, secret: str) -> dict[str, Any]:
    return {
        "instance": "demo",
        "endpoints": [
            {"name": "crm", "url": url, "secrets": [secret], "allow_networks": ["127.0.0.0/8"]}
        ],
    }


def _write(path: Path, content: dict[str, Any]) -> Path:
    """As YAML, readable by this user alone: some of it is secret."""
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path
