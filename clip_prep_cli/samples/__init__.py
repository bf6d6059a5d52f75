"""The nouns that all folders share: samples, records, failures, roots, parts of files.

Imports `errors` and `common`.
"""
