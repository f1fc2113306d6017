"""HTTP before Django: the event loop and its limits, the proxy's headers, turns of sign-ins, the log's lines."""
