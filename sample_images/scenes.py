"""The scenes of the sample images, one function each."""

import math
import random
from itertools import product

import numpy as np
from canvas import Array, Canvas, Point, mix, ridge
from PIL import Image, ImageOps


def sunset_lake() -> Image.Image:
    c = Canvas(800, 533, "#1d2458 #5d3a7c #d8656a #ffb45e #ffd98a #000000")
    c.blend("#ff9c7a", c.noise(1, 260, 34) * 0.8 * (c.y < 250))
    c.glow("#fff0b4", 520, 272, 150)
    c.oval("#fffbe6", 520, 268, 27)
    for layer, colour in enumerate(("#a4567a", "#6b3a66", "#35224a")):
        c.land(colour, ridge(c.x, 2 + layer, 262 + 21 * layer, 20, 190))
    rng = random.Random(4)
    for x in (300 * rng.random() ** 1.5 for _ in range(46)):
        c.fir("#1c1430", x, 318, rng.uniform(30, 105) * (1.1 - x / 400))
    c.mirror(316, "#1a1440", 0.12)
    glitter = np.exp(-(((c.x - 520) / (20 + 0.25 * abs(c.y - 316))) ** 2)) * (c.y > 317)
    c.blend("#ffe6a6", glitter * np.clip(c.noise(6, 40, 4), 0, 0.5) * 1.6)
    return c.finish()


def city_night() -> Image.Image:
    c = Canvas(768, 512, "#070b24 #161d50 #46377a #b0607f #000000")
    c.stars(1, 160, 230)
    c.glow("#59639c", 610, 80, 70)
    c.ball("#f6f1dc", 610, 80, 27)
    rng = random.Random(8)
    for low, high, wall in ((110, 250, "#322f66"), (40, 200, "#12122e")):
        left = -10
        while left < c.width:
            width, height = rng.randint(4, 8) * 9, rng.randint(low, high)
            c.box(wall, left, 376 - height, width, height)
            for x, y in product(range(5, width - 6, 9), range(8, height - 8, 13)):
                lamp = rng.choice(("#ffd27a", "#ffe9b8", "#f7a95a", "#a9c8ff"))
                glass = mix(wall, lamp, max(0, rng.uniform(-1.2, 1)))
                c.box(glass, left + x, 376 - height + y, 4.5, 7)
            left += width + rng.choice((0, 3, 14))
    c.mirror(376, "#131640", 0.25)
    c.box("#05060f", 0, 374, 768, 5)
    for x in range(12, 768, 48):
        c.glow("#ffcf80", x, 371, 7)
    return c.finish()


def sailing_boat() -> Image.Image:
    c = Canvas(720, 540, "#2f7fd0 #6fb2ea #bfe2f7 #eaf6fb #000000")
    c.blend("#ffffff", (c.noise(11, 240, 90) - 0.15) * 1.2)
    c.land("#7fa3b8", ridge(c.x, 12, 338, 26, 170))
    c.box("#1f639a", 0, 350, 720, 190)
    parts: dict[str, list[Point]] = {
        "#fdfdf8": [(372, 80), (372, 348), (540, 340), (455, 230)],
        "#e4572e": [(360, 104), (356, 346), (226, 344), (310, 230)],
        "#6b4a2f": [(363, 64), (369, 64), (369, 362), (363, 362)],
        "#8a2f25": [(214, 356), (556, 350), (510, 402), (262, 402)],
        "#f4efe2": [(214, 356), (556, 350), (550, 362), (219, 367)],
    }
    for colour, points in parts.items():
        c.polygon(f"{colour}90", *((x, 402 + (402 - y) * 0.42) for x, y in points))
    waves = np.sin(c.y**2 / 900 + 3 * c.noise(13, 90, 9)) * (c.y > 351)
    c.blend("#d8f0fb", (waves - 0.55) * 0.9)
    for colour, points in parts.items():
        c.polygon(colour, *points)
    return c.finish()


