"""The client of the control plane: its HTTP API, polling, MQTT hints, delivery of reports.

What is to be done with an answer is the agent's.
"""
