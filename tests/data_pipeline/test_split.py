"""The split, by its properties."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.errors import DataError
from data_pipeline.example import Example
from data_pipeline.parts import Split
from data_pipeline.split import assign_splits, split_fractions

FRACTIONS = split_fractions([], 0.15, 0.15)


@st.composite
def examples(draw: st.DrawFn) -> list[Example]:
    """Up to four classes, each of different images with one to four copies."""
    made = []
    for label in draw(st.sets(st.text(min_size=1, max_size=3), min_size=1, max_size=4)):
        for image, copies in enumerate(draw(st.lists(st.integers(1, 4), min_size=1, max_size=30))):
            sha256 = f"{label}-{image}"
            made += [Example(f"{sha256}-{copy}", sha256, label) for copy in range(copies)]
    return made


seeds = st.integers(0, 2**63)


@given(examples(), seeds)
def test_it_is_a_partition(rows: list[Example], seed: int) -> None:
    """Every image is in exactly one split."""
    splits = assign_splits(rows, FRACTIONS, seed)
    assert splits.keys() == {row.path for row in rows}
    assert set(splits.values()) <= set(FRACTIONS)


@given(examples(), seeds)
def test_copies_stay_together(rows: list[Example], seed: int) -> None:
    """Equal images are always on the same side."""
    splits = assign_splits(rows, FRACTIONS, seed)
    sides = defaultdict(set)
    for row in rows:
        sides[row.sha256].add(splits[row.path])
    assert all(len(found) == 1 for found in sides.values())


@given(examples(), seeds)
def test_every_class_in_every_split(rows: list[Example], seed: int) -> None:
    """A class with three different images is in all splits; with fewer it is trained first."""
    splits = assign_splits(rows, FRACTIONS, seed)
    images, found = defaultdict(set), defaultdict(set)
    for row in rows:
        images[row.label].add(row.sha256)
        found[row.label].add(splits[row.path])
    order = ["train", "validation", "test"]
    assert all(found[label] == set(order[: len(images[label])]) for label in images)


@given(st.integers(7, 300), st.integers(2, 4), seeds)
def test_it_is_stratified(images: int, classes: int, seed: int) -> None:
    """Without copies each class's share of each split is met to less than one image."""
    rows = [
        Example(f"{label}/{i}", f"{label}{i}", str(label))
        for label in range(classes)
        for i in range(images)
    ]
    splits = assign_splits(rows, FRACTIONS, seed)
    counts = Counter((row.label, splits[row.path]) for row in rows)
    for (_, split), count in counts.items():
        assert abs(count - FRACTIONS[split] * images) < 1
    assert len(counts) == 3 * classes


@given(examples(), seeds, st.randoms(use_true_random=False))
def test_file_order_does_not_matter(rows: list[Example], seed: int, order: random.Random) -> None:
    """The same files in any order, and under other names, fall on the same sides."""
    shuffled = list(rows)
    order.shuffle(shuffled)
    expected = assign_splits(rows, FRACTIONS, seed)
    assert assign_splits(shuffled, FRACTIONS, seed) == expected


def test_names_do_not_matter() -> None:
    """Renamed files keep their split, because their content decides."""
    rows = [Example(f"{i}", f"{i}", "cat") for i in range(50)]
    renamed = [Example(f"new-{99 - i}", f"{i}", "cat") for i in range(50)]
    splits, again = assign_splits(rows, FRACTIONS, 0), assign_splits(renamed, FRACTIONS, 0)
    assert [splits[row.path] for row in rows] == [again[row.path] for row in renamed]


def test_another_class_does_not_change_the_first() -> None:
    """Each class has a random stream of its own."""
    cats = [Example(f"cat{i}", f"cat{i}", "cat") for i in range(50)]
    dogs = [Example(f"dog{i}", f"dog{i}", "dog") for i in range(9)]
    alone, together = (assign_splits(rows, FRACTIONS, 3) for rows in (cats, cats + dogs))
    assert alone.items() <= together.items()


