"""One conversion, or one compaction, from the options to the last commit.

Imports `workers` and what they import.
"""
