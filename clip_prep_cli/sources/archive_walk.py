"""The samples in archives, found as those in directories are."""

from collections.abc import Iterator

from clip_prep_cli.errors import ImageError
from clip_prep_cli.samples.records import Failure, Sample
from clip_prep_cli.sources.archives.archive import Archive
from clip_prep_cli.sources.archives.kinds import is_archive
from clip_prep_cli.sources.files import DEFAULT_WAITING, Waiting
from clip_prep_cli.sources.scope import SeenNames
from clip_prep_cli.sources.selection import Sieve


class ArchiveWalk:
    """The samples in archives, one archive after the other."""

    def __init__(self, sieve: Sieve, waiting: Waiting = DEFAULT_WAITING) -> None:
        self._sieve = sieve
        self._waiting = waiting

    def samples(self, archive: Sample, path: str, below: str) -> Iterator[Sample | Failure]:
        """Those in the archive at `path`, which is `below` an input.

        What is wrong with it is a failure of its own, behind the samples that could be found. All
        samples have the archive's time: one that was packed again may have other content anywhere.
        """
        ignored = self._sieve.ignored
        seen = SeenNames()
        try:
            for member, part in Archive(path, archive.mtime_ns, self._waiting):
                if self._waiting.should_stop():
                    return
                name = member.plain_name
                if member.kind == "directory":
                    continue
                if member.kind != "file":
                    ignored[member.kind] += 1
                    continue
                if not self._sieve.takes_member(name, f"{below}/{name}"):
                    continue
                if not seen.add(name):
                    ignored["repeated member"] += 1
                    continue
                sample = Sample(
                    archive.root, f"{archive.path}/{name}", member.size, archive.mtime_ns, part
                )
                if member.unsupported:
                    sample = sample._replace(part=None)
                    yield Failure(sample, "unsupported", member.unsupported, None)
                else:
                    yield sample
        except ImageError as damage:
            if self._waiting.should_stop():  # nothing was waited for any more
                return
            yield Failure(archive, damage.reason, damage.detail, None)


def takes_file(sieve: Sieve, name: str, below: str, *, is_link: bool = False) -> bool:
    """Whether a file in a directory is to be looked at; archives are chosen as directories are."""
    if is_archive(name):
        return not sieve.passes_over(name, f"{below}/", is_link=is_link)
    return sieve.takes(name, below, is_link=is_link)
