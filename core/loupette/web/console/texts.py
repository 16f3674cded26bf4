"""Money and times as the console writes them."""

from datetime import UTC, datetime

from loupette.money import to_yuan


def yuan(micros: int) -> str:
    """An amount: ¥12.50, or −¥0.001."""
    return f"{'−' if micros < 0 else ''}¥{to_yuan(abs(micros)):,}"


def moment(milliseconds: int, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """A time, in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime(form)
