"""The poll's lookup, the hot path: one query that recognises a token and finds its gateway's assignment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from django.db import connection

from ota_py.contract.fleet import Delivery, GatewayResult, RolloutState, UpdateState
from ota_py.server.rollouts.states import HELD
from ota_py.server.tokens.services import digest

# Raw SQL, because the ORM halves the polls per second. Rows of rollouts that were paused or aborted while
# the gateway was under way stay behind: a running rollout's row comes first.
_QUERY = f"""
SELECT t.id, t.role, t.gateway_id, u.version, r.id, u.critical
FROM tokens_apitoken t
LEFT JOIN rollouts_rolloutgateway g
  ON g.gateway_id = t.gateway_id AND g.state IN ('{GatewayResult.ASSIGNED}', '{GatewayResult.UPDATING}')
  AND (g.delivery = '{Delivery.PULL}' OR g.step = '{HELD}')
LEFT JOIN rollouts_rollout r ON r.id = g.rollout_id AND r.state = '{RolloutState.RUNNING}'
LEFT JOIN updates_update u ON u.version = r.update_record_id AND u.state <> '{UpdateState.WITHDRAWN}'
WHERE t.digest = %s AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > %s)
ORDER BY CASE WHEN u.version IS NULL THEN 1 ELSE 0 END, r.id
LIMIT 1
"""


class Poll(NamedTuple):
    """A valid token, and its gateway's assignment: the last three are None for nothing."""

    token: int
    role: str
    gateway: str | None
    version: str | None
    rollout: int | None
    critical: bool | None


def look_up(token: str) -> Poll | None:
    """The token's poll, or None if the token is not valid."""
    with connection.cursor() as cursor:
        now = connection.ops.adapt_datetimefield_value(datetime.now(UTC))
        cursor.execute(_QUERY, (digest(token), now))
        row = cursor.fetchone()
    return Poll._make(row) if row else None
