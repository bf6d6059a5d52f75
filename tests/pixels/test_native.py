"""The native kernel: Pillow's bytes from every variant, and no byte outside its arguments."""

import ctypes
import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from clip_prep_cli.pixels import native
from clip_prep_cli.pixels.geometry import Geometry
from clip_prep_cli.pixels.native import Kernel, best_kernel, kernels
from clip_prep_cli.pixels.normalize import lookup_table
from clip_prep_cli.pixels.references import OPENAI
from clip_prep_cli.pixels.transforms import openai
from tests.support.images import target_of

every_kernel = pytest.mark.parametrize("kernel", kernels(), ids=lambda kernel: kernel.name)
BYTES = lookup_table(openai(224), "uint8", OPENAI)


def expected(pixels: NDArray[np.uint8], n_px: int) -> NDArray[np.uint8]:
    """The crop [3, n, n] of what Pillow's own resize gives."""
    image = Image.fromarray(pixels)
    target = target_of(image.size, n_px)
    if image.size != target.size:
        image = image.resize(target.size, Image.Resampling.BICUBIC)
    return np.asarray(image.crop(target.box)).transpose(2, 0, 1)


def noise(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """Random bytes, every third picture of 0 and 255 only: those overshoot most."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return pixels // 128 * np.uint8(255) if seed % 3 == 0 else pixels


def fill(kernel: Kernel, pixels: NDArray[np.uint8], table: NDArray[Any], out: NDArray[Any]) -> None:
    """Have the kernel fill `out` [3, n, n]."""
    height, width = pixels.shape[:2]
    kernel.fill(pixels, target_of((width, height), out.shape[1]), table, out)


def filled(kernel: Kernel, pixels: NDArray[np.uint8], n_px: int) -> NDArray[np.uint8]:
    """What the kernel makes of `pixels`."""
    out = np.full((3, n_px, n_px), 77, np.uint8)
    fill(kernel, pixels, BYTES, out)
    return out


def test_it_was_built() -> None:
    """Where the tests run there is a compiler: a missing kernel is a broken build."""
    assert kernels()[0].name == "c"
    assert best_kernel() is not None


@every_kernel
@given(
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    n_px=st.sampled_from((1, 2, 3, 7, 16, 31, 32, 64)),
    seed=st.integers(0, 1000),
)
@example(width=1, height=1, n_px=64, seed=0)
@example(width=1, height=300, n_px=7, seed=0)
@example(width=300, height=1, n_px=7, seed=0)
@example(width=40, height=300, n_px=16, seed=3)
@example(width=64, height=100, n_px=64, seed=3)
@example(width=65, height=64, n_px=64, seed=1)
@settings(deadline=None, max_examples=150)
def test_gives_pillows_bytes(kernel: Kernel, width: int, height: int, n_px: int, seed: int) -> None:
    """Any size, up or down, either order of passes, extremes of contrast."""
    pixels = noise(width, height, seed)
    assert filled(kernel, pixels, n_px).tobytes() == expected(pixels, n_px).tobytes()


@every_kernel
@pytest.mark.parametrize("n_px", [224, 288, 336, 384, 448])
@pytest.mark.parametrize("size", [(500, 375), (375, 500), (300, 1000), (1000, 300)])
def test_gives_pillows_bytes_at_the_models_resolutions(
    kernel: Kernel, size: tuple[int, int], n_px: int
) -> None:
    """Photographs' sizes at every model's resolution, tall beyond 1:2 included."""
    pixels = noise(*size, seed=1)
    assert filled(kernel, pixels, n_px).tobytes() == expected(pixels, n_px).tobytes()


@every_kernel
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "uint8"])
def test_looks_every_dtype_up(kernel: Kernel, dtype: str) -> None:
    """The row holds the table's value of each byte, whatever its width, for every byte."""
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    table = lookup_table(openai(224), dtype, OPENAI)
    out = np.empty((3, 16, 16), table.dtype)
    fill(kernel, levels, table, out)
    assert out.tobytes() == table.tobytes()


@every_kernel
@given(width=st.integers(1, 70), height=st.integers(1, 70), n_px=st.sampled_from((1, 5, 16)))
@settings(deadline=None, max_examples=100)
def test_touches_nothing_outside(kernel: Kernel, width: int, height: int, n_px: int) -> None:
    """Input and output may end, or begin, right at a page that must not be touched."""
    pixels = noise(width, height, seed=2)
    for at_end in (True, False):
        source = guarded(pixels.nbytes, at_end=at_end).reshape(pixels.shape)
        source[:] = pixels
        out = guarded(3 * n_px * n_px, at_end=at_end).reshape(3, n_px, n_px)
        fill(kernel, source, BYTES, out)
        assert out.tobytes() == expected(pixels, n_px).tobytes()


def guarded(size: int, *, at_end: bool) -> NDArray[np.uint8]:
    """Memory of `size` bytes with an inaccessible page right behind it, or right before it."""
    page = mmap.PAGESIZE
    middle = -(-size // page) * page
    region = mmap.mmap(-1, middle + 2 * page)
    array = np.frombuffer(region, np.uint8)
    libc = ctypes.CDLL(None, use_errno=True)
    for guard in (0, page + middle):
        address = ctypes.c_void_p(array.ctypes.data + guard)
        assert libc.mprotect(address, ctypes.c_size_t(page), 0) == 0
    first = page + (middle - size if at_end else 0)
    return array[first : first + size]


GOOD: dict[str, Any] = {
    "pixels": np.zeros((4, 6, 3), np.uint8),
    "size": (6, 4),
    "resized": (12, 8),
    "offset": (2, 0),
    "n_px": 8,
    "vertical_first": False,
    "table": BYTES,
    "out": np.zeros((3, 8, 8), np.uint8),
    "variant": 0,
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"pixels": np.zeros((4, 5, 3), np.uint8)},
        {"pixels": np.zeros(0, np.uint8)},
        {"pixels": np.zeros(71, np.uint8)},
        {"size": (0, 4)},
        {"size": (6, -4)},
        {"size": (2**24 + 1, 4)},
        {"size": (2**31 - 1, 2**31 - 1)},
        {"resized": (7, 8)},
        {"resized": (2**31 - 1, 8)},
        {"offset": (-1, 0)},
        {"offset": (5, 0)},
        {"offset": (2, 1)},
        {"n_px": 0},
        {"n_px": 2**20},
        {"n_px": 7},
        {"table": np.zeros((3, 255), np.uint8)},
        {"table": np.zeros((3, 256), np.float64)},
        {"out": np.zeros((3, 8, 7), np.uint8)},
        {"out": np.zeros((3, 8, 8), np.float32)},
        {"variant": -1},
        {"variant": 99},
    ],
    ids=repr,
)
def test_refuses_what_does_not_fit(wrong: dict[str, Any]) -> None:
    """Every size is checked against the others before memory is touched."""
    from clip_prep_cli.pixels import _resize

    _resize.resize_crop(*GOOD.values())
    with pytest.raises(ValueError, match=r"\w"):
        _resize.resize_crop(*(GOOD | wrong).values())


