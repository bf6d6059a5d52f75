"""A page of HTML as a strict reader sees it."""

from collections.abc import Iterator
from html.parser import HTMLParser

Attributes = dict[str, str | None]

_VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Its elements, in order, and their text; every element must be closed."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, Attributes]] = []
        self._text: list[tuple[tuple[int, ...], str]] = []
        self._open: list[int] = []
        self.feed(content.decode())
        self.close()
        assert not self._open, [self.elements[n] for n in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(len(self.elements) - 1)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element of SVG that has no content."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element, which must be this one."""
        assert self.elements[self._open.pop()][0] == tag, tag

    def handle_data(self, data: str) -> None:
        """Note text, with the elements that it is in."""
        self._text.append((tuple(self._open), data))

    def each(self, tag: str) -> Iterator[Attributes]:
        """The attributes of the elements of a name."""
        return (attributes for name, attributes in self.elements if name == tag)

    def text(self) -> str:
        """All text of the body."""
        body = next(n for n, (name, _) in enumerate(self.elements) if name == "body")
        return "".join(text for inside, text in self._text if body in inside)

    def texts(self, tag: str, css_class: str | None = None) -> list[str]:
        """What stands in each element of a name, and of a class if one is given."""
        return [
            self._inside(number)
            for number, (name, attributes) in enumerate(self.elements)
            if name == tag and css_class in {None, attributes.get("class")}
        ]

    def table(self, caption: str) -> list[list[str]]:
        """The cells of the table of that caption, row by row; its head is the first."""
        names = [name for name, _ in self.elements]
        begin = next(
            number
            for number, name in enumerate(names)
            if name == "caption" and self._inside(number) == caption
        )
        end = names.index("table", begin) if "table" in names[begin:] else len(names)
        cells: list[list[str]] = []
        for number in range(begin, end):
            if names[number] == "tr":
                cells.append([])
            elif names[number] in {"td", "th"}:
                cells[-1].append(self._inside(number))
        return cells

    def _inside(self, number: int) -> str:
        return " ".join("".join(text for inside, text in self._text if number in inside).split())
