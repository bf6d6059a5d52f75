"""Helpers that know nothing of images or sets: threads, CPUs, wording, versions.

Imports `errors` alone.
"""