def test_refuses_what_is_not_writable_or_contiguous() -> None:
    """The output must be writable, the pixels in one piece."""
    from clip_prep_cli.pixels import _resize

    readonly = np.zeros((3, 8, 8), np.uint8)
    readonly.setflags(write=False)
    with pytest.raises((TypeError, ValueError, BufferError)):
        _resize.resize_crop(*(GOOD | {"out": readonly}).values())
    every_other = np.zeros((4, 12, 3), np.uint8)[:, ::2]
    with pytest.raises((TypeError, ValueError, BufferError)):
        _resize.resize_crop(*(GOOD | {"pixels": every_other}).values())


def test_a_kernel_that_disagrees_with_pillow_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """One wrong byte in one trial image, and Pillow does the work."""
    right = Kernel.fill

    def wrong(self: Kernel, pixels: Any, target: Geometry, table: Any, out: Any) -> None:
        right(self, pixels, target, table, out)
        if pixels.shape[:2] == (23, 5):
            out[2, 1, 1] ^= 1

    monkeypatch.setattr(Kernel, "fill", wrong)
    assert native.best_kernel.__wrapped__() is None


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads memory from /proc")
@every_kernel
def test_leaks_nothing(kernel: Kernel) -> None:
    """Hundreds of images leave no more memory behind than the first ones did."""

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE

    pixels, out = noise(400, 300), np.empty((3, 224, 224), np.uint8)
    for _ in range(20):
        fill(kernel, pixels, BYTES, out)
    before = resident()
    for _ in range(300):
        fill(kernel, pixels, BYTES, out)
    assert resident() - before < 300 * 10_000  # one call has 300 kB of its own
