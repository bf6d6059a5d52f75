from typing import Any

from numpy.typing import NDArray

VARIANTS: list[str]

def resize_crop(
    pixels: NDArray[Any],
    size: tuple[int, int],
    resized_size: tuple[int, int],
    offset: tuple[int, int],
    n_px: int,
    vertical_first: bool,
    table: NDArray[Any],
    out: NDArray[Any],
    variant: int,
    /,
) -> None: ...
