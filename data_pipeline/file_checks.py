"""The checks of each file by itself; one row a check."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath

from data_pipeline.checks import Case, Check, Found
from data_pipeline.folder import Reason
from data_pipeline.images import FORMATS, WIDE_MODES, readable_formats
from data_pipeline.inspect_image import FileFacts, Problem


def _files(has: Callable[[FileFacts], bool]) -> Callable[[Case], Found]:
    return lambda case: ((facts.path,) for facts in case.source.facts if has(facts))


def _problem(problem: Problem) -> Callable[[Case], Found]:
    return _files(lambda facts: facts.problem == problem)


def _left_out(reason: Reason) -> Callable[[Case], Found]:
    return lambda case: ((path,) for path in case.source.left_out.get(reason, ()))


def _is_mislabelled(facts: FileFacts) -> bool:
    suffix = PurePosixPath(facts.path).suffix.lower()
    return bool(facts.format and suffix) and suffix not in FORMATS[facts.format].suffixes


def _needs_heif(facts: FileFacts) -> bool:
    suffix = PurePosixPath(facts.path).suffix.lower()
    unknown = suffix in FORMATS["HEIF"].suffixes and "HEIF" not in readable_formats()
    return unknown and facts.problem == "unreadable"


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
        _files(lambda facts: facts.mode in ("1", "L", "LA", "La", *WIDE_MODES)),
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
        "The image has transparency. It is laid over white.",
        _files(lambda facts: facts.transparent),
    ),
    Check(
        "not_in_tensorflow",
        "info",
        "TensorFlow's own folder reader skips this format silently. It is read here.",
        _files(lambda facts: not facts.problem and not FORMATS[facts.format].tensorflow),
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
        "The link leads outside the folder. It is not followed; copy the files into the folder.",
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
        "This is no file that can be opened: a broken link, a pipe, or one that permissions "
        "forbid. It is left out.",
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
        lambda case: ((path,) for path in case.source.unplaced),
    ),
)
