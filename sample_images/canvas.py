"""The drawing tools of the scenes: a canvas, and things to put on it."""

import math
import random
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageColor, ImageDraw

Array = npt.NDArray[Any]
Point = tuple[float, float]

SCALE = 3  # scenes are drawn this much larger, then shrunk, to get smooth edges
SHADE = "#100820"


def mix(start: str, end: str, part: float) -> str:
    pairs = zip(ImageColor.getrgb(start), ImageColor.getrgb(end), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * part):02x}" for a, b in pairs)


def ridge(x: Array, seed: int, base: float, swing: float, length: float) -> Array:
    """The y of a hilly skyline around base, its hills about length wide."""
    rng = np.random.default_rng(seed)
    top = np.full(x.shape, float(base))
    for octave in range(6):
        place = x / length * 2**octave
        left = place.astype(int)
        part = (place - left) ** 2 * (3 - 2 * (place - left))
        knots = rng.uniform(-swing, swing, left.max() + 2) / 2**octave
        top -= knots[left] * (1 - part) + knots[left + 1] * part
    return top


class Canvas:
    """An RGB picture to draw on, at first a sky with the given colours downwards.

    All coordinates are pixels of the finished image.
    """

    def __init__(self, width: int, height: int, sky: str) -> None:
        self.width, self.height = width, height
        self.x = (np.arange(width * SCALE)[None, :] + 0.5) / SCALE
        self.y = (np.arange(height * SCALE)[:, None] + 0.5) / SCALE
        colours = [ImageColor.getrgb(colour) for colour in sky.split()]
        stops = np.linspace(0, height, len(colours))
        bands = zip(*colours, strict=True)
        column = np.stack([np.interp(self.y, stops, band) for band in bands], axis=-1)
        rows = np.repeat(column.round().astype(np.uint8), width * SCALE, axis=1)
        self.image = Image.fromarray(rows)

    def finish(self) -> Image.Image:
        return self.image.resize((self.width, self.height), Image.Resampling.LANCZOS)

    def blend(self, colour: str, alpha: Array) -> None:
        """Lay the colour over the picture, as thick as alpha (0 to 1) says."""
        mask = np.broadcast_to(np.clip(alpha, 0, 1) * 255, self.image.size[::-1])
        self.image.paste(colour, mask=Image.fromarray(mask.round().astype(np.uint8)))

    def polygon(self, colour: str, *points: Point) -> None:
        draw = ImageDraw.Draw(self.image, "RGBA")  # lets "#rrggbbaa" shine through
        draw.polygon([(x * SCALE, y * SCALE) for x, y in points], colour)

    def box(self, colour: str, x: float, y: float, width: float, height: float) -> None:
        right, foot = x + width, y + height
        self.polygon(colour, (x, y), (right, y), (right, foot), (x, foot))

    def oval(self, colour: str, x: float, y: float, rx: float, ry: float = 0) -> None:
        turns = np.linspace(0, math.tau, 90)
        edge = zip(x + rx * np.cos(turns), y + (ry or rx) * np.sin(turns), strict=True)
        self.polygon(colour, *edge)

    def line(self, colour: str, width: float, *points: Point) -> None:
        path = [(x * SCALE, y * SCALE) for x, y in points]
        ImageDraw.Draw(self.image).line(path, colour, round(width * SCALE))
        for x, y in points:
            self.oval(colour, x, y, width / 2)

    def land(self, colour: str, top: Array) -> None:
        self.blend(colour, self.y > top)

    def glow(self, colour: str, x: float, y: float, size: float) -> None:
        self.blend(colour, np.exp(-((self.x - x) ** 2 + (self.y - y) ** 2) / size**2))

    def noise(self, seed: int, cell_x: float, cell_y: float) -> Array:
        """Smooth blotches about cell_x by cell_y large, mostly between -1 and 1."""
        rng = np.random.default_rng(seed)
        total = np.zeros(self.image.size[::-1])
        for part in (1, 2, 4, 8):
            rows, columns = self.height / cell_y * part, self.width / cell_x * part
            cells = rng.uniform(-1, 1, (int(rows) + 2, int(columns) + 2)) / part
            small = Image.fromarray(cells.astype(np.float32))
            total += np.asarray(small.resize(self.image.size, Image.Resampling.BICUBIC))
        return total

    def ball(self, colour: str, x: float, y: float, rx: float, ry: float = 0) -> None:
        dx, dy = (self.x - x) / rx, (self.y - y) / (ry or rx)
        front = np.sqrt(np.clip(1 - dx**2 - dy**2, 0, 1))
        light = np.clip(0.62 * front - 0.5 * dx - 0.6 * dy, 0, 1)
        self.blend(colour, front > 0)
        self.blend(mix(colour, SHADE, 0.85), (front > 0) * (1 - light) * 0.8)
        self.blend("#ffffff", (front > 0) * light**24 * 0.7)

    def lathe(self, colour: str, x: float, sag: float, *outline: Point) -> None:
        """A turned body: outline gives (y, radius) downwards; sag rounds its ends."""
        ys, radii = zip(*outline, strict=True)
        bulge = np.zeros_like(self.x)
        for _ in range(2):
            across = (self.x - x) / np.interp(self.y - bulge, ys, radii)
            bulge = sag * np.sqrt(np.clip(1 - across**2, 0, 1))
        level = self.y - bulge
        inside = (np.abs(across) < 1) & (level > ys[0]) & (level < ys[-1])
        self.blend(colour, inside)
        shade = 0.45 * np.clip(across + 0.35, -0.5, 2) ** 2
        self.blend(mix(colour, SHADE, 0.8), inside * shade)

    def mirror(self, shore: float, water: str, depth: float) -> None:
        """Let everything above the shore be reflected in rippled water below it."""
        down = self.y - shore
        ripple = self.noise(5, 70, 5) * np.clip(down, 0, None) * 0.16
        rows = np.clip(shore - down + ripple, 0, shore - 1)
        rows = (np.where(down > 0, rows, self.y) * SCALE).astype(int)
        columns = np.arange(self.width * SCALE)[None, :]
        self.image = Image.fromarray(np.asarray(self.image)[rows, columns])
        self.blend(water, (down > 0) * (depth + 0.3 * down / self.height))

    def stars(self, seed: int, count: int, bottom: float) -> None:
        rng = random.Random(seed)
        for _ in range(count):
            x, y = rng.uniform(0, self.width), bottom * rng.random() ** 1.3
            tint = mix("#ffe2c0", "#d5e4ff", rng.random())
            self.oval(f"{tint}{rng.randint(70, 255):02x}", x, y, rng.uniform(0.4, 1.2))

    def fir(self, colour: str, x: float, foot: float, height: float) -> None:
        side = [(0.0, 0.0)]
        for tier in range(1, 9):
            side += [(0.026 * tier, tier / 9), (0.014 * tier, tier / 9 - 0.015)]
        side += [(0.02, 0.87), (0.02, 1.0)]
        outline = side + [(-across, down) for across, down in reversed(side)]
        top = foot - height
        self.polygon(colour, *((x + a * height, top + d * height) for a, d in outline))
