"""The format on disk: names, layouts, tensor files, manifest, indexes, and the set of them all.

Imports `storage` and what that imports.
"""
