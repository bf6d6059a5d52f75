"""Helpers of the tests: the real command, sources, disks, servers, and the oracle."""
