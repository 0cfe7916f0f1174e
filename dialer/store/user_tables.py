"""The tables of users, sessions, the audit log and supervisors' settings; see `schema`."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from dialer.store.schema import BigId, Json, Moment, metadata

OptionalJson = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

users = sa.Table(
    "users",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("roles", Json, nullable=False),
    sa.Column("campaigns", OptionalJson),  # null: all
    sa.Column("password", sa.Text, nullable=False),  # a hash; empty: none may be used
    sa.Column("one_time", sa.Boolean, nullable=False),  # the password must be changed
    sa.Column("totp", sa.Text, nullable=False),  # the secret, sealed; empty: no one-time codes
    sa.Column("totp_step", BigId, nullable=False),  # the last one used
    sa.Column("subject", sa.Text, unique=True),  # at the OpenID provider
    sa.Column("phone", sa.Text, nullable=False),
    sa.Column("pbx", sa.Text, nullable=False),
    sa.Column("break_reasons", Json, nullable=False),
    sa.Column("from_file", sa.Boolean, nullable=False),  # an agent of dialer.yaml
    sa.Column("file_hash", sa.Text, nullable=False),  # the password last taken from there
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),  # sessions of an older one are void
    sa.Column("created_ms", Moment, nullable=False),
    sa.Column("changed_ms", Moment, nullable=False),
)

# Open sessions by the digest of their token.
user_sessions = sa.Table(
    "user_sessions",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("user_id", BigId, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("opened_ms", Moment, nullable=False),
    sa.Column("seen_ms", Moment, nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),  # the user's, when it was opened
)

# Who did what. Triggers refuse to change or delete a row. Holds no personal data of customers.
audit_log = sa.Table(
    "audit_log",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("at_ms", Moment, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("object", sa.Text, nullable=False),
    sa.Column("detail", Json, nullable=False),
    sa.Index("ix_audit_log_who", "who", "id"),
    sa.Index("ix_audit_log_action", "action", "id"),
)

# What supervisors set beside the campaign's file; null: as the file says.
campaign_settings = sa.Table(
    "campaign_settings",
    metadata,
    sa.Column("campaign_id", BigId, sa.ForeignKey("campaigns.id"), primary_key=True),
    sa.Column("mode", sa.Text),
    sa.Column("abandon_limit", sa.Float),
    sa.Column("lines_max", sa.Integer),
    sa.Column("changed_by", sa.Text, nullable=False),
    sa.Column("changed_ms", Moment, nullable=False),
)