def lighthouse() -> Image.Image:
    c = Canvas(480, 720, "#16284f #3f5c8f #c98f8b #f5c99a #000000")
    c.stars(3, 70, 220)
    c.blend("#f3b7a0", c.noise(21, 200, 30) * 0.5)
    c.box("#2c4a6e", 0, 530, 480, 190)
    waves = np.sin(c.y**2 / 700 + 4 * c.noise(22, 80, 8)) * (c.y > 531)
    c.blend("#f5c99a", (waves - 0.5) * 0.7)
    c.polygon("#fff3c060", (250, 172), (480, 60), (480, 215))
    c.polygon("#fff3c050", (250, 172), (0, 110), (0, 225))
    for band, colour in enumerate(("#f7f3ea", "#c8342f") * 3):
        y, radius = 212 + 66 * band, 34 + 5.5 * band
        c.lathe(colour, 250, 7, (y, radius), (y + 66, radius + 5.5))
    c.lathe("#2a2f3c", 250, 7, (200, 44), (213, 44))
    c.lathe("#ffe9a0", 250, 5, (148, 24), (202, 26))
    c.lathe("#b32b2b", 250, 5, (112, 2), (150, 32))
    c.glow("#fffbe0", 250, 174, 46)
    c.land("#4a4250", ridge(c.x, 23, 590, 22, 90) + ((c.x - 255) / 21) ** 2)
    c.land("#2b2733", ridge(c.x, 24, 630, 18, 50) + ((c.x - 240) / 24) ** 2)
    return c.finish()


def foggy_forest() -> Image.Image:
    c = Canvas(640, 480, "#dedede #f6f6f6 #e6e6e6")
    rng = random.Random(35)
    for layer in range(6):
        foot, colour = 245 + 44 * layer, mix("#d6d6d6", "#101010", layer / 5)
        c.land(colour, ridge(c.x, 40 + layer, foot, 14, 220))
        for _ in range(30 - 4 * layer):
            height = (100 + 50 * layer) * rng.uniform(0.5, 1.2)
            c.fir(colour, rng.uniform(-20, 660), foot + height / 8, height)
        fog = np.exp(-(((c.y - foot - 20) / 70) ** 2)) * (1 - layer / 7)
        c.blend("#f2f2f2", fog * (0.8 + 0.35 * c.noise(50 + layer, 260, 60)))
    return c.finish().convert("L")


def fruit_bowl() -> Image.Image:
    c = Canvas(640, 480, "#6d8f8a #a9bda9 #d9d3b4")
    c.box("#9a6238", 0, 330, 640, 150)
    c.blend("#6b3d20", (c.y > 330) * (0.35 + 0.3 * c.noise(61, 300, 5)))
    shadow = np.exp(-(((c.x - 350) / 190) ** 4) - ((c.y - 428) / 20) ** 2)
    c.blend("#2a140c", 0.8 * shadow)
    c.oval("#1f3a5a", 320, 268, 188, 26)
    c.ball("#e8c53a", 205, 232, 62, 46)
    c.ball("#8fae3c", 420, 206, 60, 57)
    c.line("#5a3a20", 5, (424, 158), (430, 138))
    c.ball("#e9862a", 308, 196, 64)
    c.ball("#c92f35", 252, 254, 56, 53)
    c.ball("#c92f35", 366, 258, 55, 52)
    bowl = (268, 188), (300, 184), (345, 158), (385, 100), (412, 84)
    c.lathe("#3f78a8", 320, 26, *bowl)
    for row, length in enumerate((4, 5, 4, 3, 2, 1)):
        for step in range(length):
            x = 448 + 23 * (step - length / 2) + 3 * row
            c.ball("#6a3f86", x, 242 + 19 * row, 14)
    return c.finish()


def colour_wheel() -> Image.Image:
    c = Canvas(512, 512, "#fbfaf6")
    for ring, slot in product(range(7), range(24)):
        turns = math.tau * (slot + np.linspace(0.04, 0.96, 12)) / 24
        edge = [(240 - 30 * ring, turn) for turn in turns]
        edge += [(213 - 30 * ring, turn) for turn in reversed(turns)]
        colour = f"hsl({slot * 15}, {88 - 4 * ring}%, {34 + 8 * ring}%)"
        points = ((256 + r * math.sin(t), 256 - r * math.cos(t)) for r, t in edge)
        c.polygon(colour, *points)
    return c.finish()


def clip_logo() -> Image.Image:
    c = Canvas(512, 512, "#5b6cf0 #8d4fe0 #d04fb6")
    wire: list[Point] = [(330, 190)]
    for x, y, radius in ((256, 330, 74), (234, 172, -52), (256, 320, 30)):
        turns = np.linspace(0, math.pi, 40)
        wire += zip(x + radius * np.cos(turns), y + radius * np.sin(turns), strict=True)
    c.line("#ffffff", 20, *wire, (226, 210))
    edge = np.hypot(*(np.clip(abs(axis - 256) - 120, 0, 256) for axis in (c.x, c.y)))
    c.blend("#1c1040", edge > 84)
    alpha = np.where(edge < 84, 1, 0.55 * np.exp(-(((edge - 84) / 26) ** 2))) * 255
    c.image.putalpha(Image.fromarray(alpha.astype(np.uint8)))
    return c.finish()


