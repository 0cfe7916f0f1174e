"""The tables, as SQLAlchemy Core sees them. The migrations make them; a test compares the two.

Moments are UTC milliseconds since the epoch (`..._ms`): integers compare, index and travel alike on
SQLite and PostgreSQL. What must never be is refused here and not only in code: partial unique
indexes (one open attempt per lead and per number, one open session per agent), CHECKs, foreign
keys, and the triggers of the first migration (an attempt is closed once and never reopened; its
every step is written to `attempt_history` by the database itself).
"""

from __future__ import annotations

from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from crm_bridge.tables import metadata as outbox_metadata
from dialer.campaigns.lead import PRIORITY_MAX
from dialer.core.commands import Progress
from dialer.core.modes import PreviewEnd
from dialer.core.outcomes import Outcome

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)
all_metadata = [metadata, outbox_metadata]

# SQLite numbers rows by itself only in a column declared INTEGER.
BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Json = sa.JSON().with_variant(JSONB(), "postgresql")
Moment = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # UTC, ms


class LeadState(StrEnum):
    """Where a lead is with us."""

    WAITING = "waiting"  # may be called from `next_at_ms` on
    CLAIMED = "claimed"  # in the hopper of the process `claimed_by`
    DIALLING = "dialling"  # has an open attempt
    HELD = "held"  # not called by itself; `why` says what is missing
    DONE = "done"  # not called any more; `why` says why


# Neither waiting nor done: few, unless a list came without zones. As the index says it.
LEADS_APART = "state IN ('claimed', 'dialling', 'held')"


# How a lead's `why` begins: who holds it, or is done with it.
STOPPED = "crm: "
RESTED = "strategy: "


class StopKind(StrEnum):
    """Why the CRM wants no calls, the weightiest first."""

    CEASE = "cease"  # the person wants no communication, ever
    PAID = "paid"  # nothing is owed any more
    DISPUTE = "dispute"  # until it is resolved
    PAYMENT = "payment"  # something was paid: until the CRM asks for a call


class Phase(StrEnum):
    """Where a lead is in its strategy."""

    EXCLUDED = "excluded"  # before any segment, or out of all of them
    WAITING = "waiting"  # the step begins at `due_ms`
    VOICE = "voice"  # is being called; at `due_ms` the step is over, whatever came of it
    TALKED = "talked"  # somebody was connected: the agent's word is awaited until `due_ms`
    TASK = "task"  # somebody has something to do, until `due_ms`
    HELD = "held"  # by a trigger: until `due_ms`, or until an event
    ENDED = "ended"


class CallbackState(StrEnum):
    OPEN = "open"
    KEPT = "kept"  # called, and somebody answered
    TRIED = "tried"  # called, and nobody did
    DROPPED = "dropped"  # the lead was stopped, or another word came in between


class PromiseState(StrEnum):
    ACTIVE = "active"
    KEPT = "kept"
    BROKEN = "broken"
    REPLACED = "replaced"  # by another promise


class ListState(StrEnum):
    IMPORTING = "importing"  # not all of its rows are leads yet; `list_history` says how far it is
    READY = "ready"


class ListStep(StrEnum):
    """What happens to a list, as `list_history` tells it."""

    COMMITTED = "committed"  # all was read: from here on it becomes leads, whatever breaks
    SETTLED = "settled"  # all of it are leads
    UNDONE = "undone"  # its leads were taken out again
    UNDONE_PARTLY = "undone_partly"  # those that had not been called


def _one_of(column: str, values: type[StrEnum], name: str) -> sa.CheckConstraint:
    allowed = ", ".join(f"'{value.value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({allowed})", name=name)


def _partial(name: str, *columns: str, where: str, unique: bool = False) -> sa.Index:
    condition = sa.text(where)
    return sa.Index(
        name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition
    )


owners = sa.Table(
    "owners",
    metadata,
    sa.Column("boot", sa.Text, primary_key=True),  # one life of one dialer process
    sa.Column("node", sa.Text, nullable=False),  # its place: a new life there ends the former
    sa.Column("started_ms", Moment, nullable=False),
    sa.Column("ended_ms", Moment),
    sa.Index("ix_owners_node", "node"),
)

