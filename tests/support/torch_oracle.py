"""The reference transform's tensors, computed by torch and by torchvision itself."""

import importlib
from functools import cache
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from numpy.typing import NDArray
from PIL import Image

from tests.support.oracle import MEAN, STD, reference_pixels


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


def torch_encoded(pixels: NDArray[np.uint8], dtype: str) -> bytes:
    """The tensor of the cropped RGB `pixels`, cast by torch, as the bytes of a row of `dtype`."""
    if dtype == "uint8":
        return torch.from_numpy(pixels).permute(2, 0, 1).contiguous().numpy().tobytes()
    values = reference_values(pixels).to(getattr(torch, dtype))
    return values.view(torch.uint8).numpy().tobytes()


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
