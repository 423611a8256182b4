"""Tests of `hpo.analysis.suspects` and what it is made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hpo.analysis.label_errors import FEWEST, FOLDS, doubts, out_of_sample
from hpo.analysis.oddities import odd, outlyingness
from hpo.analysis.suspects import KINDS, Suspects, find_suspects
from hpo.analysis.suspects_table import described, write_table
from studies.errors import StudyError
from studies.suspects_file import confirmed
from tests.hpo.analysis.planted import (
    BLURRED,
    COPY,
    DARK,
    FLAT,
    LEAK,
    ODD,
    TEST,
    TRAIN,
    VALIDATION,
    WRONG,
    planted,
)


def _name(row: int) -> str:
    return f"{row:03d}.png"


@pytest.fixture(scope="module")
def suspects() -> Suspects:
    """What is found in the set with planted errors."""
    return find_suspects(planted())


def test_wrong_labels_are_found(suspects: Suspects) -> None:
    """All that were planted are among twice as many suspects, with the class they are of."""
    first = suspects.of("label", "possible")[: 2 * len(WRONG)]
    found = [row for row in first if int(row.path[:3]) in WRONG]
    assert len(found) == len(WRONG)
    for row in found:
        assert row.likelier == ("cat", "dog", "owl")[int(row.path[:3]) % 3]
        assert row.given is not None
        assert row.likeliest is not None
        assert row.given < row.likeliest
    assert suspects.agreement > 0.9


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        ("dark", [DARK]),
        ("blurred", [BLURRED]),
        ("flat", [FLAT]),
        ("two_labels", [COPY, COPY + 1]),
        ("leak", [*LEAK]),
        ("pale", []),
        ("copy", []),
    ],
)
def test_odd_images_are_found(suspects: Suspects, kind: str, rows: list[int]) -> None:
    """Each kind names what was planted and nothing else."""
    assert [row.path for row in suspects.of(kind)] == [_name(row) for row in rows]


def test_the_oddest_image_is_the_planted_one(suspects: Suspects) -> None:
    """An image whose features lie far from all others is odd."""
    assert suspects.of("odd")[0].path == _name(ODD)


def test_the_test_stays_sealed(suspects: Suspects) -> None:
    """No test image is looked at, and their number is said."""
    assert {row.split for row in suspects.rows} == {"train", "validation"}
    assert (suspects.images, suspects.sealed) == (TRAIN + VALIDATION, TEST)


def test_kinds_come_in_their_order(suspects: Suspects) -> None:
    """The most telling reasons come first."""
    kinds = [row.kind for row in suspects.rows]
    assert kinds == sorted(kinds, key=list(KINDS).index)


def test_no_image_judges_itself() -> None:
    """Copies are in one fold: with one label each they would confirm one another."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 30)).astype(np.float32)
    features[20:] = features[:20]
    labels = rng.integers(0, 2, 40).astype(np.int32)
    labels[20:] = labels[:20]
    alone = out_of_sample([features], labels, 2)
    together = out_of_sample([features], labels, 2, [(row, row + 20) for row in range(20)])
    own = np.arange(40), labels
    assert alone[own].mean() > together[own].mean() + 0.1


def test_a_class_that_a_fold_lacks() -> None:
    """A class of one image gets no probability and no doubt; all rows add up to one."""
    features = np.random.default_rng(0).normal(size=(31, 4)).astype(np.float32)
    labels = np.array([0, 1] * 15 + [2], np.int32)
    found = out_of_sample([features], labels, 3)
    assert found[30, 2] == 0
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    assert FEWEST > 1
    assert 30 not in doubts(found, labels).order


def test_thresholds_are_those_of_confident_learning() -> None:
    """A label is probably wrong from the mean that another class's images have on."""
    probabilities = np.array([[0.6, 0.4]] * FOLDS + [[0.2, 0.8]] * FOLDS + [[0.25, 0.75]])
    labels = np.array([0] * FOLDS + [1] * FOLDS + [0], np.int32)
    found = doubts(probabilities, labels)
    assert list(found.order) == [2 * FOLDS]
    assert not found.probable.any()  # .75 is less than the .8 that class 1 has
    probabilities[-1] = [0.2, 0.8]
    assert list(np.flatnonzero(doubts(probabilities, labels).probable)) == [2 * FOLDS]


def test_equal_values_have_no_outlier() -> None:
    """Where all are the same, nothing is far; a set of few images has none that is odd."""
    assert not outlyingness(np.full(9, 0.5, np.float32)).any()
    assert not len(odd(np.eye(3, dtype=np.float32)))


def test_the_table_is_confirmed_by_a_person(suspects: Suspects, tmp_path: Path) -> None:
    """What is written has nothing confirmed; a confirmed table is never replaced."""
    table = tmp_path / "suspects.csv"
    write_table(suspects, table)
    lines = table.read_text("utf-8-sig").splitlines()
    assert len(lines) == len(suspects.rows) + 1
    assert lines[0].startswith("confirmed,path,label,reason,likelier label")
    write_table(suspects, table)
    table.write_text("\n".join([lines[0], "yes" + lines[1], *lines[2:]]))
    assert confirmed(table) == [suspects.rows[0].path]
    with pytest.raises(StudyError, match="are confirmed"):
        write_table(suspects, table)
    (tmp_path / "other.csv").write_text("a,b\n")
    with pytest.raises(StudyError, match="which exists"):
        write_table(suspects, tmp_path / "other.csv")
    with pytest.raises(StudyError, match="can be written"):
        write_table(suspects, tmp_path / "gone" / "s.csv")


def test_a_suspect_in_a_line(suspects: Suspects) -> None:
    """It says what the image is labelled and what speaks against it."""
    assert described(suspects.of("two_labels")[0]).endswith(f", like {_name(COPY + 1)}")
    assert ", or rather " in described(suspects.of("label")[0])
    assert described(suspects.of("dark")[0]).startswith(_name(DARK))
