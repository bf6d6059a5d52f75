"""Google Cloud Storage: inputs and sets there, by the real command against an emulator."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote
from urllib.request import urlopen

import pytest

pytest.importorskip("gcp_storage_emulator")
pytest.importorskip("gcsfs")

from gcp_storage_emulator.server import create_server

from tests.support.command import Env, album, check_whole, clip_prep, convert, rows, tree_digest

pytestmark = pytest.mark.remote

OPTIONS = ("--shard-size", "4", "-j", "1")


class Bucket(NamedTuple):
    """A bucket `b` on an emulator, reached by plain requests."""

    endpoint: str

    @property
    def env(self) -> Env:
        """What makes the product use this server."""
        return {
            "STORAGE_EMULATOR_HOST": self.endpoint,
            "FSSPEC_GS_TOKEN": "anon",
            "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",  # of which the emulator knows nothing
        }

    def put(self, name: str, data: bytes) -> None:
        """Store an object."""
        url = f"{self.endpoint}/upload/storage/v1/b/b/o?uploadType=media&name={quote(name)}"
        urlopen(url, data).close()

    def download(self, prefix: str, directory: Path) -> Path:
        """Write what is below a prefix into a directory."""
        with urlopen(f"{self.endpoint}/storage/v1/b/b/o?prefix={prefix}/") as answer:
            names = [item["name"] for item in json.load(answer)["items"]]
        for name in names:
            path = directory / name.removeprefix(f"{prefix}/")
            path.parent.mkdir(parents=True, exist_ok=True)
            url = f"{self.endpoint}/download/storage/v1/b/b/o/{quote(name, safe='')}?alt=media"
            with urlopen(url) as answer:
                path.write_bytes(answer.read())
        return directory


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    """An empty bucket."""
    server = create_server("127.0.0.1", 0, in_memory=True, default_bucket="b")
    with server:
        server._api.is_running.wait()
        yield Bucket(f"http://127.0.0.1:{server._api._httpd.server_address[1]}")


def test_from_and_to_a_bucket(bucket: Bucket, tmp_path: Path) -> None:
    """Rows and sets are those of local runs; a second run has nothing to do."""
    source, local = album(tmp_path / "in", 6), tmp_path / "local"
    convert(source, local, *OPTIONS)
    for path in source.iterdir():
        bucket.put(f"in/{path.name}", path.read_bytes())
    convert("gs://b/in", tmp_path / "out", *OPTIONS, env=bucket.env)
    assert rows(tmp_path / "out") == rows(local)
    convert(source, "gs://b/out", *OPTIONS, env=bucket.env)
    there = bucket.download("out", tmp_path / "there")
    check_whole(there)
    assert tree_digest(there) == tree_digest(local)
    said = convert(source, "gs://b/out", *OPTIONS, env=bucket.env).stdout
    assert "Nothing new" in said
    assert "6 equal" in clip_prep("verify", "gs://b/out", "--sources", "9", env=bucket.env).stdout
