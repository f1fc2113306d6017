"""A rollout as the operator's side drives it: request, play, gate, reports, views.

Its records and its plan are the control plane's.
"""
