"""clip-prep: directories of images in, CLIP input tensors out, bit for bit."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from clip_prep_cli.common.versions import __version__ as __version__

if TYPE_CHECKING:
    from clip_prep_cli.api import convert as convert
    from clip_prep_cli.api import preprocess as preprocess
    from clip_prep_cli.dataset import ShardSampler as ShardSampler
    from clip_prep_cli.dataset import TensorDataset as TensorDataset
    from clip_prep_cli.run.options import ConvertOptions as ConvertOptions

_HOMES = {
    "ConvertOptions": "run.options",
    "convert": "api",
    "preprocess": "api",
    "ShardSampler": "dataset",
    "TensorDataset": "dataset",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import what is asked for: the command has no use for NumPy, nor an array for PyTorch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        need = f"{name} needs PyTorch: pip install 'clip-prep-cli[torch]'"
        raise ImportError(need, name="torch") from error


def __dir__() -> list[str]:
    return ["__version__", *_HOMES]
