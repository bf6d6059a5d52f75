"""A real S3 server in a process of its own; proxy.py has what does harm in front of it."""

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("moto")
pytest.importorskip("s3fs")

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.command import Env, wait_until

_KEY = "testing"


class Store:
    """A bucket of its own on a server, reached by another client than the product's."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.bucket = f"b-{uuid.uuid4().hex}"
        self.url = f"s3://{self.bucket}"
        self.client: Any = botocore.session.get_session().create_client(
            "s3",
            region_name="us-east-1",
            endpoint_url=endpoint,
            aws_access_key_id=_KEY,
            aws_secret_access_key=_KEY,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )
        self.client.create_bucket(Bucket=self.bucket)

    def env(self, endpoint: str | None = None) -> Env:
        """What makes the product use this server, or a proxy in front of it."""
        return environment_of(endpoint or self.endpoint)

    def put(self, key: str, data: bytes) -> None:
        """Store an object."""
        self.client.put_object(Bucket=self.bucket, Key=key, Body=data)

    def get(self, key: str) -> bytes:
        """The bytes of an object."""
        data: bytes = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return data

    def has(self, key: str) -> bool:
        """Whether there is such an object."""
        try:
            self.client.head_object(Bucket=self.bucket, Key=key)
        except ClientError:
            return False
        return True

    def delete(self, key: str) -> None:
        """Remove an object."""
        self.client.delete_object(Bucket=self.bucket, Key=key)

    def keys(self, prefix: str = "") -> list[str]:
        """The names of all objects below a prefix, sorted."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix
        )
        return sorted(entry["Key"] for page in pages for entry in page.get("Contents", ()))

    def upload(self, directory: Path, prefix: str = "") -> None:
        """Store every file below a directory under the same name below `prefix`."""
        for path in sorted(directory.rglob("*")):
            if path.is_file():
                below = str(path.relative_to(directory))
                self.put(f"{prefix}/{below}" if prefix else below, path.read_bytes())

    def download(self, directory: Path, prefix: str = "") -> Path:
        """Write every object below `prefix` into a directory."""
        for key in self.keys(prefix):
            path = directory / key.removeprefix(prefix).lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.get(key))
        return directory


def environment_of(endpoint: str) -> Env:
    """What makes the product use an S3 server."""
    return {
        "AWS_ACCESS_KEY_ID": _KEY,
        "AWS_SECRET_ACCESS_KEY": _KEY,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@contextmanager
def s3_server(log: Path) -> Iterator[str]:
    """A moto server on a free port of 127.0.0.1; gives its URL."""
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
            stdout=output,
            stderr=output,
            env={**os.environ, **environment_of("")},
        )

    def address() -> list[str]:
        assert process.poll() is None, log.read_text()
        return re.findall(r"http://127\.0\.0\.1:\d+", log.read_text())

    try:
        wait_until(lambda: bool(address()))
        yield address()[0]
    finally:
        process.kill()
        process.wait()
