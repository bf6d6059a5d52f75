"""clip-prep: directories of images in, CLIP input tensors out, bit for bit."""

__version__ = "0.1.0"
