from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, Boolean, DateTime, Engine, Integer, MetaData, Table, func, inspect, select, text

from app.access import workspaces
from app.db.access_tables import DEFAULT_WORKSPACE, Workspace
from app.db.migrate import MIGRATIONS, downgrade, upgrade
from app.db.revision import HEAD, require_current
from app.db.session import make_engine, make_sessions
from app.db.tables import Base, Model
from app.models import service as models

BEFORE_WORKSPACES = "0011"
"""The revision before `0012_workspaces.py`."""

ROWS_FILES = "0007"
"""From here on data sets have a file of their rows' parts and keys, which earlier ones lack."""


def test_the_migrations_make_exactly_the_tables_of_the_code(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_the_migrations_go_down_to_nothing_and_up_again(database_url: str) -> None:
    engine = make_engine(database_url)
    for _ in range(2):
        upgrade(engine)
        require_current(engine)
        downgrade(engine, "base")
        assert inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()


def test_upgrading_what_is_current_changes_nothing(engine: Engine) -> None:
    upgrade(engine)
    require_current(engine)


def test_the_revision_the_code_expects_is_the_newest() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == HEAD


def _row(table: Table, **given: Any) -> dict[str, Any]:
    """A row with a value in every column that must have one."""
    usual = {Integer: 1, DateTime: datetime.now(UTC), Boolean: False, JSON: {}}
    row = {}
    for column in table.columns:
        if column.name in given:
            row[column.name] = given[column.name]
        elif not column.nullable and column.server_default is None:
            kinds = [value for kind, value in usual.items() if isinstance(column.type, kind)]
            row[column.name] = kinds[0] if kinds else "x"
    return row


def _fill(engine: Engine) -> None:
    """A data set, a finished job on it with a stage, an event and a version with a file."""
    known = MetaData()
    known.reflect(engine)
    tables = known.tables
    with engine.begin() as connection:

        def add(into: str, **given: Any) -> None:
            connection.execute(tables[into].insert().values(**_row(tables[into], **given)))

        add("datasets", id="ds_1", name="d")
        job = {"source_dataset_id": "ds_1", "target_dataset_id": "ds_1", "state": "succeeded"}
        add("jobs", id="job_1", name="j", attempt=1, max_attempts=3, finished_at=datetime.now(UTC), **job)
        add("stages", job_id="job_1", stage="source", state="waiting")
        add("events", job_id="job_1", level="info")
        add("models", name="m")
        add("versions", id="ver_1", model="m", job_id="job_1")
        add("artifacts", version_id="ver_1", format="keras")


def test_every_migration_before_keeps_the_data_on_its_way_up_and_down(database_url: str) -> None:
    engine = make_engine(database_url)
    names = ("datasets", "jobs", "stages", "events", "models", "versions", "artifacts")
    revisions = [one.revision for one in ScriptDirectory(str(MIGRATIONS)).walk_revisions()][::-1]
    upgrade(engine, revisions[0])
    _fill(engine)

    def counted() -> list[int | None]:
        known = MetaData()
        known.reflect(engine)
        with engine.connect() as connection:
            return [connection.scalar(select(func.count()).select_from(known.tables[name])) for name in names]

    before = revisions.index(ROWS_FILES)
    for revision in revisions[1:before]:
        upgrade(engine, revision)
        assert counted() == [1] * len(names)
    for revision in revisions[before - 2 :: -1]:
        downgrade(engine, revision)
        assert counted() == [1] * len(names)
    engine.dispose()


def test_data_sets_whose_rows_have_no_keys_are_refused_and_kept(database_url: str) -> None:
    engine = make_engine(database_url)
    upgrade(engine, "0006")
    _fill(engine)
    with pytest.raises(RuntimeError, match="upload the files again"):
        upgrade(engine, ROWS_FILES)
    with engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == "0006"
        assert connection.scalar(text("SELECT count(*) FROM datasets")) == 1
    engine.dispose()


def test_what_is_there_before_workspaces_becomes_the_default_ones(database_url: str) -> None:
    engine = make_engine(database_url)
    upgrade(engine, BEFORE_WORKSPACES)
    _fill(engine)
    known = MetaData()
    known.reflect(engine)
    tables = known.tables
    with engine.begin() as connection:
        for name, row in {
            "aliases": {"model": "m", "version_id": "ver_1"},
            "replies": {"key": "k"},
            "source_runs": {"key": "k"},
            "turns": {"queue": "default", "owner": "ada"},
        }.items():
            connection.execute(tables[name].insert().values(**_row(tables[name], **row)))
    upgrade(engine)
    kept = ("datasets", "jobs", "models", "versions", "aliases", "replies", "source_runs", "turns")
    with make_sessions(engine).begin() as session:
        for name in kept:
            whose = session.execute(text(f"SELECT workspace_id FROM {name}")).scalars().all()
            assert whose == [DEFAULT_WORKSPACE], name
        assert [one.name for one in session.scalars(select(Workspace))] == ["default"]
        assert session.scalars(select(Workspace.created_at)).one() <= datetime.now(UTC)
        assert models.find_version(session, DEFAULT_WORKSPACE, "m@x").id == "ver_1"
        other = workspaces.create(session, "team").id
        session.add(Model(workspace_id=other, name="m"))
    with pytest.raises(RuntimeError, match="back-up"):
        downgrade(engine, BEFORE_WORKSPACES)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM models WHERE workspace_id = :other"), {"other": other})
        connection.execute(text("DELETE FROM workspaces WHERE id = :other"), {"other": other})
    downgrade(engine, BEFORE_WORKSPACES)
    with engine.connect() as connection:
        assert [connection.scalar(text(f"SELECT count(*) FROM {name}")) for name in kept] == [1] * len(kept)
    engine.dispose()
