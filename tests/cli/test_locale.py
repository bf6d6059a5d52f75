"""File names are UTF-8, whatever the locale; a Python that reads them otherwise is refused."""

from pathlib import Path

import pytest

from tests.support.command import album, clip_prep, convert, paths

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.slow
def test_an_interpreter_that_knows_no_utf_8(tmp_path: Path) -> None:
    """It would know the same file by another name: refused, with what to set."""
    source, out = album(tmp_path / "in", 1), tmp_path / "out"
    for arguments in (("models",), ("verify", tmp_path), ("compact", tmp_path)):
        done = clip_prep(*arguments, status=2, env=ASCII)
        assert "Set PYTHONUTF8=1 in the environment." in done.stderr
        assert not done.stdout
    assert "not as UTF-8" in convert(source, out, status=2, env=ASCII).stderr
    assert not out.exists()


@pytest.mark.slow
def test_the_c_locale(tmp_path: Path) -> None:
    """By itself, Python takes the C locale for UTF-8."""
    source, out = album(tmp_path / "\xe9", 1), tmp_path / "out"
    (source / "0000.png").rename(source / "\xe9.png")
    for more in ({}, {"PYTHONUTF8": "1"}, {"PYTHONCOERCECLOCALE": "0"}):
        convert(source, out, "--overwrite", env={"LC_ALL": "C", **more})
        assert paths(out) == ["\xe9.png"]
