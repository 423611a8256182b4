"""The checks of each file by itself; one row a check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import PurePosixPath

from data_pipeline.checks import Case, Check, Found
from data_pipeline.folder import Reason
from data_pipeline.images import FORMATS, WIDE_MODES, readable_formats
from data_pipeline.inspect_image import FileFacts, Problem
from data_pipeline.reading import GROUNDS, Reading

_BLANK = 4.0
"""Grey levels between the darkest and the brightest pixel, below which nothing can be seen."""


def _files(has: Callable[[FileFacts], bool]) -> Callable[[Case], Found]:
    return lambda case: ((facts.path,) for facts in case.source.facts if has(facts))


def _problem(problem: Problem) -> Callable[[Case], Found]:
    return _files(lambda facts: facts.problem == problem)


def _left_out(reason: Reason) -> Callable[[Case], Found]:
    return lambda case: ((path,) for path in case.source.left_out.get(reason, ()))


def _is_mislabelled(facts: FileFacts) -> bool:
    suffix = PurePosixPath(facts.path).suffix.lower()
    known = _has_format(facts) and bool(suffix)
    return known and suffix not in FORMATS[facts.format].suffixes


def _needs_heif(facts: FileFacts) -> bool:
    suffix = PurePosixPath(facts.path).suffix.lower()
    unknown = suffix in FORMATS["HEIF"].suffixes and "HEIF" not in readable_formats()
    return unknown and facts.problem == "unreadable"


def _has_format(facts: FileFacts) -> bool:
    return not facts.problem and facts.format in FORMATS


def _is_blank(case: Case, facts: FileFacts) -> bool:
    """Whether nothing can be seen on it, after all that is done to its pixels."""
    if facts.problem:
        return False
    if facts.contrasts:
        return facts.contrasts[GROUNDS.index(case.reading.ground)] < _BLANK / 2
    if facts.extent is None:
        return facts.span < _BLANK
    low, high = case.reading.floats if facts.mode == "F" else case.reading.integers
    seen = [min(max(value, low), high) for value in facts.extent]
    return 255 * (seen[1] - seen[0]) / (high - low) < _BLANK


def _scaled(case: Case) -> Found:
    usual = Reading()
    for floats, name in ((False, "integers"), (True, "floats")):
        low, high = getattr(case.reading, name)
        if (low, high) != getattr(usual, name):
            files = sum(
                f.extent is not None and (f.mode == "F") == floats for f in case.source.facts
            )
            yield (f"{low:g} to {high:g} ({files} files)",)


def _ground(case: Case) -> Found:
    ground = case.reading.ground
    return [] if ground == GROUNDS[0] else [("RGB " + ", ".join(map(str, ground)),)]


def _formats(case: Case) -> Found:
    """The endings of files that hold pictures but are not read, with their numbers."""
    paths = case.source.left_out.get("unread_format", ())
    counts = Counter(PurePosixPath(path).suffix.lower() for path in paths)
    return ((f"{suffix} ({count})",) for suffix, count in counts.most_common())


FILE_CHECKS = (
    Check(
        "unreadable_folder",
        "error",
        "The folder cannot be opened, so its images are missing. Check its permissions.",
        _left_out("unreadable_folder"),
    ),
    Check("empty", "warning", "The file is empty. It is left out.", _problem("empty")),
    Check(
        "truncated",
        "warning",
        "The image is cut off or damaged: it starts well but cannot be decoded to its end. "
        "It is left out.",
        _problem("damaged"),
    ),
    Check(
        "unreadable",
        "warning",
        "The file is named like an image but cannot be opened as one. It is left out.",
        _files(lambda facts: facts.problem == "unreadable" and not _needs_heif(facts)),
    ),
    Check(
        "needs_heif",
        "warning",
        "HEIC images need a decoder that is not installed: pip install pillow-heif. They are "
        "left out.",
        _files(_needs_heif),
    ),
    Check(
        "too_large",
        "warning",
        "The image has so many pixels that decoding it could exhaust the memory. It is left "
        "out; make it smaller.",
        _problem("too_large"),
    ),
    Check(
        "unsupported",
        "warning",
        "The TIFF's pixels are of a kind that is not read: more than four bands, colours as "
        "floating-point numbers, or a rare compression. It is left out; convert it to 8 or 16 "
        "bits of grey or RGB.",
        _problem("unsupported"),
    ),
    Check(
        "blank",
        "warning",
        "Nothing can be seen on the image: all its pixels have one colour. It is kept; check "
        "whether it belongs here.",
        lambda case: ((f.path,) for f in case.source.facts if _is_blank(case, f)),
    ),
    Check(
        "unread_formats",
        "warning",
        "Files of these formats hold pictures too, but are not read, so they are missing. "
        "Convert them to PNG or JPEG.",
        _formats,
    ),
    Check(
        "scaled",
        "info",
        "Pixels of more than 8 bits: these values become black and white in all images. An "
        "exported model keeps them.",
        _scaled,
    ),
    Check(
        "reduced",
        "info",
        "The photo is so large that it is decoded at a fraction of its size.",
        _files(lambda facts: facts.reduced),
    ),
    Check(
        "hidden_colours",
        "info",
        "The image is transparent everywhere, but holds colours. They are read.",
        _files(lambda facts: facts.hidden),
    ),
    Check(
        "extension_mismatch",
        "warning",
        "The content is of another format than the name says. It is read as what it is.",
        _files(_is_mislabelled),
    ),
    Check(
        "animated",
        "warning",
        "The file has several frames or pages. The first one is used.",
        _files(lambda facts: facts.animated),
    ),
    Check(
        "exif_rotated",
        "info",
        "The camera stored the image turned. It is turned upright.",
        _files(lambda facts: facts.rotated),
    ),
    Check(
        "greyscale",
        "info",
        "The image is greyscale. It becomes RGB.",
        _files(lambda facts: facts.mode in ("1", "L", "LA", "La", "F", *WIDE_MODES)),
    ),
    Check(
        "cmyk",
        "info",
        "The image has print colours (CMYK). It becomes RGB.",
        _files(lambda facts: facts.mode in ("CMYK", "YCCK")),
    ),
    Check(
        "palette",
        "info",
        "The image has a colour palette. It becomes RGB.",
        _files(lambda facts: facts.mode in ("P", "PA")),
    ),
    Check(
        "transparent",
        "info",
        "The image has transparency. It is laid over one colour, the same for all: white, unless "
        "drawings would vanish on it.",
        _files(lambda facts: facts.transparent and not facts.hidden),
    ),
    Check(
        "ground",
        "info",
        "Drawings would vanish on white, so transparent images are laid over another colour. An "
        "exported model keeps it.",
        _ground,
    ),
    Check(
        "not_in_tensorflow",
        "info",
        "TensorFlow's own folder reader skips this format silently. It is read here.",
        _files(lambda facts: _has_format(facts) and not FORMATS[facts.format].tensorflow),
    ),
    Check(
        "junk",
        "info",
        "An operating system or program left this behind. It is left out.",
        _left_out("junk"),
    ),
    Check("hidden", "info", "Hidden by its name. It is left out.", _left_out("hidden")),
    Check("not_an_image", "info", "Not an image. It is left out.", _left_out("not_an_image")),
    Check(
        "outside_link",
        "warning",
        "The link leads to a folder outside the data. It is not followed; link or copy its files.",
        _left_out("outside_link"),
    ),
    Check(
        "folder_link",
        "warning",
        "The link leads to another folder of the data set. It is not followed, so no image "
        "counts twice.",
        _left_out("folder_link"),
    ),
    Check(
        "unreachable",
        "warning",
        "The file cannot be opened: it is a broken link, a pipe, or forbidden by permissions. "
        "It is left out.",
        _left_out("unreachable"),
    ),
    Check(
        "bad_name",
        "warning",
        "The name is not valid UTF-8. The file or folder is left out; rename it.",
        _left_out("bad_name"),
    ),
    Check(
        "unplaced",
        "warning",
        "The image belongs to no class: it lies outside the class folders, or its name does "
        "not fit. It is left out.",
        lambda case: ((path,) for path in case.source.layout.unplaced),
    ),
    Check(
        "unlabelled_part",
        "warning",
        "The part has no class folders and no table that was read names its classes, as in a "
        "competition's test part. It is left out; `hpo predict` can classify it.",
        lambda case: ((path,) for path in case.source.layout.unlabelled),
    ),
    Check(
        "annotations",
        "warning",
        "By its name or its folder, this is a mask or another annotation. It is left out.",
        lambda case: ((path,) for path in case.source.layout.annotations),
    ),
    Check(
        "missing_file",
        "warning",
        "The table lists an image that does not exist. The line is left out.",
        lambda case: ((path,) for path in case.source.layout.missing),
    ),
    Check("excluded", "info", "Left out, as --exclude asks.", _left_out("excluded")),
    Check("own_output", "info", "This program made it. It is left out.", _left_out("own_output")),
)
