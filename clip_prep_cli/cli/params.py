"""Click types that turn texts into valid values."""

import sys
from contextlib import suppress
from difflib import get_close_matches
from math import isnan
from typing import Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from clip_prep_cli.pixels.models import ALL_MODELS, MODELS
from clip_prep_cli.storage.location import storage_at


class ModelName(click.ParamType[str]):
    """One of OpenAI's names, or `all` unless it must be one model."""

    name = "model"

    def __init__(self, *, one: bool = False) -> None:
        self._names = tuple(MODELS) if one else (*MODELS, ALL_MODELS)

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name as OpenAI writes it, whatever its case was."""
        known = {name.lower(): name for name in self._names}
        if exact := known.get(value.lower()):
            return exact
        near = get_close_matches(value.lower(), known, n=1, cutoff=0.5)
        hint = f" Did you mean {known[near[0]]}?" if near else ""
        return self.fail(
            f"{value!r} is not a known model.{hint} See `clip-prep models`.", param, ctx
        )

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The names that begin like `incomplete`."""
        del ctx, param
        return [CompletionItem(n) for n in self._names if n.lower().startswith(incomplete.lower())]


class FailureLimit(NamedTuple):
    """How many failed images still count as success: a number, or a share in percent."""

    value: float
    percent: bool = False

    def exceeded(self, failed: int, listed: int) -> bool:
        """Whether `failed` of `listed` images are too many."""
        return failed > (self.value * listed / 100 if self.percent else self.value)


def failure_limit(text: str) -> FailureLimit:
    """The limit `N` or `P%`.

    Raises:
        click.BadParameter: it is neither a whole number nor a percentage from 0 to 100.
    """
    number = text.removesuffix("%")
    try:
        limit = FailureLimit(float(number) if number != text else int(number), number != text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither a number nor a percentage.") from None
    if not 0 <= limit.value <= (100 if limit.percent else float("inf")):
        raise click.BadParameter(f"{text!r} is out of range.")
    return limit


class Seconds(click.FloatRange):
    """A time; `inf` is for ever."""

    def convert(
        self,
        value: Any,  # noqa: ANN401 - as Click declares it
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> float:
        """The number, if it is one."""
        seconds: float = super().convert(value, param, ctx)
        if isnan(seconds):
            return self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return seconds


def source_count(text: str) -> int:
    """The number of rows; of `all`, one that no set reaches.

    Raises:
        click.BadParameter: it is neither.
    """
    if text.lower() == "all":
        return sys.maxsize
    with suppress(ValueError):
        if (count := int(text)) >= 0:
            return count
    raise click.BadParameter(f"{text!r} is not a number of rows.")


class SetPath(click.Path):
    """A directory, or a URL."""

    def convert(
        self,
        value: Any,  # noqa: ANN401 - as Click declares it
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:  # noqa: ANN401
        """The storage; what must be true of directories is checked for those alone."""
        storage = storage_at(value)
        if storage.here is not None:
            super().convert(storage.here, param, ctx)
        return storage
