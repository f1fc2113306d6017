"""The client of the control plane: its HTTP API, polling, MQTT hints, delivery of reports.

What follows from an answer is decided in `agent`.
"""
