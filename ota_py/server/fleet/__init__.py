"""The gateways, and their presence."""
