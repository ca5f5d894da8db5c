"""What Alembic runs: it works on the connection, and in the transaction, that it is handed."""

from alembic import context

from server import app, site  # noqa: F401  every table is declared by something that these two are made of
from server.db import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a table by making it anew
    compare_type=True,
)
context.run_migrations()
