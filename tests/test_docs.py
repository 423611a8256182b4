"""The generated parts of the documentation are what the program says now."""

from docs.generate import README, rendered


def test_readme_is_up_to_date() -> None:
    """README.md is what `make docs` would write."""
    text = README.read_text(encoding="utf-8")
    assert text == rendered(text), "run `make docs`"


def test_every_picture_of_the_readme_exists() -> None:
    """README.md shows no picture that is not there."""
    import re

    pictures = re.findall(r"!\[.*?\]\((.+?)\)", README.read_text(encoding="utf-8"))
    assert pictures
    assert [name for name in pictures if not (README.parent / name).is_file()] == []
