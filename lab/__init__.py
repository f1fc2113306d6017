"""A real fleet of edge gateways on one machine, for tests and demonstrations.

``lab/lab up`` starts a registry, an S3 server, an MQTT broker and gateways that each
run their own Docker engine and a Compose project. See ``lab/README.md``.
"""
