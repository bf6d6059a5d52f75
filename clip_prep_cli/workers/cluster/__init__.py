"""Shards as tasks of an executor, on this machine or on others."""
