"""Tests of the terms that studies keep in English."""

from __future__ import annotations

from typing import get_args

import pytest

from hpo.report import terms
from hpo.report.language import LANGUAGES, load
from hpo.results.comparison import FIGURES
from hpo.results.trial_rows import TrialRow
from studies.metrics import METRICS
from studies.record import Reason

SO_FAR = ("running", "waiting", "not trained here")


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_term_has_its_words(code: str) -> None:
    """Endings, metrics, phases and published figures."""
    words = load(code)
    for reason in (*get_args(Reason), *SO_FAR):
        row = TrialRow(0, 0, "COMPLETE", None, {"reason": reason})
        assert words.text(terms.endings([row]))
    for metric in METRICS.values():
        assert words.text(terms.metric(metric))
    for phase in terms.PHASES:
        assert words.text(terms.phase(phase))  # type: ignore[arg-type]
    for figure in FIGURES:
        assert words.text(terms.figure(figure))


def test_unknown_terms_keep_their_names() -> None:
    """A later version may measure another phase, and an author publishes what he likes."""
    words = load("ko")
    assert words.text(terms.phase("dreaming")) == "dreaming"  # type: ignore[arg-type]
    assert words.text(terms.figure("top5")) == "top5"
    assert words.text(terms.endings([])) == ""
