from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect

from app.db.migrate import MIGRATIONS, downgrade, upgrade
from app.db.revision import HEAD, require_current
from app.db.session import make_engine
from app.db.tables import Base


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
