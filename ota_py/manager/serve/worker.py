"""What each worker of `serve` runs: the control plane, for as long as `serve` itself lives."""

from __future__ import annotations

from ota_py.manager.system.processes import end_with_parent
from ota_py.server.wsgi import application

__all__ = ["application"]

end_with_parent()
