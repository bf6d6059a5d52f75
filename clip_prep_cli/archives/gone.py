"""Which images have certainly been deleted, be they files or members of archives."""

from collections.abc import Callable, Iterable, Iterator

from clip_prep_cli.archives.archive import Archive, plain_name, split
from clip_prep_cli.archives.archived import name_digest
from clip_prep_cli.archives.damage import Damage
from clip_prep_cli.places import Identity
from clip_prep_cli.roots import Roots


def gone(
    identities: Iterable[Identity], roots: Roots, is_gone: Callable[[str], bool]
) -> Iterator[Identity]:
    """Those of the images that are not there any more.

    A member is gone if its archive is, or if that is whole and does not have it. `is_gone` tells
    of files, by paths or URLs.
    """
    members: dict[Identity, list[str]] = {}
    for root, path in identities:
        place = split(roots.paths[root], path)
        if place is None:
            continue
        if place.archive is not None:
            members.setdefault((root, place.archive), []).append(place.member)
        elif is_gone(roots.join(root, path)):
            yield root, path
    for (root, archive), names in members.items():
        path = roots.join(root, archive)
        for name in names if is_gone(path) else _absent(path, names):
            yield root, f"{archive}/{name}"


def _absent(archive: str, names: Iterable[str]) -> Iterable[str]:
    absent = {name_digest(name): name for name in names}
    try:
        for member, _ in Archive(archive, 0):
            if member.kind == "file":
                absent.pop(name_digest(plain_name(member.name)), None)
    except Damage:
        return ()
    return absent.values()
