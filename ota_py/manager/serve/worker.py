"""The WSGI application of each worker of `serve`, which lives as long as `serve` itself."""

from __future__ import annotations

from ota_py.manager.system.processes import end_with_parent
from ota_py.server.http.rsgi import application

__all__ = ["application"]

end_with_parent()
