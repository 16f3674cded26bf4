"""Yuan at the edges, integer micro-yuan inside: ¥0.0010 is 1000."""

from decimal import Decimal

MICROS_PER_YUAN = 1_000_000
_MICROS_PER_CENT = 10_000


def to_micros(yuan: Decimal) -> int:
    """Convert an amount in yuan exactly.

    Raises:
        ValueError: not finite, or finer than a micro-yuan.
    """
    if not yuan.is_finite():
        raise ValueError(f"{yuan} is no amount")
    micros = yuan * MICROS_PER_YUAN
    if micros != micros.to_integral_value():
        raise ValueError(f"{yuan} has more than six decimals")
    return int(micros)


def to_yuan(micros: int) -> Decimal:
    """Convert micro-yuan exactly; at least two decimals, as people write money."""
    cents, finer = divmod(micros, _MICROS_PER_CENT)
    return Decimal(micros).scaleb(-6).normalize() if finer else Decimal(cents).scaleb(-2)


def format_yuan(micros: int) -> str:
    """As people read money on every page and from every command: ¥0.0100, −¥1,234.5000.

    Four decimals, as the documented prices have; six where it is finer.
    """
    places = 6 if micros % 100 else 4
    return f"{'−' if micros < 0 else ''}¥{Decimal(abs(micros)) / MICROS_PER_YUAN:,.{places}f}"
