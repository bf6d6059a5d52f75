"""A reader of tensor sets, written from docs/format.md alone: NumPy, json and xxhash.

It imports nothing of clip_prep_cli. The sections named are those of the specification.
"""

import json
import os
import struct
from collections.abc import Iterator
from mmap import mmap
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_hexdigest, xxh3_128_hexdigest

REASONS = {
    *("unreadable", "not_an_image", "truncated", "corrupt"),
    *("too_large", "unsupported", "timeout", "worker_died"),
}
DTYPES = {"float32": "<f4", "float16": "<f2", "bfloat16": "<u2", "uint8": "|u1"}
"""bfloat16 comes as its bits: NumPy has no such type."""

Json = dict[str, Any]
Content = bytes | mmap


class Row(NamedTuple):
    """A live row: the absolute path of its source, and its tensor [3, n, n]."""

    path: str
    tensor: NDArray[Any]


def read_set(directory: Path, folder: str) -> Iterator[Row]:
    """Every live row of one resolution's folder, after all checksums of its shard held."""
    manifest = read_manifest(directory)
    for shard in manifest["shards"]:
        records = read_index(directory, shard)
        name = f"{folder}/{shard['name']}.{manifest['tensors']['format']}"
        rows = read_tensors(directory, shard, name, manifest, records)
        for record, row in zip(records, rows, strict=True):
            if record["row"] not in shard["superseded_rows"]:
                yield Row(os.path.join(manifest["roots"][record["root"]], record["path"]), row)


def read_manifest(directory: Path) -> Json:
    """Section "manifest.json"."""
    content = (directory / "manifest.json").read_bytes()
    manifest: Json = json.loads(content)
    check("format version", manifest["format_version"], 1)
    body, mark, rest = content.rpartition(b',\n "xxh128": "')
    check("manifest", mark + rest, b',\n "xxh128": "%s"\n}\n' % xxh3_128_hexdigest(body).encode())
    return manifest


def read_index(directory: Path, shard: Json) -> list[Json]:
    """Section "index/shard-NNNNNN.jsonl"."""
    name = f"index/{shard['name']}.jsonl"
    content = (directory / name).read_bytes()
    check(name, len(content), shard["files"][name])
    check(name, xxh3_128_hexdigest(content), shard["checksums"][name])
    records = [json.loads(line) for line in content.splitlines()]
    check(name, [record["row"] for record in records], list(range(shard["samples"])))
    return records


def read_tensors(
    directory: Path, shard: Json, name: str, manifest: Json, records: list[Json]
) -> NDArray[Any]:
    """Sections "Tensor files: .npy" and "Tensor files: .pt"."""
    content = (directory / name).read_bytes()
    check(name, len(content), shard["files"][name])
    folder = name.partition("/")[0]
    side = next(at["n_px"] for at in manifest["resolutions"] if at["folder"] == folder)
    dtype = np.dtype(DTYPES[manifest["tensors"]["dtype"]])
    shape = (shard["samples"], 3, side, side)
    begin = 4096 if name.endswith(".npy") else pt_begin(content)
    if name.endswith(".npy"):
        check(name, content[:begin], npy_header(dtype, shape))
    row_bytes = 3 * side * side * dtype.itemsize
    end = begin + shape[0] * row_bytes
    check(name, xxh3_128_hexdigest(content[:begin] + content[end:]), shard["checksums"][name])
    for number, record in enumerate(records):
        row = content[begin + number * row_bytes :][:row_bytes]
        check(f"{name} row {number}", xxh3_64_hexdigest(row), record["rows"][folder])
    return np.frombuffer(content[begin:end], dtype).reshape(shape)


def npy_header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """The 4,096 bytes before the rows of a .npy file."""
    fields = f"{{'descr': '{dtype.str}', 'fortran_order': False, 'shape': {shape}, }}"
    return b"\x93NUMPY\x01\x00\xf6\x0f" + fields.ljust(4085).encode() + b"\n"


def pt_begin(content: Content) -> int:
    """The byte at which the rows of a .pt file begin, by the zip archive's central directory."""
    end = content.rfind(b"PK\x05\x06")
    entries, size, at = struct.unpack_from("<HII", content, end + 10)
    if entries == 0xFFFF or 0xFFFFFFFF in (size, at):  # Zip64
        end = struct.unpack_from("<Q", content, content.rfind(b"PK\x06\x07") + 8)[0]
        entries, size, at = struct.unpack_from("<QQQ", content, end + 32)
    for _ in range(entries):
        name_bytes, extra_bytes, comment_bytes = struct.unpack_from("<HHH", content, at + 28)
        if content[at + 46 : at + 46 + name_bytes] == b"archive/data/0":
            header = local_header(content, at, name_bytes, extra_bytes)
            name_bytes, extra_bytes = struct.unpack_from("<HH", content, header + 26)
            return header + 30 + int(name_bytes) + int(extra_bytes)
        at += 46 + name_bytes + extra_bytes + comment_bytes
    raise ValueError("no archive/data/0")


def local_header(content: Content, entry: int, name_bytes: int, extra_bytes: int) -> int:
    """Where a central directory entry says that the local file header is."""
    stored, unpacked, offset = struct.unpack_from("<II14xI", content, entry + 20)
    if offset != 0xFFFFFFFF:
        return int(offset)
    # Zip64: 8 bytes for each of the three that does not fit: unpacked, stored, offset.
    at = entry + 46 + name_bytes
    end = at + extra_bytes
    while at < end:
        tag, length = struct.unpack_from("<HH", content, at)
        if tag == 1:
            skipped = sum(8 for field in (unpacked, stored) if field == 0xFFFFFFFF)
            return int(struct.unpack_from("<Q", content, at + 4 + skipped)[0])
        at += 4 + length
    raise ValueError("no Zip64 offset")


def read_failures(directory: Path) -> list[Json]:
    """Section "failures.jsonl"."""
    content = (directory / "failures.jsonl").read_bytes()
    if expected := read_manifest(directory)["failures"]:
        found = {"bytes": len(content), "xxh128": xxh3_128_hexdigest(content)}
        check("failures.jsonl", found, expected)
    failures = [json.loads(line) for line in content.splitlines()]
    check("reasons", {failure["reason"] for failure in failures} - REASONS, set())
    return failures


def check(what: str, found: object, expected: object) -> None:
    """Raise ValueError if `what` is not as the specification has it."""
    if found != expected:
        raise ValueError(f"{what}: {found!r} instead of {expected!r}")
