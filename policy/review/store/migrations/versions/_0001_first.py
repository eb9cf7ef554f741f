"""
The first schema: tickets, findings, events and decisions, and the triggers that keep the record.

The words of the check constraints are written out: a migration says what was true when it was written.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

APPEND_ONLY = ("ticket_events", "decisions")

FINDING_IS_NAMED = (
    "SELECT 1 FROM ticket_events"
    " WHERE ticket_events.ticket_id = OLD.ticket_id AND ticket_events.finding_id = OLD.finding_id"
)

SAME_KEY = {
    "ticket_events": "SELECT 1 FROM ticket_events WHERE ticket_id = NEW.ticket_id AND position = NEW.position",
    "decisions": "SELECT 1 FROM decisions WHERE ticket_id = NEW.ticket_id",
}


def upgrade() -> None:
    """Create everything."""
    _create_tickets()
    _create_findings()
    _create_events()
    _create_decisions()
    for statement in TRIGGERS[op.get_context().dialect.name]():
        op.execute(statement)


def downgrade() -> None:
    """Refuse: going back from here would delete the record."""
    raise NotImplementedError("The first schema holds the record of decisions and is not taken away. Restore a backup.")


def _create_tickets() -> None:
    op.create_table(
        "tickets",
        sa.Column("ticket_id", sa.String(14), nullable=False),
        sa.Column("subject_key", sa.String(512), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("opened_at", sa.String(27), nullable=False),
        sa.Column("taken_by", sa.String(64), nullable=True),
        sa.Column("previous_ticket_id", sa.String(14), nullable=True),
        sa.Column("finding_id", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("ticket_id", name="pk_tickets"),
        sa.ForeignKeyConstraint(
            ["previous_ticket_id"], ["tickets.ticket_id"], name="fk_tickets_previous_ticket_id_tickets"
        ),
        sa.UniqueConstraint("subject_key", "ordinal", name="uq_tickets_subject_key"),
        sa.CheckConstraint("state IN ('open', 'taken', 'decided')", name=op.f("ck_tickets_state")),
    )
    op.create_index("ix_tickets_opened_at", "tickets", ["opened_at", "ticket_id"])


def _create_findings() -> None:
    op.create_table(
        "findings",
        sa.Column("ticket_id", sa.String(14), nullable=False),
        sa.Column("finding_id", sa.String(32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("noted_at", sa.String(27), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("ticket_id", "finding_id", name="pk_findings"),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.ticket_id"], name="fk_findings_ticket_id_tickets"),
        sa.UniqueConstraint("ticket_id", "position", name="uq_findings_ticket_id"),
    )


def _create_events() -> None:
    op.create_table(
        "ticket_events",
        sa.Column("ticket_id", sa.String(14), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("finding_id", sa.String(32), nullable=False),
        sa.Column("changed", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("ticket_id", "position", name="pk_ticket_events"),
        sa.ForeignKeyConstraint(
            ["ticket_id", "finding_id"],
            ["findings.ticket_id", "findings.finding_id"],
            name="fk_ticket_events_ticket_id_findings",
        ),
        sa.CheckConstraint(
            "kind IN ('opened', 'finding_updated', 'taken', 'decided')", name=op.f("ck_ticket_events_kind")
        ),
    )


def _create_decisions() -> None:
    op.create_table(
        "decisions",
        sa.Column("ticket_id", sa.String(14), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("finding_id", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("ticket_id", name="pk_decisions"),
        sa.ForeignKeyConstraint(
            ["ticket_id", "finding_id"],
            ["findings.ticket_id", "findings.finding_id"],
            name="fk_decisions_ticket_id_findings",
        ),
        sa.CheckConstraint(
            "outcome IN ('not_training', 'out_of_scope', 'authorised', 'cleared_after_inquiry', 'restricted',"
            " 'referred_to_counsel', 'disclosed')",
            name=op.f("ck_decisions_outcome"),
        ),
    )


def _sqlite_triggers() -> list[str]:
    """
    Statements that make SQLite refuse changes to the record.

    ``INSERT OR REPLACE`` deletes without firing delete triggers, so inserting an existing key is refused as well.
    """
    refuse = "BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    statements = [
        f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table} {refuse.format(table=table)}"
        for table in APPEND_ONLY
        for verb in ("update", "delete")
    ]
    statements += [
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN EXISTS ({same_key})"
        f" {refuse.format(table=table)}"
        for table, same_key in SAME_KEY.items()
    ]
    statements += [
        f"CREATE TRIGGER findings_named_no_{verb} BEFORE {verb} ON findings WHEN EXISTS ({FINDING_IS_NAMED})"
        " BEGIN SELECT RAISE(ABORT, 'the record names this finding'); END"
        for verb in ("update", "delete")
    ]
    return statements


def _postgresql_triggers() -> list[str]:
    """Statements that make PostgreSQL refuse changes to the record, by row and by TRUNCATE."""
    refuse = "CREATE FUNCTION flopwatch_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    named = "CREATE FUNCTION flopwatch_finding_named() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    return [
        f"{refuse} RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$",
        f"{named} IF EXISTS ({FINDING_IS_NAMED}) THEN RAISE EXCEPTION 'the record names this finding'; END IF;"
        " IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $$",
        *(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION flopwatch_append_only()"
            for table in APPEND_ONLY
        ),
        *(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION flopwatch_append_only()"
            for table in APPEND_ONLY
        ),
        "CREATE TRIGGER findings_named BEFORE UPDATE OR DELETE ON findings"
        " FOR EACH ROW EXECUTE FUNCTION flopwatch_finding_named()",
    ]


TRIGGERS = {"sqlite": _sqlite_triggers, "postgresql": _postgresql_triggers}
