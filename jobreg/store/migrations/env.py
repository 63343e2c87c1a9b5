"""What Alembic runs: the steps, on the connection and in the transaction it was handed."""

from alembic import context

from jobreg.store.tables import metadata
from jobreg.store.version import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
context.run_migrations()
