"""The pure core: from an image's bytes to one row. No paths, no processes, no printing.

Imports `errors` alone.
"""
