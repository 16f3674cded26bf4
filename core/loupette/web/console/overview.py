"""GET /console: requests, success, spend and latency over time."""

import time
from dataclasses import dataclass

from starlette.responses import Response

from loupette.web.console.charts import draw_all
from loupette.web.console.visits import Visit

_HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Span:
    """A time to look at: so many steps, the last of which is now."""

    step_ms: int
    steps: int
    zh: str
    en: str
    form: str


SPANS = {
    "24h": Span(_HOUR_MS, 24, "24 小时", "24 hours", "%H:%M"),
    "7d": Span(6 * _HOUR_MS, 28, "7 天", "7 days", "%m-%d %H:%M"),
    "30d": Span(24 * _HOUR_MS, 30, "30 天", "30 days", "%m-%d"),
}


async def show(visit: Visit) -> Response:
    """The figures of a span."""
    asked = visit.request.query_params.get("range", "")
    name = asked if asked in SPANS else "24h"
    span = SPANS[name]
    now_ms = time.time_ns() // 1_000_000
    since_ms = (now_ms // span.step_ms + 1 - span.steps) * span.step_ms
    found = await visit.service.management.count(
        visit.account_id, since_ms=since_ms, step_ms=span.step_ms, steps=span.steps
    )
    catalogue = visit.service.engine.catalogue.types
    return visit.show(
        "overview.html",
        spans=SPANS,
        span=name,
        found=found,
        charts=draw_all(found, span.form),
        names={type_id: served.spec for type_id, served in catalogue.items()},
        rows=[(since_ms + place * span.step_ms, one) for place, one in enumerate(found.steps)],
    )
