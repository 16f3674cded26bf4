"""Times as the console writes them."""

from datetime import UTC, datetime


def moment(milliseconds: int, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """A time, in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime(form)
