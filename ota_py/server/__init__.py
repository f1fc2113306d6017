"""The control plane: records of gateways, updates and rollouts, the HTTP API and the admin.

It carries no authority over what a gateway runs: it holds no release or root key, and an assignment only
makes a gateway check the signed repository (docs/architecture, "Trust").
"""
