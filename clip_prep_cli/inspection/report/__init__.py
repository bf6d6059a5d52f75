"""The HTML page about a set."""
