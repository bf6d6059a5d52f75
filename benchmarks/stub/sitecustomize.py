"""No pixels: with this directory on PYTHONPATH, clip-prep does everything else.

Rows are 8 x 8, and decoding gives the same image for any file. Every hundredth file is refused if
the environment has `SCALE_FAILURES`. The package itself is unchanged: two of its modules are
patched on import, in every process.
"""

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import MappingProxyType, ModuleType
from typing import Any

N_PX = 8


def _tiny(models: Any) -> None:
    tiny = models.openai(N_PX)
    models.MODELS = models.OPENAI_MODELS = MappingProxyType(dict.fromkeys(models.MODELS, tiny))


def _stub(decode: Any) -> None:
    import numpy as np

    decoded = decode.Decoded("JPEG", "RGB", N_PX, N_PX, np.zeros((N_PX, N_PX, 3), np.uint8))

    def one_for_all(_: object, data: memoryview) -> Any:
        if "SCALE_FAILURES" in os.environ and bytes(data[:2]) == b"00":
            raise decode.DecodeError(
                "truncated", "image file is truncated (12 bytes not processed)"
            )
        return decoded

    decode.Decoder.decode = one_for_all


_PATCHES: dict[str, Callable[[Any], None]] = {
    "clip_prep_cli.pixels.models": _tiny,
    "clip_prep_cli.pixels.decode": _stub,
}


class _Patcher(MetaPathFinder):
    """Finds modules where they are, and patches them once they are loaded."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module that is to be patched."""
        if name not in _PATCHES:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec and spec.loader:
            execute = spec.loader.exec_module
            spec.loader.exec_module = partial(_executed, execute)  # type: ignore[method-assign]
        return spec


def _executed(execute: Callable[[ModuleType], None], module: ModuleType) -> None:
    execute(module)
    _PATCHES[module.__name__](module)


sys.meta_path.insert(0, _Patcher())
