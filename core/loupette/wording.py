"""English as people write it, where code puts it together."""


def counted(number: int, thing: str) -> str:
    """A number of things: 1 account, 2 accounts, 0 ledger entries."""
    many = thing.removesuffix("y") + "ies" if thing.endswith("y") else f"{thing}s"
    return f"{number} {thing if number == 1 else many}"
