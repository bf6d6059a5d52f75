"""The alternatives: each subject turns a folder of images into .npy files.

python subjects.py NAME FOLDER OUT N_PX WORKERS
"""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
SHARD = 1024
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
Transform = Callable[[str], Any]


def files(folder: str) -> list[str]:
    """The images below `folder`, sorted as clip-prep sorts them."""
    found = []
    for directory, folders, names in os.walk(folder):
        folders.sort()
        found += [os.path.join(directory, name) for name in sorted(names)]
    return [name for name in found if Path(name).suffix.lower() in SUFFIXES]


def reference(n_px: int) -> Transform:
    """The transform of openai/CLIP, as the Pillow and torch calls that torchvision makes."""
    import torch

    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))

    def transform(path: str) -> Any:
        image: Image.Image = Image.open(path)
        width, height = image.size
        short, long = sorted((width, height))
        size = (n_px, int(n_px * long / short))
        image = image.resize(size if width <= height else size[::-1], Image.Resampling.BICUBIC)
        left, top = (round((side - n_px) / 2) for side in image.size)
        image = image.crop((left, top, left + n_px, top + n_px)).convert("RGB")
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
        return pixels.to(torch.float32).div(255).sub_(mean).div_(std)

    return transform


def tensor_path(n_px: int) -> Transform:
    """Pillow decodes, torch resizes uint8 tensors with antialiasing: torchvision v2's way."""
    import torch
    from torch.nn.functional import interpolate

    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))

    def transform(path: str) -> Any:
        array = np.array(Image.open(path).convert("RGB"))
        pixels = torch.from_numpy(array).permute(2, 0, 1)[None]
        height, width = array.shape[:2]
        short, long = sorted((width, height))
        size = (int(n_px * long / short), n_px) if width <= height else (
            n_px, int(n_px * long / short))  # fmt: skip
        pixels = interpolate(pixels, size, mode="bicubic", antialias=True)[0]
        top, left = (round((side - n_px) / 2) for side in pixels.shape[1:])
        pixels = pixels[:, top : top + n_px, left : left + n_px]
        return pixels.to(torch.float32).div(255).sub_(mean).div_(std)

    return transform


def run_loader(transform: Transform, folder: str, out: Path, workers: int) -> None:
    """The usual script: a DataLoader, whose batches are saved with numpy.save."""
    import torch
    from torch.utils.data import DataLoader, Dataset

    torch.set_num_threads(1)

    class Images(Dataset[Any]):
        def __init__(self) -> None:
            self.paths = files(folder)

        def __len__(self) -> int:
            return len(self.paths)

        def __getitem__(self, index: int) -> Any:
            torch.set_num_threads(1)
            return transform(self.paths[index])

    batches = DataLoader(Images(), batch_size=32, num_workers=workers)
    rows: list[Any] = []
    for number, shard in enumerate(_shards(batches, rows)):
        np.save(out / f"shard-{number:06d}.npy", shard)


def _shards(batches: Any, rows: list[Any]) -> Iterator[Any]:
    for batch in batches:
        rows.append(batch.numpy())
        if sum(map(len, rows)) >= SHARD:
            yield np.concatenate(rows)
            rows.clear()
    if rows:
        yield np.concatenate(rows)


def run_dali(n_px: int, folder: str, out: Path, workers: int) -> None:
    """NVIDIA DALI's CPU pipeline, with its own decoder and resize."""
    from nvidia.dali import fn, pipeline_def, types

    @pipeline_def(batch_size=32, num_threads=workers, device_id=None)  # type: ignore[untyped-decorator]
    def pipeline() -> Any:
        data, _ = fn.readers.file(files=files(folder), name="reader")
        images = fn.decoders.image(data, device="cpu", output_type=types.RGB)
        images = fn.resize(images, resize_shorter=n_px, interp_type=types.INTERP_CUBIC)
        return fn.crop_mirror_normalize(
            images, crop=(n_px, n_px), dtype=types.FLOAT, output_layout="CHW",
            mean=[255 * m for m in MEAN], std=[255 * s for s in STD])  # fmt: skip

    pipe = pipeline()
    pipe.build()
    left = len(files(folder))
    rows: list[Any] = []
    number = 0
    while left > 0:
        batch = pipe.run()[0].as_array()[:left]
        left -= len(batch)
        rows.append(batch)
        if sum(map(len, rows)) >= SHARD or left <= 0:
            np.save(out / f"shard-{number:06d}.npy", np.concatenate(rows))
            rows, number = [], number + 1


def run_decode(folder: str) -> None:
    """Only decoding, the lower bound for any preprocessing."""
    import simplejpeg

    for path in files(folder):
        data = Path(path).read_bytes()
        if simplejpeg.is_jpeg(data):
            simplejpeg.decode_jpeg(data, "RGB")


def main(name: str, folder: str, out: str, n_px: str, workers: str) -> None:
    """Run one subject."""
    Path(out).mkdir(parents=True, exist_ok=True)
    if name == "decode":
        run_decode(folder)
    elif name == "dali":
        run_dali(int(n_px), folder, Path(out), int(workers))
    else:
        transform = {"reference": reference, "tensor": tensor_path}[name](int(n_px))
        run_loader(transform, folder, Path(out), int(workers))


if __name__ == "__main__":
    main(*sys.argv[1:])
