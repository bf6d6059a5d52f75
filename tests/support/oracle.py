"""The reference transform in plain Pillow and torch calls; it shares no code with the package."""

import importlib
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
DTYPES = ("float32", "float16", "bfloat16", "uint8")


def reference_pixels(image: Image.Image, n_px: int) -> NDArray[np.uint8]:
    """Resize, CenterCrop, convert to RGB: the bytes [n_px, n_px, 3] before ToTensor."""
    width, height = image.size
    short, long = min(width, height), max(width, height)
    resized_long = int(n_px * long / short)
    size = (n_px, resized_long) if width <= height else (resized_long, n_px)
    if image.size != size:
        image = image.resize(size, Image.Resampling.BICUBIC)
    left = int(round((size[0] - n_px) / 2.0))  # noqa: RUF046
    top = int(round((size[1] - n_px) / 2.0))  # noqa: RUF046
    image = image.crop((left, top, left + n_px, top + n_px))
    return np.array(image.convert("RGB"))


def reference_values(pixels: NDArray[np.uint8]) -> torch.Tensor:
    """ToTensor and Normalize: bytes [h, w, 3] to float32 [3, h, w]."""
    tensor = torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
    values = tensor.to(torch.float32).div(255)
    mean = torch.tensor(MEAN, dtype=torch.float32).view(3, 1, 1)
    std = torch.tensor(STD, dtype=torch.float32).view(3, 1, 1)
    return values.sub(mean).div(std)


def reference(image: Image.Image, n_px: int) -> torch.Tensor:
    """The CLIP input tensor of `image`: float32 [3, n_px, n_px]."""
    return reference_values(reference_pixels(image, n_px))


def encoded(pixels: NDArray[np.uint8], dtype: str) -> bytes:
    """The tensor of the cropped RGB `pixels` as the bytes of a row of `dtype`."""
    values = reference_values(pixels)
    if dtype == "uint8":
        return pixels.transpose(2, 0, 1).tobytes()
    if dtype == "bfloat16":
        return values.bfloat16().view(torch.int16).numpy().tobytes()
    return {"float32": values, "float16": values.half()}[dtype].numpy().tobytes()


def expected(image: Image.Image, n_px: int, dtype: str = "float32") -> bytes:
    """The bytes of the row that `image` must become."""
    return encoded(reference_pixels(image, n_px), dtype)


def torchvision_transform(n_px: int) -> Any | None:
    """The transform of `clip/clip.py` in torchvision's own classes; None without torchvision."""
    transforms = _torchvision_transforms()
    if transforms is None:
        return None
    return transforms.Compose(
        [
            transforms.Resize(n_px, interpolation=transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(n_px),
            lambda image: image.convert("RGB"),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )


@cache
def _torchvision_transforms() -> Any | None:
    try:
        return importlib.import_module("torchvision.transforms")
    except ImportError:
        return None
    except RuntimeError:
        # The wheel for CUDA cannot load its compiled operators beside a torch for the CPU, and
        # its Python part fails where it refers to them. No transform calls any: a name will do.
        for operator in ("nms", "qnms"):
            _library().define(
                f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            )
        return importlib.import_module("torchvision.transforms")


@cache  # the operators go when the library does
def _library() -> Any:
    return torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
