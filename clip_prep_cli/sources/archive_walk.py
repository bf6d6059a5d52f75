"""The samples in archives, found as those in directories are."""

from collections.abc import Iterator

from clip_prep_cli.errors import ImageError
from clip_prep_cli.samples.records import Failure, Sample
from clip_prep_cli.sources.archives.archive import members_of
from clip_prep_cli.sources.archives.kinds import is_archive
from clip_prep_cli.sources.scope import Scope, SeenNames
from clip_prep_cli.sources.selection import Sieve


def samples_in(scope: Scope, archive: Sample, path: str, below: str) -> Iterator[Sample | Failure]:
    """Those in the archive at `path`, which is `below` an input.

    What is wrong with it is a failure of its own, behind the samples that could be found. All
    samples have the archive's time: one that was packed again may have other content anywhere.
    """
    sieve, waiting = scope.sieve, scope.request.waiting
    seen = SeenNames()
    try:
        for member, part in members_of(path, archive.mtime_ns, waiting):
            if waiting.should_stop():
                return
            name = member.plain_name
            if member.kind == "directory":
                continue
            if member.kind != "file":
                sieve.ignored[member.kind] += 1
            elif not sieve.takes_member(name, f"{below}/{name}"):
                continue
            elif not seen.add(name):
                sieve.ignored["repeated member"] += 1
            else:
                sample = Sample(
                    archive.root, f"{archive.path}/{name}", member.size, archive.mtime_ns
                )
                if member.unsupported:
                    yield Failure(sample, "unsupported", member.unsupported, None)
                else:
                    yield sample._replace(part=part)
    except ImageError as damage:
        if not waiting.should_stop():  # else nothing was waited for any more
            yield Failure(archive, damage.reason, damage.detail, None)


def takes_file(sieve: Sieve, name: str, below: str, *, is_link: bool = False) -> bool:
    """Whether a file in a directory is to be looked at; archives are chosen as directories are."""
    if is_archive(name):
        return not sieve.passes_over(name, f"{below}/", is_link=is_link)
    return sieve.takes(name, below, is_link=is_link)
