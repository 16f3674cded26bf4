"""Durations and moments as people type them: ``90d``, ``12h``, ``2027-01-31``, ``never``."""

import re
import time
from datetime import UTC, datetime

import click

NEVER = -1
"""What `Moment` gives for ``never``: None would mean that the option was not given."""

_UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"([0-9]{1,6})([mhd])")


class Duration(click.ParamType[int]):
    """Whole minutes, hours or days; gives milliseconds."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Parse it, or complain as click does."""
        if isinstance(value, int):
            return value
        match = _DURATION.fullmatch(str(value))
        if match is None:
            self.fail(f"{value!r} is no duration such as 30m, 24h or 90d", param, ctx)
        return int(match[1]) * _UNITS_MS[match[2]]


class Moment(click.ParamType[int]):
    """A duration from now, a date or time in ISO 8601 (UTC unless it says), or ``never``.

    Gives milliseconds since 1970, or `NEVER`.
    """

    name = "moment"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Parse it, or complain as click does."""
        text = str(value)
        if text == "never":
            return NEVER
        if match := _DURATION.fullmatch(text):
            return time.time_ns() // 1_000_000 + int(match[1]) * _UNITS_MS[match[2]]
        try:
            moment = datetime.fromisoformat(text)
            in_utc = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is none of 90d, 12h, 2027-01-31 and never", param, ctx)
        return round(in_utc.timestamp() * 1000)


def show_moment(moment_ms: int) -> str:
    """Milliseconds since 1970 as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(moment_ms / 1000, tz=UTC).isoformat(timespec="seconds")
