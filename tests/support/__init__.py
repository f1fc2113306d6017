"""Support for the tests of several rooms: paths, ports, waiting, servers and simulations. No tests."""
