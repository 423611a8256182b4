"""Tests of the notes that the dashboard shows."""

from __future__ import annotations

from markdown_it import MarkdownIt

from hpo.search.notes import describe
from models.config import ModelConfig
from studies.record import Confusion, Outcome
from studies.trial_config import TrialConfig

CONFIG = TrialConfig(model=ModelConfig(backbone="cnn", image_size_px=8, classes=2))


def test_a_note_shows_what_is_taken_for_what() -> None:
    """Whatever classes are called, it is one table."""
    classes = ("<script>|`x`\n", "b")
    outcome = Outcome(
        reason="complete", confusion=Confusion(classes=classes, counts=((5, 1), (0, 7)))
    )
    html = (
        MarkdownIt("commonmark", {"html": True})
        .enable("table")
        .render(describe(None, CONFIG, outcome))
    )
    assert html.count("<tr>") == 3
    assert html.count("<td") == 6
    assert "<script" not in html
    assert "5" in html


def test_a_note_without_one_is_as_before() -> None:
    """Trials that were pruned have no matrix."""
    text = describe("mine", CONFIG, Outcome(reason="pruned"))
    assert text.startswith("mine\n\n**pruned** after 0 of 10 epochs")
    assert "|" not in text
