"""What was decided in the console over registry.toml: a type's price, and whether it is served."""

from dataclasses import dataclass

from loupette.store.connection import Connection, Store


@dataclass(frozen=True, slots=True)
class Override:
    """One type's.

    Attributes:
        type_id: the type.
        price_micros: instead of the price in registry.toml; None where that holds.
        is_off: not served.
        changed_ms: when.
        changed_by: the prefix of the key that did it.
    """

    type_id: int
    price_micros: int | None
    is_off: bool
    changed_ms: int
    changed_by: str


def list_overrides(reader: Connection) -> dict[int, Override]:
    """All, by type ID."""
    rows = reader.execute(
        "SELECT type_id, price, is_off, changed_ms, changed_by FROM type_overrides"
    )
    return {
        type_id: Override(type_id, price, bool(is_off), *rest)
        for type_id, price, is_off, *rest in rows
    }


def set_override(db: Store, override: Override) -> None:
    """Keep a decision in the place of the type's earlier one."""
    row = (
        override.type_id,
        override.price_micros,
        int(override.is_off),
        override.changed_ms,
        override.changed_by,
    )

    def replace(connection: Connection) -> None:
        _delete(connection, override.type_id)
        connection.execute(
            "INSERT INTO type_overrides(type_id, price, is_off, changed_ms, changed_by)"
            " VALUES (?, ?, ?, ?, ?)",
            row,
        )

    db.write(replace)


def clear_override(db: Store, type_id: int) -> None:
    """Let registry.toml hold again."""
    db.write(lambda connection: _delete(connection, type_id))


def _delete(connection: Connection, type_id: int) -> None:
    connection.execute("DELETE FROM type_overrides WHERE type_id = ?", (type_id,))
