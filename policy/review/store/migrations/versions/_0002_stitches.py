"""
Stitches: what was told of them, what people proposed, and what others answered, with triggers that keep the record.

The words of the check constraints are written out: a migration says what was true when it was written.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

APPEND_ONLY = ("stitch_proposals", "stitch_answers")

SAME_KEY = {
    "stitch_proposals": "SELECT 1 FROM stitch_proposals WHERE stitch_id = NEW.stitch_id AND position = NEW.position",
    "stitch_answers": "SELECT 1 FROM stitch_answers WHERE stitch_id = NEW.stitch_id AND position = NEW.position",
}
SAME_PROPOSER = f"{SAME_KEY['stitch_proposals']} AND actor = NEW.actor"


def upgrade() -> None:
    """Create everything."""
    _create_stitches()
    _create_proposals()
    _create_answers()
    for statement in TRIGGERS[op.get_context().dialect.name]():
        op.execute(statement)


def downgrade() -> None:
    """Refuse: going back from here would delete the record."""
    raise NotImplementedError(
        "These tables hold the record of what people said and are not taken away. Restore a backup."
    )


def _create_stitches() -> None:
    op.create_table(
        "stitches",
        sa.Column("stitch_id", sa.String(32), nullable=False),
        sa.Column("earlier_piece", sa.String(64), nullable=False),
        sa.Column("later_piece", sa.String(64), nullable=False),
        sa.Column("earlier_tenant_id", sa.Text(), nullable=True),
        sa.Column("later_tenant_id", sa.Text(), nullable=True),
        sa.Column("across", sa.String(16), nullable=False),
        sa.Column("strength", sa.Float(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("earlier_seen", sa.String(27), nullable=False),
        sa.Column("later_seen", sa.String(27), nullable=False),
        sa.Column("first_told_at", sa.String(27), nullable=False),
        sa.Column("last_told_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("stitch_id", name="pk_stitches"),
        sa.CheckConstraint("across IN ('same_tenant', 'same_group', 'other_group')", name=op.f("ck_stitches_across")),
    )
    op.create_index("ix_stitches_first_told_at", "stitches", ["first_told_at", "stitch_id"])


def _create_proposals() -> None:
    op.create_table(
        "stitch_proposals",
        sa.Column("stitch_id", sa.String(32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("word", sa.String(16), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("told", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("stitch_id", "position", name="pk_stitch_proposals"),
        sa.ForeignKeyConstraint(["stitch_id"], ["stitches.stitch_id"], name="fk_stitch_proposals_stitch_id_stitches"),
        sa.CheckConstraint("word IN ('confirmed', 'undone', 'as_told')", name=op.f("ck_stitch_proposals_word")),
    )


def _create_answers() -> None:
    op.create_table(
        "stitch_answers",
        sa.Column("stitch_id", sa.String(32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("approved", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("stitch_id", "position", name="pk_stitch_answers"),
        sa.ForeignKeyConstraint(
            ["stitch_id", "position"],
            ["stitch_proposals.stitch_id", "stitch_proposals.position"],
            name="fk_stitch_answers_stitch_id_stitch_proposals",
        ),
    )


def _sqlite_triggers() -> list[str]:
    """
    Statements that make SQLite refuse changes to the record, and an approval by whoever proposed.

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
    return [
        *statements,
        "CREATE TRIGGER stitch_answers_second_person BEFORE INSERT ON stitch_answers"
        f" WHEN NEW.approved AND EXISTS ({SAME_PROPOSER})"
        " BEGIN SELECT RAISE(ABORT, 'an approval needs a second person'); END",
    ]


def _postgresql_triggers() -> list[str]:
    """Statements that make PostgreSQL refuse changes to the record, by row and by TRUNCATE, and such an approval."""
    second = "CREATE FUNCTION flopwatch_second_person() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    return [
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
        f"{second} IF NEW.approved AND EXISTS ({SAME_PROPOSER}) THEN"
        " RAISE EXCEPTION 'an approval needs a second person'; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER stitch_answers_second_person BEFORE INSERT ON stitch_answers"
        " FOR EACH ROW EXECUTE FUNCTION flopwatch_second_person()",
    ]


TRIGGERS = {"sqlite": _sqlite_triggers, "postgresql": _postgresql_triggers}
