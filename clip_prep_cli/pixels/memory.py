"""Memory that is used again and again, so that its pages need not be found again each time."""

import ctypes

_KEPT_BYTES = 1 << 26
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # <malloc.h>


class Scratch:
    """A buffer that grows with what is asked of it."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def take(self, size: int) -> memoryview:
        """`size` writable bytes, holding anything; valid until the next call."""
        if size > _KEPT_BYTES:  # a rare giant must not keep its memory for ever
            return memoryview(bytearray(size))
        if size > len(self._buffer):
            self._buffer = bytearray(size)
        return memoryview(self._buffer)[:size]


def keep_freed_memory() -> None:
    """Tell glibc to keep what this process frees, up to a point, instead of giving it back.

    By default each image's buffers go back to the system and come back one page fault per 4 kB.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc has it; musl, macOS do not
    if mallopt:
        mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES // 2)  # 32 MiB: the most that glibc allows
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