campaigns = sa.Table(
    "campaigns",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("definition", Json, nullable=False),  # as loaded last
    sa.Column("created_ms", Moment, nullable=False),
    sa.Column("started_ms", Moment),  # its first attempt: the law's blocks are counted from here
)

# The offers a campaign was ever loaded with: who calls, and what for (`dialer.store.kinship`).
campaign_offers = sa.Table(
    "campaign_offers",
    metadata,
    sa.Column("campaign_id", BigId, sa.ForeignKey("campaigns.id"), primary_key=True),
    sa.Column("offer", sa.Text, primary_key=True),
)

# What each campaign's pacer learned, so that a restart does not begin at nothing.
pacer_states = sa.Table(
    "pacer_states",
    metadata,
    sa.Column(
        "campaign_id",
        BigId,
        sa.ForeignKey("campaigns.id"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("pacer", sa.Text, nullable=False),
    sa.Column("state", Json, nullable=False),
    sa.Column("saved_ms", Moment, nullable=False),
)

lists = sa.Table(
    "lists",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("campaign_id", BigId, sa.ForeignKey("campaigns.id"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),  # the file's name
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("imported_ms", Moment, nullable=False),
    sa.Column("accepted", sa.Integer, nullable=False, default=0),
    sa.Column("rejected", sa.Integer, nullable=False, default=0),
    _one_of("state", ListState, "state"),
    sa.Index("ix_lists_campaign_id", "campaign_id"),
)

zones = sa.Table(
    "zones",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    # Every zone the lead may be in, sorted, joined by a space: all their windows must be open.
    sa.Column("names", sa.Text, nullable=False, unique=True),
)

# What an import has read and checked so far, packed some thousand rows to a piece, in the order of
# the file. Made leads piece by piece after the last one came, or dropped whole.
import_chunks = sa.Table(
    "import_chunks",
    metadata,
    sa.Column("list_id", BigId, sa.ForeignKey("lists.id"), primary_key=True, autoincrement=False),
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

# What became of each list, and who saw to it. Triggers refuse to change or delete a row.
list_history = sa.Table(
    "list_history",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("list_id", BigId, nullable=False),
    sa.Column("at_ms", Moment, nullable=False),
    sa.Column("step", sa.Text, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("detail", Json, nullable=False),
    _one_of("step", ListStep, "step"),
    sa.Index("ix_list_history_list_id", "list_id", "id"),
)

# How the columns of a source's files were mapped last: target or "field" by header.
list_mappings = sa.Table(
    "list_mappings",
    metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("mapping", Json, nullable=False),
    sa.Column("saved_ms", Moment, nullable=False),
)

# How a lead goes: the few kinds of ways there are, told once each. What is empty is as its queue or
# its campaign says. Lane 1 is the plain one.
lanes = sa.Table(
    "lanes",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("mode", sa.Text, nullable=False),  # a Mode: no more automatic than this
    sa.Column("queue", sa.Text, nullable=False),
    sa.Column("skills", sa.Text, nullable=False),  # sorted, joined by a space: all are needed
    sa.Column("agent", sa.Text, nullable=False),  # for this one alone
    sa.Column("callback", sa.Boolean, nullable=False),  # before all others when it is due
    sa.Column("by_hand", sa.Boolean, nullable=False),  # this phone is not dialled automatically
    sa.UniqueConstraint("mode", "queue", "skills", "agent", "callback", "by_hand"),
)

leads = sa.Table(
    "leads",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("campaign_id", BigId, sa.ForeignKey("campaigns.id"), nullable=False),
    sa.Column("list_id", BigId, sa.ForeignKey("lists.id"), nullable=False),
    sa.Column("line", sa.Integer, nullable=False),  # where in the file it stood
    sa.Column("external_id", sa.Text),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("zone_id", BigId, sa.ForeignKey("zones.id"), nullable=False),
    sa.Column("fields", Json, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False, default=""),
    sa.Column("priority", sa.SmallInteger, nullable=False, default=0),
    sa.Column("next_at_ms", Moment, nullable=False),
    sa.Column("position", sa.SmallInteger, nullable=False, default=0),  # of the phone to call next
    sa.Column("attempts", sa.Integer, nullable=False, default=0),  # all, also those of no account
    sa.Column("claimed_by", sa.Text),
    sa.Column("lane_id", BigId, nullable=False, server_default="1"),
    _one_of("state", LeadState, "state"),
    sa.CheckConstraint(f"priority BETWEEN 0 AND {PRIORITY_MAX}", name="priority"),
    sa.CheckConstraint("(claimed_by IS NOT NULL) = (state = 'claimed')", name="claim"),
    sa.UniqueConstraint("list_id", "line"),
    sa.UniqueConstraint("campaign_id", "external_id"),
    _partial(
        "ix_leads_waiting",
        "campaign_id",
        "lane_id",
        "zone_id",
        "priority",
        "next_at_ms",
        where="state = 'waiting'",
    ),
    _partial("ix_leads_apart", "campaign_id", "state", where=LEADS_APART),
    # One account in many campaigns: the law's caps count across them.
    _partial("ix_leads_external_id", "external_id", where="external_id IS NOT NULL"),
)

phones = sa.Table(
    "phones",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("lead_id", BigId, sa.ForeignKey("leads.id"), nullable=False),
    sa.Column("campaign_id", BigId, sa.ForeignKey("campaigns.id"), nullable=False),
    sa.Column("phone", sa.Text, nullable=False),  # E.164
    sa.Column("position", sa.SmallInteger, nullable=False),
    sa.Column("label", sa.Text, nullable=False, default=""),
    sa.Column("bad", sa.Boolean, nullable=False, default=False),  # the network said: no such number
    # May be dialled without a person deciding on the very call, as far as consent goes.
    sa.Column("automatic", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.CheckConstraint("phone LIKE '+%'", name="e164"),
    sa.UniqueConstraint("lead_id", "position"),
    sa.UniqueConstraint("campaign_id", "phone"),  # nobody is called twice by one campaign
)

# What is known of consent to automated calls to a number, as it was told last.
consents = sa.Table(
    "consents",
    metadata,
    sa.Column("campaign_id", BigId, sa.ForeignKey("campaigns.id"), primary_key=True),
    sa.Column("phone", sa.Text, primary_key=True),
    sa.Column("given", sa.Boolean, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),  # given, written, express, none, revoked
    sa.Column("given_on", sa.Text, nullable=False),  # a day, or empty
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("until_ms", Moment),  # from then on it holds no more
    sa.Column("told_ms", Moment, nullable=False),
    _partial("ix_consents_until", "until_ms", where="until_ms IS NOT NULL"),
)

# Whose debt it is, where a list names the person apart from the account.
lead_persons = sa.Table(
    "lead_persons",
    metadata,
    sa.Column(
        "lead_id",
        BigId,
        sa.ForeignKey("leads.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("campaign_id", BigId, sa.ForeignKey("campaigns.id"), nullable=False),
    sa.Column("person", sa.Text, nullable=False),
    sa.Index("ix_lead_persons_person", "person", "campaign_id"),
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),  # the leg
    sa.Column("campaign_id", BigId, sa.ForeignKey("campaigns.id"), nullable=False),
    sa.Column("lead_id", BigId, sa.ForeignKey("leads.id"), nullable=False),
    sa.Column("phone_id", BigId, sa.ForeignKey("phones.id"), nullable=False),
    sa.Column("phone", sa.Text, nullable=False),  # as dialled: it stays when the lead is changed
    sa.Column("attempt_no", sa.Integer, nullable=False),
    sa.Column("pbx", sa.Text, nullable=False),
    sa.Column("boot", sa.Text, nullable=False),  # who answers for it while it is open
    sa.Column("opened_ms", Moment, nullable=False),
    sa.Column("stage", sa.Text),  # the last Progress; null: recorded, nothing heard yet
    sa.Column("stage_ms", Moment, nullable=False),
    sa.Column("agent", sa.Text, nullable=False, default=""),
    sa.Column("outcome", sa.Text),  # null while open
    sa.Column("closed_ms", Moment),
    sa.Column("unserved", sa.Boolean, nullable=False, default=False),
    sa.Column("cause", sa.Integer),
    sa.Column("tech_cause", sa.Integer),
    sa.Column("amd", sa.Text, nullable=False, default=""),
    sa.Column("hung_up_by", sa.Text, nullable=False, default=""),
    sa.Column("originated_ms", Moment),
    sa.Column("ringing_ms", Moment),
    sa.Column("answered_ms", Moment),
    sa.Column("live_ms", Moment),
    sa.Column("connected_ms", Moment),
    sa.Column("harbour_ms", Moment),
    sa.Column("ended_ms", Moment),
    sa.Column("mode", sa.Text, nullable=False, server_default=""),  # a Mode
    sa.Column("booked_for", sa.Text, nullable=False, server_default=""),  # the agent it is made for
    # Of a call by hand: the state its lead goes back to, unless the agent's word says otherwise.
    sa.Column("lead_was", sa.Text),
    _one_of("stage", Progress, "stage"),
    _one_of("outcome", Outcome, "outcome"),
    sa.CheckConstraint("(outcome IS NULL) = (closed_ms IS NULL)", name="closed"),
    _partial("ux_attempts_open_lead", "lead_id", where="outcome IS NULL", unique=True),
    _partial("ux_attempts_open_phone", "phone", where="outcome IS NULL", unique=True),
    sa.Index("ix_attempts_lead_id", "lead_id", "outcome"),
    sa.Index("ix_attempts_campaign_id_opened_ms", "campaign_id", "opened_ms"),
    sa.Index("ix_attempts_phone_opened_ms", "phone", "opened_ms"),
)

# Written by triggers on `attempts` alone. `step` is a Progress, 'recorded' or 'closed'.
attempt_history = sa.Table(
    "attempt_history",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("attempt_id", sa.Text, sa.ForeignKey("attempts.id"), nullable=False),
    sa.Column("at_ms", Moment, nullable=False),
    sa.Column("step", sa.Text, nullable=False),
    sa.Column("agent", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text),
    sa.Index("ix_attempt_history_attempt_id", "attempt_id"),
)

# Every word of an agent on a call, corrections included: the last one holds.
dispositions = sa.Table(
    "dispositions",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("attempt_id", sa.Text, sa.ForeignKey("attempts.id"), nullable=False),
    sa.Column("agent", sa.Text, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("category", sa.Text, nullable=False),
    sa.Column("callback_ms", Moment),
    sa.Column("note", sa.Text, nullable=False, default=""),
    sa.Column("set_ms", Moment, nullable=False),
    sa.Column("amount", sa.Text, nullable=False, server_default=""),  # of a promise: 120.50
    sa.Column("due_on", sa.Text, nullable=False, server_default=""),  # of a promise, ISO 8601
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    # What the call counts as for the caps: of attempt, contact, conversation, joined by a space.
    # Null: as the outcome and the category say.
    sa.Column("counts", sa.Text),
    sa.Index("ix_dispositions_attempt_id", "attempt_id"),
)

# Calls agreed on. The lead goes in a lane of callbacks meanwhile, and back to `lane_id` after.
callbacks = sa.Table(
    "callbacks",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("campaign_id", BigId, sa.ForeignKey("campaigns.id"), nullable=False),
    sa.Column("lead_id", BigId, sa.ForeignKey("leads.id", ondelete="CASCADE"), nullable=False),
    sa.Column("attempt_id", sa.Text, nullable=False),  # in which it was agreed
    sa.Column("agent", sa.Text, nullable=False),  # who calls; empty: anyone
    sa.Column("due_ms", Moment, nullable=False),
    sa.Column("anyone_ms", Moment),  # from then on anyone calls, whoever promised it
    sa.Column("lane_id", BigId, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("made_ms", Moment, nullable=False),
    sa.Column("closed_ms", Moment),
    _one_of("state", CallbackState, "state"),
    _partial("ux_callbacks_open", "lead_id", where="state = 'open'", unique=True),
    _partial("ix_callbacks_due", "campaign_id", "due_ms", where="state = 'open'"),
    _partial("ix_callbacks_anyone", "anyone_ms", where="state = 'open' AND anyone_ms IS NOT NULL"),
)

# Promises to pay. `due_ms` is when it is broken: the end of its day there, and the grace.
promises = sa.Table(
    "promises",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("campaign_id", BigId, sa.ForeignKey("campaigns.id"), nullable=False),
    sa.Column("lead_id", BigId, sa.ForeignKey("leads.id", ondelete="CASCADE"), nullable=False),
    sa.Column("attempt_id", sa.Text, nullable=False),
    sa.Column("agent", sa.Text, nullable=False),
    sa.Column("amount", sa.Text, nullable=False),
    sa.Column("due_on", sa.Text, nullable=False),
    sa.Column("due_ms", Moment, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("made_ms", Moment, nullable=False),
    sa.Column("closed_ms", Moment),
    # The share of the amount, in per cent, with which it counts as kept.
    sa.Column("kept_pct", sa.Float, nullable=False, server_default="95"),
    _one_of("state", PromiseState, "state"),
    _partial("ux_promises_active", "lead_id", where="state = 'active'", unique=True),
    _partial("ix_promises_due", "due_ms", where="state = 'active'"),
    sa.Index("ix_promises_campaign_id_made_ms", "campaign_id", "made_ms"),
)

# Leads shown to agents, and what they made of them.
previews = sa.Table(
    "previews",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("campaign_id", BigId, sa.ForeignKey("campaigns.id"), nullable=False),
    sa.Column("lead_id", BigId, sa.ForeignKey("leads.id", ondelete="CASCADE"), nullable=False),
    sa.Column("agent", sa.Text, nullable=False),
    sa.Column("ended", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at_ms", Moment, nullable=False),
    _one_of("ended", PreviewEnd, "ended"),
    sa.Index("ix_previews_lead_id", "lead_id"),
)

# How often somebody answers, by the hour of the day where the lead lives: when to call the others.
answer_hours = sa.Table(
    "answer_hours",
    metadata,
    sa.Column("campaign_id", BigId, sa.ForeignKey("campaigns.id"), primary_key=True),
    sa.Column("hour", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("calls", BigId, nullable=False),
    sa.Column("live", BigId, nullable=False),
)

agent_sessions = sa.Table(
    "agent_sessions",
    metadata,
    sa.Column("leg", sa.Text, primary_key=True),
    sa.Column("agent", sa.Text, nullable=False),
    sa.Column("pbx", sa.Text, nullable=False),
    sa.Column("phone", sa.Text, nullable=False),  # the endpoint's name
    sa.Column("campaigns", Json, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False, default=""),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("boot", sa.Text, nullable=False),
    sa.Column("opened_ms", Moment, nullable=False),
    sa.Column("changed_ms", Moment, nullable=False),
    sa.Column("closed_ms", Moment),
    _partial("ux_agent_sessions_open", "agent", where="closed_ms IS NULL", unique=True),
)

# Written by triggers on `agent_sessions` alone: for staffed time, utilisation, breaks by reason.
session_history = sa.Table(
    "session_history",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("leg", sa.Text, sa.ForeignKey("agent_sessions.leg"), nullable=False),
    sa.Column("at_ms", Moment, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Index("ix_session_history_leg", "leg"),
)

# Live answers and abandons by the minute in which the person was live.
abandon_account = sa.Table(
    "abandon_account",
    metadata,
    sa.Column("campaign_id", BigId, sa.ForeignKey("campaigns.id"), primary_key=True),
    sa.Column("minute", sa.Integer, primary_key=True, autoincrement=False),  # since the epoch, UTC
    sa.Column("live", sa.Integer, nullable=False),
    sa.Column("abandoned", sa.Integer, nullable=False),
    sa.CheckConstraint("0 <= abandoned AND abandoned <= live", name="share"),
)

# Ended attempts by outcome, kept as we go: the attempts table may hold millions.
outcome_counts = sa.Table(
    "outcome_counts",
    metadata,
    sa.Column("campaign_id", BigId, sa.ForeignKey("campaigns.id"), primary_key=True),
    sa.Column("outcome", sa.Text, primary_key=True),
    sa.Column("count", BigId, nullable=False),
)

# Which of the CRM's systems a lead came from, and how new our picture of it is.
lead_refs = sa.Table(
    "lead_refs",
    metadata,
    sa.Column("campaign_id", BigId, sa.ForeignKey("campaigns.id"), primary_key=True),
    sa.Column("external_id", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("version", BigId),  # the source's own; null while it gives none
)

# What the CRM said against calling an account: kept by the CRM's id, so that it holds for a lead
# that comes after it, too.
lead_stops = sa.Table(
    "lead_stops",
    metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("external_id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("reference", sa.Text, primary_key=True),
    sa.Column("version", BigId),
    sa.Column("lifted", sa.Boolean, nullable=False),
    sa.Column("at_ms", Moment, nullable=False),
    _one_of("kind", StopKind, "kind"),
)

# Payments the CRM told, with their amount: what promises are compared with.
payments = sa.Table(
    "payments",
    metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("external_id", sa.Text, primary_key=True),
    sa.Column("reference", sa.Text, primary_key=True),
    sa.Column("amount", sa.Text, nullable=False),
    sa.Column("paid_on", sa.Text, nullable=False),
    sa.Column("told_ms", Moment, nullable=False),
)

# Answers given to requests with an Idempotency-Key, to be given again.
idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("token", sa.Text, primary_key=True),  # the configured name, not the token
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),  # of method, path and body
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("at_ms", Moment, nullable=False),
    sa.Index("ix_idempotency_keys_at_ms", "at_ms"),
)

# Numbers nobody may call.
suppression = sa.Table(
    "suppression",
    metadata,
    sa.Column("phone", sa.Text, primary_key=True),  # E.164
    sa.Column("source", sa.Text, nullable=False),  # agent, customer, crm, list
    sa.Column("campaign", sa.Text, nullable=False, default=""),  # where it was said
    sa.Column("added_ms", Moment, nullable=False),
    sa.CheckConstraint("phone LIKE '+%'", name="e164"),
)

# Numbers of people who were erased: nobody may call them, and nobody can read them here. The HMAC
# of the number with the site's key.
erased_numbers = sa.Table(
    "erased_numbers",
    metadata,
    sa.Column("hash", sa.Text, primary_key=True),  # 64 hexadecimal digits
    sa.Column("added_ms", Moment, nullable=False),
)

# The site's keys by their fingerprints; `secret` is null where it is kept outside of the database.
site_keys = sa.Table(
    "site_keys",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("secret", sa.Text),
    sa.Column("made_ms", Moment, nullable=False),
)

# --- the compliance gate ------------------------------------------------------------------------

# The very rules a decision was made by: `body` is the packs as they were read.
rule_sets = sa.Table(
    "rule_sets",
    metadata,
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("body", Json, nullable=False),
    sa.Column("since_ms", Moment, nullable=False),
)

# Every no, and every yes that somebody's override made of one. Triggers refuse to change or delete
# a row. Holds no personal data: a person erased is an id nobody knows.
decision_log = sa.Table(
    "decision_log",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("at_ms", Moment, nullable=False),
    sa.Column("campaign_id", BigId, sa.ForeignKey("campaigns.id"), nullable=False),
    sa.Column("lead_id", BigId, nullable=False),
    sa.Column("phone_id", BigId, nullable=False),
    sa.Column("attempt", sa.Text, nullable=False),  # empty before there is one
    sa.Column("stage", sa.Text, nullable=False),  # claim, attempt, originate
    sa.Column("verdict", sa.Text, nullable=False),  # deny, override
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("retry_ms", Moment),
    sa.Column("version", sa.Text, sa.ForeignKey("rule_sets.version"), nullable=False),
    sa.Column("inputs", sa.Text, nullable=False),  # hash of what the gate was asked with
    sa.CheckConstraint("verdict IN ('deny', 'override')", name="verdict"),
    sa.Index("ix_decision_log_lead_id", "lead_id", "id"),
    sa.Index("ix_decision_log_campaign_id_at_ms", "campaign_id", "at_ms"),
)

# Every verdict, counted by the hour: what was allowed stands here and in `attempts`.
decision_counts = sa.Table(
    "decision_counts",
    metadata,
    sa.Column("campaign_id", BigId, sa.ForeignKey("campaigns.id"), primary_key=True),
    sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),  # since the epoch, UTC
    sa.Column("stage", sa.Text, primary_key=True),
    sa.Column("verdict", sa.Text, primary_key=True),  # allow, override, or the denying rule
    sa.Column("version", sa.Text, sa.ForeignKey("rule_sets.version"), primary_key=True),
    sa.Column("count", BigId, nullable=False),
)

# Do-not-call lists of regulators, as they were loaded last.
dnc_lists = sa.Table(
    "dnc_lists",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("fetched_ms", Moment, nullable=False),  # when the regulator gave it out
    sa.Column("numbers", BigId, nullable=False),
    sa.Column("source", sa.Text, nullable=False),  # the file's name
)
dnc_numbers = sa.Table(
    "dnc_numbers",
    metadata,
    sa.Column("phone", sa.Text, primary_key=True),  # E.164
    sa.Column("list", sa.Text, sa.ForeignKey("dnc_lists.name"), primary_key=True),
    sa.CheckConstraint("phone LIKE '+%'", name="e164"),
)

# --- strategies ---------------------------------------------------------------------------------

# Every strategy a campaign ever had: a lead keeps the one it was placed by.
strategies = sa.Table(
    "strategies",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("campaign_id", BigId, sa.ForeignKey("campaigns.id"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),  # digest of `body`
    sa.Column("body", Json, nullable=False),
    sa.Column("since_ms", Moment, nullable=False),
    sa.UniqueConstraint("campaign_id", "version"),
)

# Where each lead is in its strategy: one row, so one step at most is open.
lead_steps = sa.Table(
    "lead_steps",
    metadata,
    sa.Column(
        "lead_id",
        BigId,
        sa.ForeignKey("leads.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("campaign_id", BigId, sa.ForeignKey("campaigns.id"), nullable=False),
    sa.Column("strategy_id", BigId, sa.ForeignKey("strategies.id"), nullable=False),
    sa.Column("phase", sa.Text, nullable=False),
    sa.Column("segment", sa.Text, nullable=False),  # empty: excluded, or no segment matched
    sa.Column("arm", sa.Text, nullable=False),  # champion, a challenger's id, or empty
    sa.Column("treatment", sa.Text, nullable=False),
    sa.Column("step", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),  # excluded, held or ended: for people
    sa.Column("begun_ms", Moment, nullable=False),  # of the treatment
    sa.Column("entered_ms", Moment, nullable=False),  # of the step
    sa.Column("due_ms", Moment),
    sa.Column("attempts", sa.Integer, nullable=False),  # in the treatment, that count
    sa.Column("tries", sa.Integer, nullable=False),  # in the step
    sa.Column("round", sa.Integer, nullable=False),  # through all numbers, from 1
    sa.Column("boost", sa.SmallInteger, nullable=False),  # levels of priority that events added
    sa.Column("inputs", Json, nullable=False),  # as the strategy's types read the list's columns
    _one_of("phase", Phase, "phase"),
    _partial("ix_lead_steps_due", "due_ms", where="due_ms IS NOT NULL"),
    sa.Index("ix_lead_steps_campaign_id", "campaign_id", "strategy_id", "segment", "arm"),
)

# Every move of a lead in its strategy.
lead_step_log = sa.Table(
    "lead_step_log",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("lead_id", BigId, nullable=False),
    sa.Column("at_ms", Moment, nullable=False),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("phase", sa.Text, nullable=False),
    sa.Column("treatment", sa.Text, nullable=False),
    sa.Column("step", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Index("ix_lead_step_log_lead_id", "lead_id", "id"),
)

# What a strategy gives people to do.
strategy_tasks = sa.Table(
    "strategy_tasks",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("campaign_id", BigId, sa.ForeignKey("campaigns.id"), nullable=False),
    sa.Column("lead_id", BigId, sa.ForeignKey("leads.id", ondelete="CASCADE"), nullable=False),
    sa.Column("treatment", sa.Text, nullable=False),
    sa.Column("step", sa.Text, nullable=False),
    sa.Column("queue", sa.Text, nullable=False),
    sa.Column("opened_ms", Moment, nullable=False),
    sa.Column("due_ms", Moment, nullable=False),
    sa.Column("closed_ms", Moment),
    sa.Column("why", sa.Text, nullable=False),  # how it was closed; empty while it is open
    _partial("ux_strategy_tasks_open", "lead_id", where="closed_ms IS NULL", unique=True),
    _partial(
        "ix_strategy_tasks_queue", "campaign_id", "queue", "due_ms", where="closed_ms IS NULL"
    ),
)
