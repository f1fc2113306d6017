"""Events: reports of gateways, counted once, and acts of the control plane."""
