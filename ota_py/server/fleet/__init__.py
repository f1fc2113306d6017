"""The gateways, and whether they are there."""
