"""Alembic's entry. The connection comes from `preverify.store.upgrade`, which holds the transaction."""

from alembic import context

from preverify.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=True,
)
context.run_migrations()
