"""Reads a page as a browser does, strictly."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """What is on a page, after it was checked that all its elements are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes an element."""
        given = dict(attrs)
        self.elements.append((tag, given))
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes an element of SVG that is closed at once."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Checks that the innermost element is closed."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Notes a text."""
        self.text += data


def is_sound(page: Page) -> None:
    """A page needs nothing else, runs nothing, and its links lead somewhere."""
    assert len(page.ids) == len(set(page.ids))
    for tag, attributes in page.elements:
        assert tag not in ("script", "iframe", "object", "form", "link")
        assert not [key for key in attributes if key.startswith("on")]
        for key in ("href", "src"):
            value = str(attributes.get(key, "#main"))
            assert value.startswith(("#", "data:image/jpeg;base64,"))
            assert not value.startswith("#") or value[1:] in page.ids
        assert tag != "img" or attributes["alt"]
