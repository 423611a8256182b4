"""The parts of a split, and the folders that hold them where a data set is split already."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from os.path import commonprefix
from typing import Literal

from data_pipeline.errors import DataError

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class PartName:
    """The names of folders that hold one part of a data set that is split already."""

    split: Split
    words: tuple[str, ...]


# fmt: off
PART_NAMES = (
    PartName("train", (
        "train", "training", "trn", "trainval",
        "학습", "훈련", "트레인", "트레이닝", "训练", "訓練", "学習", "トレーニング", "обучение",
        "apprentissage", "entrainement", "entraînement", "entrenamiento", "addestramento",
        "treino", "treinamento", "trainieren",
    )),
    PartName("validation", (
        "validation", "valid", "val", "dev", "development", "holdout",
        "검증", "밸리데이션", "验证", "驗證", "検証", "валидация",
        "validierung", "validación", "validacion", "convalida", "validação", "validacao",
    )),
    PartName("test", (
        "test", "testing", "tst", "evaluation", "eval",
        "시험", "테스트", "평가", "测试", "測試", "テスト", "評価", "тест",
        "prueba", "pruebas", "teste", "prüfung", "pruefung",
    )),
)
_DECORATION = (
    r"(set|sets|data|dataset|images?|imgs?|img|pics|pictures|split|folder|part|small|full|final|new"
    r"|sample|subset|stage|stg|fold|version|ver|jpe?g|png|tiff?|crop|cropped|resized|processed"
    r"|augmented|hidden|public|private|additional|extra|용|세트|셋|데이터|데이터셋|이미지|폴더|집합|集|数据集"
    r"|データ|セット)*"
)
# fmt: on
"""What may follow such a word: `training_set`, `Train Images`, `valData`."""


@dataclass(frozen=True)
class Entry:
    """One file: its path, the part it lies in, and the path's pieces below that part."""

    path: str
    part: Split | None
    pieces: tuple[str, ...]


def part_of(folder: str) -> Split | None:
    """The part of a split that a folder's name stands for, or None.

    Numbers, years, sizes and versions beside the word do not matter: `1.Training`, `train2017`,
    `val_v2`, `test-224x224`.
    """
    word = unicodedata.normalize("NFC", folder).lower()
    word = re.sub(r"(?<![^\W\d_])v(?=\d)|(?<=\d)(x|px|k|st|nd|rd|th)(?![^\W\d_])", "", word)
    word = re.sub(r"[\W\d_]", "", word)
    for row in PART_NAMES:
        if re.fullmatch(f"({'|'.join(row.words)}){_DECORATION}v?", word):
            return row.split
    return None


def part_in(folder: str) -> Split | None:
    """The part that one word of a folder's name stands for, whatever the others say, or None."""
    words = re.findall(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+", unicodedata.normalize("NFC", folder))
    return next((row.split for row in PART_NAMES for w in words if w.lower() in row.words), None)


def predefined_parts(entries: list[Entry]) -> dict[str, Split]:
    """Top folders that are parts of a split; none where the names may as well be classes.

    A `train` beside `bus` and `car` is a vehicle, unless it holds class folders of its own.
    """
    tops = sorted({entry.pieces[0] for entry in entries if len(entry.pieces) > 1})
    # `seg_` of `seg_train`, `seg_test`, and `_HR` of `train_HR`, `valid_HR`: names, not paths, so
    # character by character is meant.
    prefix = re.sub(r"[^\W_]+$", "", commonprefix(tops))  # noqa: RUF071
    suffix = re.sub(r"^[^\W_]+", "", commonprefix([top[::-1] for top in tops])[::-1])  # noqa: RUF071
    named = {
        top: part_of(top) or part_of(top.removeprefix(prefix).removesuffix(suffix)) for top in tops
    }
    parts = {top: part for top, part in named.items() if part}
    found = set(parts.values())
    alone = len(parts) == len(tops)
    if "train" in found and (len(found) > 1 or alone or _holds_classes(entries, parts)):
        return parts
    if len(found) > 1 and len(parts) == len(tops):
        raise DataError(
            "A folder that is split already needs a part to train on. "
            f"Received: {', '.join(tops)}. Add a folder `train`, or pass a folder of class folders."
        )
    return {}


def _holds_classes(entries: list[Entry], parts: Mapping[str, Split]) -> bool:
    """Whether all images in the given folders lie in two or more folders further down."""
    below = [entry.pieces[1:] for entry in entries if entry.pieces[0] in parts]
    return all(len(pieces) > 1 for pieces in below) and len({pieces[0] for pieces in below}) > 1


def has_wrapper(entries: list[Entry]) -> bool:
    """Whether most files lie in one folder that only wraps others, as archives often unpack to."""
    deep = [entry.pieces for entry in entries if len(entry.pieces) > 1]
    return (
        2 * len(deep) > len(entries)
        and len({pieces[0] for pieces in deep}) == 1
        and all(len(pieces) > 2 for pieces in deep)
    )


def unwrapped(entries: list[Entry]) -> list[Entry]:
    """The files in folders, without their topmost folder."""
    return [Entry(e.path, e.part, e.pieces[1:]) for e in entries if len(e.pieces) > 1]


def entries_in_parts(
    entries: list[Entry], parts: Mapping[str, Split], *, unwrap: bool = True
) -> list[Entry]:
    """Entries below the parts' folders, each part without what wraps it (`train/train/cat`)."""
    placed = []
    for top, part in sorted(parts.items()):
        below = [
            Entry(entry.path, part, entry.pieces[1:])
            for entry in entries
            if entry.pieces[0] == top and len(entry.pieces) > 1
        ]
        while unwrap and (has_wrapper(below) or _repeats_part(below)):
            below = unwrapped(below)
        placed.extend(below)
    return placed


def _repeats_part(entries: list[Entry]) -> bool:
    return all(len(e.pieces) > 1 and part_of(e.pieces[0]) == e.part for e in entries)
