"""What tests of several rooms share: places, ports, waiting, servers and simulated parts. No tests."""
