"""The samples in archives, found as those in directories are."""

from collections.abc import Callable, Iterator

from xxhash import xxh3_128_digest

from clip_prep_cli.errors import ImageError
from clip_prep_cli.samples.records import Failure, Sample
from clip_prep_cli.sources.archives.archive import (
    Access,
    Archive,
    access_to,
    is_archive,
    plain_name,
)
from clip_prep_cli.sources.selection import Sieve


class ArchiveWalk:
    """The samples in archives, one archive after the other."""

    def __init__(
        self,
        sieve: Sieve,
        should_stop: Callable[[], bool],
        access: Callable[[str], Access] = access_to,
    ) -> None:
        self._sieve = sieve
        self._should_stop = should_stop
        self._access = access

    def samples(self, archive: Sample, path: str, below: str) -> Iterator[Sample | Failure]:
        """Those in the archive at `path`, which is `below` an input.

        What is wrong with it is a failure of its own, behind the samples that could be found. All
        samples have the archive's time: one that was packed anew may have other content anywhere.
        """
        ignored = self._sieve.ignored
        met: set[bytes] = set()
        try:
            for member, part in Archive(path, archive.mtime_ns, self._access(path)):
                if self._should_stop():
                    return
                name = plain_name(member.name)
                if member.kind == "directory":
                    continue
                if member.kind != "file":
                    ignored[member.kind] += 1
                    continue
                if not self._sieve.takes_member(name, f"{below}/{name}"):
                    continue
                digest = name_digest(name)
                if digest in met:
                    ignored["repeated member"] += 1
                    continue
                met.add(digest)
                sample = Sample(
                    archive.root, f"{archive.path}/{name}", member.size, archive.mtime_ns, part
                )
                if member.unsupported:
                    sample = sample._replace(part=None)
                    yield Failure(sample, "unsupported", member.unsupported, None)
                else:
                    yield sample
        except ImageError as damage:
            if self._should_stop():  # nobody waited for what was not read
                return
            yield Failure(archive, damage.reason, damage.detail, None)


def takes_file(sieve: Sieve, name: str, below: str, *, is_link: bool = False) -> bool:
    """Whether a file in a directory is to be looked at; archives are chosen as directories are."""
    if is_archive(name):
        return not sieve.passes_over(name, f"{below}/", is_link=is_link)
    return sieve.takes(name, below, is_link=is_link)


def name_digest(name: str) -> bytes:
    """16 bytes for a name; of all the members there are, no two are likely to share them."""
    return xxh3_128_digest(name.encode(errors="surrogateescape"))
