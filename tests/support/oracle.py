"""The reference transform in plain Pillow and NumPy calls; it shares no code with the package.

NumPy's float32 arithmetic gives the bits of ToTensor and Normalize: `test_against_torch.py` holds
it to torch and torchvision, through `torch_oracle`.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
PUBLISHED = {
    "RN50": 224,
    "RN101": 224,
    "RN50x4": 288,
    "RN50x16": 384,
    "RN50x64": 448,
    "ViT-B/32": 224,
    "ViT-B/16": 224,
    "ViT-L/14": 224,
    "ViT-L/14@336px": 336,
}
"""The models that OpenAI published, and their resolutions."""

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


def encoded(pixels: NDArray[np.uint8], dtype: str) -> bytes:
    """The tensor of the cropped RGB `pixels` as the bytes of a row of `dtype`."""
    planes = pixels.transpose(2, 0, 1)
    if dtype == "uint8":
        return planes.tobytes()
    mean, std = (np.array(constant, np.float32).reshape(3, 1, 1) for constant in (MEAN, STD))
    values = (planes.astype(np.float32) / np.float32(255) - mean) / std
    if dtype == "bfloat16":
        bits = values.view(np.uint32)
        return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16).tobytes()
    return values.astype(dtype).tobytes()


def expected(image: Image.Image, n_px: int, dtype: str = "float32") -> bytes:
    """The bytes of the row that `image` must become."""
    return encoded(reference_pixels(image, n_px), dtype)