def balloon() -> Image.Image:
    c = Canvas(400, 560, "#00ff00")
    backdrop = np.asarray(c.image)
    for side in (-1, -0.4, 0.4, 1):
        c.line("#5a4630", 1.6, (200 + 46 * side, 410), (200 + 27 * side, 490))
    c.lathe("#a8743f", 200, 6, (482, 30), (532, 25))
    turns = np.linspace(-1.57, 0.6, 60)
    outline = [(190 + 170 * math.sin(t), 170 * math.cos(t)) for t in turns]
    for gore in range(8, 0, -1):
        part = math.sin(gore * math.pi / 16)
        cloth = [(y, radius * part) for y, radius in (*outline, (412, 48))]
        c.lathe(("#e0433a", "#ffd257")[gore % 2], 200, 8, *cloth)
    drawn = (np.asarray(c.image) != backdrop).any(axis=2)
    c.image.putalpha(Image.fromarray(drawn))
    return c.finish().quantize(256)


def printed_page() -> Image.Image:
    c = Canvas(600, 800, "#ffffff")
    rng = random.Random(71)
    for y in (90, *range(130, 300, 18), *range(566, 760, 18)):
        x, size, end = (60.0, 26, 400) if y == 90 else (60.0, 8, 530)
        while x < end:
            across, up = rng.choices((0, 0.3, 0.6), k=4), rng.choices((0, 0.5, 1), k=4)
            pen = [(x + size * across[i], y - size * up[i]) for i in range(4)]
            c.line("#000000", size / 6, *pen)
            x += size * rng.choice((0.95, 0.95, 0.95, 0.95, 1.7))
    page = c.finish().convert("1", dither=Image.Dither.NONE)
    gray = np.asarray(sunset_lake().convert("L").resize((480, 220)))
    hatch = (np.arange(480)[None, :] + 2 * np.arange(220)[:, None]) % 7 * 36
    page.paste(Image.fromarray(gray > hatch), (60, 320))
    return page


def peaks(width: int, height: int, top: int) -> Array:
    """The light (0 to top) of misty mountains before a low sun."""
    y, x = np.mgrid[0:height, 0:width] / height
    light: Array = 0.95 - 0.5 * (1 - y) ** 2
    light += 0.3 * np.exp(-((x - 0.7 * width / height) ** 2 + (y - 0.25) ** 2) * 14)
    for layer in range(6):
        base = 0.33 + 0.117 * layer
        rock = (0.7 + 0.3 * np.clip(2.4 * (y - base), -0.3, 1)) * (1 - layer / 5)
        edge = ridge(x, 80 + layer, base, 0.095 - 0.008 * layer, 0.47)
        light += np.clip((y - edge) * height + 0.5, 0, 1) * (rock - light)
    light = (light - light.min()) / np.ptp(light)
    return np.round(light * top)


def misty_peaks() -> Image.Image:
    return Image.fromarray(peaks(480, 360, 65535).astype(np.uint16))


def mountain_range() -> Image.Image:
    gray = Image.fromarray(peaks(1600, 120, 255).astype(np.uint8))
    return ImageOps.colorize(gray, "#14203c", "#fff1d6", "#b5799b")


def traffic_lights() -> Image.Image:
    """Three pictures side by side: the frames of an animation."""
    c = Canvas(960, 400, "#27365f #6a6a94 #e0a58c")
    for x in range(20, 960, 20):
        c.oval("#ffd9a038", x, 290 + x % 320 * 7 % 110, 8 + x % 320 % 14)
    for lit, x in enumerate((160, 480, 800)):
        c.box("#1a1c24", x - 9, 330, 18, 70)
        c.box("#1f222c", x - 58, 24, 116, 316)
        for lamp, colour in enumerate(("#ff3b30", "#ffb800", "#2fd35c")):
            y, power = 78 + 102 * lamp, 1 if lamp == lit else 0.18
            c.glow(mix("#1f222c", colour, power**2), x, y, 50)
            c.ball(mix("#22242c", colour, power), x, y, 41)
    return c.finish()


def coloured_boxes() -> Image.Image:
    c = Canvas(300, 300, "#15130f")
    white, red, blue, yellow = "#f6f3ea", "#d3261f", "#1f4aa0", "#f4c81e"
    columns, rows = ((0, 62), (70, 150), (228, 72)), ((0, 90), (98, 140), (246, 54))
    paints = yellow, white, blue, white, red, white, white, white, yellow
    for spot, colour in zip(product(rows, columns), paints, strict=True):
        (y, height), (x, width) = spot
        c.box(colour, x, y, width, height)
    return c.finish()


