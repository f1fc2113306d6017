"""The wire contract: every state, kind, result and error code that two sides compare, and the shape of a report.

Gateway, control plane and manager import these names, so that mypy finds who still uses one that was renamed. Where
it ends with an internal error, its Django plugin could not load such a module: `mypy --show-traceback` names it.
Values are in databases, journals and the reports of other builds: a value is never changed, only added.
Error codes are the classes of `ota_py.errors`. What only one side decides stays there: which state of a transaction
may follow which in `ota_py.gateway.journal.states`, the same of a rollout in `ota_py.server.rollouts.states`.

The agent keeps these modules in its memory: the standard library alone, no pydantic.
"""
