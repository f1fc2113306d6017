"""Retention of events: old ones are deleted, so that a large fleet does not fill the database for ever.

What stays, however old it is: what people did to updates and rollouts, which is little; everything of a
rollout that has not ended; and the rollbacks that the statistics show. Results of gateways in rollouts are
records of their own and stay, too. Options and costs: docs/adr/0022-events-are-kept-for-a-time.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from ota_py.contract.fleet import ACTIVE_ROLLOUTS, ActKind
from ota_py.server.events.models import Event
from ota_py.server.statistics import last_rollbacks

# Few enough that a gateway's report does not wait for the database's write lock.
BATCH_ROWS = 500
KEPT_KINDS = frozenset({ActKind.UPDATE, ActKind.ROLLOUT})


def delete_before(before: datetime) -> Iterator[int]:
    """Delete events recorded before a moment, batch by batch; yields how many each batch had.

    A report that is delivered again after that is recorded again, and changes nothing: see events/order.py.
    """
    shown = {event.pk for event in last_rollbacks()}
    walked, is_more = 0, True
    while is_more:
        # By number, which rises with the time of recording and has an index.
        rows = list(
            Event.objects.order_by("pk")
            .filter(pk__gt=walked)
            .values_list("pk", "recorded_at", "kind", "rollout__state")[:BATCH_ROWS]
        )
        old = [
            pk
            for pk, recorded_at, kind, state in rows
            if recorded_at < before and kind not in KEPT_KINDS and state not in ACTIVE_ROLLOUTS and pk not in shown
        ]
        Event.objects.filter(pk__in=old).delete()
        is_more = len(rows) == BATCH_ROWS and rows[-1][1] < before
        walked = rows[-1][0] if rows else walked
        yield len(old)
