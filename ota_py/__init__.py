"""Signed over-the-air updates for fleets of edge gateways that run Docker Compose."""

__version__ = "0.1.0"