@st.composite
def grouped(draw: st.DrawFn) -> tuple[list[Example], list[list[Example]]]:
    """Images of up to three classes in groups, some across classes, and some pairs alike."""
    labels = st.sampled_from("abc")
    groups = st.none() | st.integers(0, 9).map(str)
    cells = draw(st.lists(st.tuples(labels, groups), min_size=1, max_size=60))
    rows = [Example(f"{i}", f"{i}", label, group=group) for i, (label, group) in enumerate(cells)]
    pairs = draw(st.lists(st.lists(st.sampled_from(rows), min_size=2, max_size=3), max_size=5))
    return rows, pairs


@given(grouped(), seeds)
def test_what_belongs_together_is_never_parted(
    data: tuple[list[Example], list[list[Example]]], seed: int
) -> None:
    """Groups and images that are nearly equal stay on one side, also across classes."""
    rows, similar = data
    splits = assign_splits(rows, FRACTIONS, seed, similar)
    assert splits.keys() == {row.path for row in rows}
    sides = defaultdict(set)
    for row in rows:
        if row.group is not None:
            sides[row.group].add(splits[row.path])
    assert all(len(found) == 1 for found in sides.values())
    assert all(len({splits[row.path] for row in pair}) == 1 for pair in similar)


def test_groups_are_dealt_out_in_the_wanted_shares() -> None:
    """As nearly as their sizes allow."""
    rows = [
        Example(f"{g}/{i}", f"{g}/{i}", "ab"[g % 2], group=str(g))
        for g in range(40)
        for i in range(5)
    ]
    counts = Counter(assign_splits(rows, FRACTIONS, 0).values())
    assert counts == {"train": 140, "validation": 30, "test": 30}


def test_the_seed_decides() -> None:
    """Equal seeds give equal splits, others give others."""
    rows = [Example(f"{i}", f"{i}", "cat") for i in range(100)]
    splits = [assign_splits(rows, FRACTIONS, seed) for seed in (0, 0, 1)]
    assert splits[0] == splits[1] != splits[2]


def test_the_split_of_a_seed_never_changes() -> None:
    """Studies made with earlier versions find their split again."""
    rows = [Example(f"{i}", f"{i:064x}", "cat") for i in range(12)]
    splits = assign_splits(rows, FRACTIONS, 7)
    assert {row: split for row, split in splits.items() if split != "train"} == {
        "3": "validation",
        "4": "validation",
        "6": "test",
        "11": "test",
    }


@given(examples(), seeds)
def test_given_parts_stay(rows: list[Example], seed: int) -> None:
    """A given test part is exactly the test; only the training part is dealt out."""
    tested = [replace(row, path=f"test/{row.path}", part="test") for row in rows[::3]]
    trained = [replace(row, sha256=f"train {row.sha256}", part="train") for row in rows]
    everything = tested + trained
    splits = assign_splits(everything, split_fractions(everything, 0.15, 0.15), seed)
    assert {path for path, split in splits.items() if split == "test"} == {
        row.path for row in tested
    }


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([None], {"train": 0.7, "validation": 0.15, "test": 0.15}),
        (["train"], {"train": 0.7, "validation": 0.15, "test": 0.15}),
        (["train", "test"], {"train": 0.85, "validation": 0.15}),
        (["train", "validation"], {"train": 0.85, "test": 0.15}),
        (["train", "validation", "test"], {"train": 1.0}),
    ],
)
def test_only_missing_parts_are_split_off(
    parts: list[Split | None], expected: dict[str, float]
) -> None:
    """What is given is kept; the rest comes from the training part."""
    rows = [Example(str(part), str(part), "cat", part) for part in parts]
    assert split_fractions(rows, 0.15, 0.15) == pytest.approx(expected)


def test_no_test_part_wanted() -> None:
    """A test share of 0 leaves the test out."""
    assert split_fractions([], 0.2, 0) == {"train": 0.8, "validation": 0.2}


@pytest.mark.parametrize(
    ("validation", "test"), [(0, 0.1), (-0.1, 0.1), (0.5, 0.5), (0.2, -0.1), (float("nan"), 0.1)]
)
def test_bad_shares(validation: float, test: float) -> None:
    """Shares that leave nothing to train on or validate with are refused."""
    with pytest.raises(DataError, match=r"Received: validation=.*, test="):
        split_fractions([], validation, test)


def test_bad_seed() -> None:
    """Seeds are 0 or more."""
    with pytest.raises(DataError, match=r"Received: -1\."):
        assign_splits([], FRACTIONS, -1)
