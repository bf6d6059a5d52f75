"""The image formats that are opened, and the suffixes by which a directory walk knows them.

Only what Pillow decodes by itself: nothing that starts another program (EPS: Ghostscript), that
is a document or a drawing (PDF, WMF), or that nobody has as a photograph.
"""

FORMATS = (
    "JPEG",  # MPO too: Pillow opens it as a JPEG of several frames
    "PNG",
    "WEBP",
    "AVIF",
    "GIF",
    "BMP",
    "TIFF",
    "JPEG2000",
    "PPM",
    "ICO",
    "QOI",
    "PCX",
    "SGI",
    "DDS",
    "PSD",
    "TGA",  # last: it has no signature, so it is what nothing else was
)
"""Pillow's names of the formats, in the order in which a file's content is tried."""

SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("jpg", "jpeg", "jpe", "jfif", "mpo", "png", "apng", "webp", "avif", "avifs", "gif"),
        *("bmp", "tif", "tiff", "jp2", "j2k", "jpc", "jpf", "jpx", "j2c", "ppm", "pgm", "pbm"),
        *("pnm", "pfm", "ico", "qoi", "pcx", "sgi", "rgb", "rgba", "bw", "dds", "psd", "tga"),
        *("icb", "vda", "vst"),
    )
)
"""Lower-case suffixes of the files that a walk takes."""
