"""Serve a directory from memory as an S3 bucket, with a delay; faster than what it measures."""

import argparse
import asyncio
import re
import sys
from pathlib import Path
from typing import cast
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

_TIME = ("2024-05-01T12:00:00.000Z", "Wed, 01 May 2024 12:00:00 GMT")


class Bucket:
    """Every file below a directory, in memory, as the objects of a bucket of any name."""

    def __init__(self, directory: Path) -> None:
        contents: dict[Path, bytes] = {}
        self._objects: dict[str, bytes] = {}
        for path in sorted(path for path in directory.rglob("*") if path.is_file()):
            file = path.resolve()
            contents[file] = contents.get(file) or file.read_bytes()
            self._objects[str(path.relative_to(directory))] = contents[file]

    def answer(self, method: str, target: str, headers: str) -> bytes:
        """The whole answer to a request."""
        url = urlsplit(target)
        _, _, key = unquote(url.path).lstrip("/").partition("/")
        if not key:
            query = parse_qs(url.query, keep_blank_values=True)
            body = self._listing(query.get("prefix", [""])[0]).encode()
            return _head("200 OK", len(body), "application/xml") + (
                b"" if method == "HEAD" else body
            )
        data = self._objects.get(key)
        if data is None:
            return _head("404 Not Found", 0)
        status, part = "200 OK", data
        if found := re.search(r"(?i)^range: bytes=(\d+)-(\d*)", headers, re.MULTILINE):
            status = "206 Partial Content"
            part = data[int(found[1]) : int(found[2]) + 1 if found[2] else None]
        return _head(status, len(part)) + (b"" if method == "HEAD" else part)

    def _listing(self, prefix: str) -> str:
        folders: dict[str, None] = {}
        files = []
        for key, data in self._objects.items():
            if key.startswith(prefix):
                name, slash, _ = key[len(prefix) :].partition("/")
                if slash:
                    folders[name] = None
                else:
                    files.append((key, len(data)))
        contents = (
            f"<Contents><Key>{escape(key)}</Key><Size>{size}</Size>"
            f"<LastModified>{_TIME[0]}</LastModified></Contents>"
            for key, size in files
        )
        prefixes = (
            f"<CommonPrefixes><Prefix>{escape(prefix + name)}/</Prefix></CommonPrefixes>"
            for name in folders
        )
        return (
            '<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated>'
            f"<KeyCount>{len(files) + len(folders)}</KeyCount>"
            f"{''.join(contents)}{''.join(prefixes)}</ListBucketResult>"
        )


def _head(status: str, length: int, kind: str = "image/jpeg") -> bytes:
    return (
        f"HTTP/1.1 {status}\r\nContent-Length: {length}\r\nContent-Type: {kind}\r\n"
        f"Last-Modified: {_TIME[1]}\r\n\r\n"
    ).encode()


class _Connection(asyncio.Protocol):
    def __init__(self, bucket: Bucket, delay: float) -> None:
        self._bucket = bucket
        self._delay = delay
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            line, _, headers = head.decode("latin-1").partition("\r\n")
            method, target, _ = line.split(" ")
            answer = self._bucket.answer(method, target, headers)
            asyncio.get_running_loop().call_later(self._delay, self._transport.write, answer)


async def _serve(directory: Path, delay: float) -> None:
    bucket = Bucket(directory)
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(bucket, delay), "127.0.0.1", 0, backlog=1024
    )
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--delay", type=float, default=0, help="milliseconds before each answer")
    arguments = parser.parse_args()
    asyncio.run(_serve(arguments.directory, arguments.delay / 1000))
