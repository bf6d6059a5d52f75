"""Looking at a set: checks, totals, contact sheets, the report. Changes nothing in it.

Imports `workers` and what they import.
"""
