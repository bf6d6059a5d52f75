"""Archives as inputs: what is in them, read in place or once from front to end.

Each kind of archive is one file, which registers it in `kinds`; importing it here is all it takes.
"""

from clip_prep_cli.sources.archives import tar_gz, tar_zst, tars, zips

__all__ = ["tar_gz", "tar_zst", "tars", "zips"]
