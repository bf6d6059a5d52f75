"""What is converted: directories, lists, archives, URLs; finding samples and reading them.

Imports `storage` and what that imports.
"""
