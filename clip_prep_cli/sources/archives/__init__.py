"""Archives as inputs: what is in them, read in place or once from front to end."""
