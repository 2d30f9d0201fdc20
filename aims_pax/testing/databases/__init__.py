"""A Materials Project and an OPTIMADE database on this machine, for tests and benchmarks: `server` serves `entries`."""
