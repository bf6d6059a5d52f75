"""The Markdown files of the project: their blocks, links and headings."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))

_BLOCK = re.compile(
    r"(?:^<!-- (?P<note>not run|run from|file|output): (?P<why>.+?) -->\n)?"
    r"^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_LINK = re.compile(r"\]\((?!https?:)([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block, and what the comment before it says of it.

    `note` is "not run" (with a reason), "run from" (a word of its last line), "file" (the name
    under which other blocks use it), "output" (what the block before it prints), or nothing: it is
    run.
    """

    line: int
    language: str
    text: str
    note: str
    why: str


def read(document: str) -> str:
    """The text of a file of the project."""
    return (ROOT / document).read_text("utf-8")


def blocks(document: str) -> list[Block]:
    """The fenced blocks of a document, in order."""
    text = read(document)
    return [
        Block(
            text.count("\n", 0, found.start()) + 1,
            found["language"],
            found["text"],
            found["note"] or "",
            found["why"] or "",
        )
        for found in _BLOCK.finditer(text)
    ]


def links(document: str) -> list[str]:
    """The targets of a document's links within the project."""
    return _LINK.findall(_without_blocks(document))


def anchors(document: str) -> set[str]:
    """What GitHub calls the headings of a document."""
    headings = _HEADING.findall(_without_blocks(document))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}


def _without_blocks(document: str) -> str:
    return _BLOCK.sub("", read(document))
