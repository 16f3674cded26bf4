"""Open a database that must be there already."""

from loupette.errors import StoreError
from loupette.settings import Settings
from loupette.store.database import Database


def open_existing(settings: Settings) -> Database:
    """Open it beside a running server, or without one.

    Raises:
        StoreError: there is none; a mistyped path must not read as an empty, clean ledger.
    """
    if not settings.database.exists():
        raise StoreError(
            f"there is no database {settings.database}; name it with --database or"
            " LOUPETTE_DATABASE, or make one with `loupette keys create`"
        )
    return Database.open(settings.database)
