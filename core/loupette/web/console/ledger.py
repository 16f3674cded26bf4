"""/console/ledger: every movement of money, and whether it all adds up."""

from starlette.responses import Response

from loupette.store.audit import Audit
from loupette.web.console.visits import Visit, number

_PAGE = 50


async def show(visit: Visit) -> Response:
    """A page of the entries, newest first."""
    return await _show(visit)


async def verify(visit: Visit) -> Response:
    """Add everything up again."""
    return await _show(visit, await visit.service.management.verify(visit.key))


async def _show(visit: Visit, checked: Audit | None = None) -> Response:
    found = await visit.service.management.statement(
        visit.account_id, before=number(visit.request.query_params, "before"), limit=_PAGE + 1
    )
    page = found[:_PAGE]
    more = page[-1].id if len(found) > _PAGE else None
    return visit.show("ledger.html", entries=page, next=more, checked=checked)
