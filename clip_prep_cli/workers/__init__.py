"""Processes that make rows, here or on a cluster.

Imports `sources`, `sets` and what they import.
"""
