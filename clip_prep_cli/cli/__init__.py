"""The command line: a file for each command, with its options, text and JSON. Alone in printing.

Imports everything else.
"""
