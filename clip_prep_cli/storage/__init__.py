"""Files here and in object stores: durable writes, locks, retries.

Imports `pixels`, `samples`, `common` and `errors`.
"""
