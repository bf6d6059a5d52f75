"""Make the sample images: small drawn scenes in every format and mode worth trying.

    python make.py [directory]

writes them to the directory (default: that of this script), and two files that
are not readable images to its folder broken/. It needs NumPy and Pillow (with AVIF
and WebP); with the same versions, every run writes the same bytes. The scenes are in
scenes.py, the drawing tools in canvas.py.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scenes
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import PREDICTOR

Save = Callable[[Image.Image, Path], None]


def plain(**options: Any) -> Save:
    return lambda image, path: image.save(path, **options)


def rotated(image: Image.Image, path: Path) -> None:
    """As phones do: the pixels are on their side, and EXIF says how to turn them upright."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    image.transpose(Image.Transpose.ROTATE_90).save(path, quality=85, exif=exif)


def for_print(image: Image.Image, path: Path) -> None:
    """In CMYK, with most of the gray part printed in black ink."""
    light = np.asarray(image) / 255
    black = 0.8 * (1 - light.max(axis=2))
    inks = [*(1 - light.transpose(2, 0, 1) / (1 - black)), black]
    bands = [Image.fromarray((ink * 255).round().astype(np.uint8)) for ink in inks]
    Image.merge("CMYK", bands).save(path, quality=80)


def animated(strip: Image.Image, path: Path) -> None:
    frames = (strip.crop((x, 0, x + 320, 400)) for x in (0, 320, 640))
    # Pillow only dithers to a palette that it is given
    first, *rest = (frame.quantize(palette=frame.quantize(256, kmeans=2)) for frame in frames)
    first.save(path, save_all=True, append_images=rest, duration=900, loop=0)


def truncated(image: Image.Image, path: Path) -> None:
    image.save(path, quality=80)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])


IMAGES: dict[str, tuple[Callable[[], Image.Image], Save]] = {
    "sunset-lake.jpg": (scenes.sunset_lake, plain(quality=85, subsampling="4:2:0")),
    "foggy-forest-gray.jpg": (scenes.foggy_forest, plain(quality=85)),
    "fruit-bowl-cmyk.jpg": (scenes.fruit_bowl, for_print),
    "sailing-boat-progressive.jpg": (
        scenes.sailing_boat,
        plain(quality=85, progressive=True),
    ),
    "lighthouse-exif-rotated.jpg": (scenes.lighthouse, rotated),
    "colour-wheel.png": (scenes.colour_wheel, plain(optimize=True)),
    "paper-clip-logo-alpha.png": (scenes.clip_logo, plain(optimize=True)),
    "balloon-palette-transparent.png": (scenes.balloon, plain(optimize=True)),
    "printed-page-1bit.png": (scenes.printed_page, plain(optimize=True)),
    "misty-peaks-16bit.png": (scenes.misty_peaks, plain(optimize=True)),
    "city-night.webp": (scenes.city_night, plain(quality=80, method=6)),
    "traffic-lights-animated.gif": (scenes.traffic_lights, animated),
    "coloured-boxes.bmp": (scenes.coloured_boxes, plain()),
    "chess-board-lzw.tif": (
        scenes.chess_board,
        plain(compression="tiff_lzw", tiffinfo={PREDICTOR: 2}),
    ),
    "desert.avif": (scenes.desert, plain(quality=70, max_threads=1)),
    "mountain-panorama-wide.jpg": (scenes.mountain_range, plain(quality=85)),
    "rocket-tall.png": (scenes.rocket, plain(optimize=True)),
    "heart-tiny.png": (scenes.heart, plain()),
    "broken/truncated.jpg": (scenes.sailing_boat, truncated),
}

ERROR_PAGE = """<!DOCTYPE html>
<html>
<head><title>404 Not Found</title></head>
<body><h1>Not Found</h1><p>The requested image is not on this server.</p></body>
</html>
"""


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    (folder / "broken").mkdir(parents=True, exist_ok=True)
    for name, (scene, save) in IMAGES.items():
        save(scene(), folder / name)
    (folder / "broken/not-an-image.jpg").write_text(ERROR_PAGE, newline="\n")


if __name__ == "__main__":
    main()