def chess_board() -> Image.Image:
    c = Canvas(600, 400, "#1a2230 #33415a #5a6172")
    turn, zoom, back = np.exp(0.45j), 620, 13
    depth = 5.5 * zoom / (c.y + 40)
    board = ((c.x - 300) * depth / zoom + 1j * (depth - back)) / turn
    reach = np.maximum(abs(board.real), abs(board.imag))
    c.blend("#3a2015", reach < 4.5)
    c.blend("#ecd9b0", reach < 4)
    dark = (np.floor(board.real) + np.floor(board.imag)) % 2 == 0
    c.blend("#7a4526", (reach < 4) & dark)
    c.blend("#000000", np.hypot((c.x - 260) / 600, (c.y - 200) / 400) * 0.9 - 0.18)
    body = (-1.2, 0.17), (-1.1, 0.26), (-1.04, 0.17), (-0.5, 0.2), (-0.2, 0.36)
    places = 1.5 + 2.5j, -2.5 + 1.5j, -0.5 - 1.5j, 2.5 - 1.5j, -2.5 - 2.5j
    for colour, place in zip(("#2b1a14",) * 2 + ("#f3e6c8",) * 3, places, strict=True):
        spot = place * turn + 1j * back
        size = zoom / spot.imag
        x, y = 300 + spot.real * size, 5.5 * size - 40
        c.oval("#00000070", x + 0.25 * size, y, 0.5 * size, 0.2 * size)
        c.lathe(colour, x, 0.12 * size, *((y + a * size, b * size) for a, b in body))
        c.ball(colour, x, y - 1.35 * size, 0.26 * size)
    return c.finish()


def desert() -> Image.Image:
    c = Canvas(720, 480, "#3b7fc4 #8fc0dd #f7dcae #f2b880 #000000")
    c.glow("#fff6d0", 180, 150, 110)
    c.oval("#fffdf0", 180, 150, 24)
    for x, y, width in ((430, 200, 210), (60, 235, 90), (590, 245, 130)):
        foot = (x + width + 40, 300), (x - 40, 300)
        c.polygon("#b5654a", (x, y), (x + width, y), *foot)
    for layer, colour in enumerate(("#dc9a5b", "#cf8446", "#b96a35")):
        down = c.y - ridge(c.x, 91 + layer, 285 + 48 * layer, 22, 400)
        c.blend(colour, down > 0)
        c.blend("#ffe0a0", np.exp(-abs(down) / 14) * (down > 0) * 0.6)
    stem, arms = [(0, 0), (0, -190)], [(-54, -125), (-52, -66), (0, -60)]
    arms += [(0, -90), (46, -96), (48, -150)]
    coats = ("#234a2e", 30, 0), ("#3f7a48", 18, -4), ("#6aa35c", 5, -8)
    for x, y, size in ((560, 420, 1.3), (330, 345, 0.6), (120, 400, 0.9)):
        shadow = (x + 200 * size, y + 20 * size), (x, y + 9 * size)
        c.polygon("#5a2f2060", (x, y), *shadow)
        for (colour, width, shift), limb in product(coats, (stem, arms)):
            points = ((x + (a + shift) * size, y + b * size) for a, b in limb)
            c.line(colour, width * size, *points)
    return c.finish()


def rocket() -> Image.Image:
    c = Canvas(90, 1400, "#02030c #060a26 #12246a #3f7fd0 #a9d8f2 #f2ead2")
    c.stars(111, 170, 700)
    c.ball("#e9e4d4", 62, 60, 16)
    clouds = np.exp(-(((c.y - 1000) / 160) ** 2))
    c.blend("#ffffff", c.noise(112, 90, 40) * clouds)
    c.land("#5f7f58", ridge(c.x, 113, 1340, 8, 60))
    width = 5 + abs(c.y - 400) / 45
    trail = np.exp(-(((c.x - 45) / width) ** 2)) * (c.y > 330)
    c.blend("#fff3e2", trail * (0.9 + 0.4 * c.noise(114, 12, 16)))
    c.glow("#ffb347", 45, 352, 22)
    c.polygon("#c9352c", (45, 270), (66, 336), (24, 336))
    c.lathe("#f2f2ee", 45, 2, (232, 0.5), (246, 7), (270, 11), (320, 11), (338, 8))
    c.lathe("#c9352c", 45, 2, (232, 0.5), (246, 7), (252, 8.5))
    c.oval("#2f6fb0", 45, 276, 5)
    return c.finish()


def heart() -> Image.Image:
    c = Canvas(16, 12, "#ffe3e6")
    x, y = (c.x - 8) / 5.2, (6.6 - c.y) / 4.4
    c.blend("#d6203c", (x**2 + y**2 - 1) ** 3 < x**2 * y**3)
    return c.finish()
