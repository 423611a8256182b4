"""Writes a report to the disk: whole or not at all, and over nothing but another report."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from data_pipeline.outputs import note_outputs
from hpo.report.blocks import Report
from hpo.report.language import Words
from hpo.report.markdown import MARK, markdown
from hpo.report.page import page
from hpo.results.tables import printable
from hpo.search.open_study import OpenStudy
from studies.errors import StudyError
from studies.storage import require_writable

MARKDOWN = "report.md"
_MARKS = ('name="generator" content="hpo report"', MARK)
_HEAD_BYTES = 1000


def default_target(study: str, form: str) -> Path:
    """Returns where a report goes: a page into the current folder, Markdown into one of its own."""
    name = re.sub(r"[^\w.-]+", "-", study).strip(".-") or "report"
    return Path(f"{name}.html" if form == "html" else name)


def check_target(target: Path, form: str, *, overwrite: bool, option: str = "--out") -> None:
    """Refuses a place that nothing can be written to, before anything is computed.

    Args:
        target: The place.
        form: A key of `FORMS`.
        overwrite: Whether a file that is no report may be replaced.
        option: Which option named the place.

    Raises:
        StudyError: There is something that is not a report, or its folder is missing.
    """
    if form == "markdown" and target.is_file():
        raise StudyError(
            f"--out must name a folder for Markdown and its pictures. Received: {target}, which is "
            "a file. Choose another name."
        )
    file = target / MARKDOWN if form == "markdown" else target
    if file.is_dir():
        raise StudyError(
            f"{option} must name a file. Received: {target}, which is a folder. "
            f"Write {option} {target / 'report.html'}."
        )
    if file.exists() and not overwrite and not _is_report(file):
        raise StudyError(
            f"{option} must not replace a file that is no report. Received: {file}, which exists. "
            "Choose another name"
            f"{' or add --overwrite' if option == '--out' else ''}."
        )
    if not target.absolute().parent.is_dir():
        raise StudyError(
            f"The folder of a report must exist. Received: {target.parent}. Create it first."
        )


def _is_report(file: Path) -> bool:
    with file.open("rb") as stream:
        head = stream.read(_HEAD_BYTES).decode(errors="replace")
    return any(mark in head for mark in _MARKS)


def write(report: Report, words: Words, form: str, target: Path) -> list[str]:
    """Writes a report and returns what to say of it.

    Args:
        report: What it says.
        words: In which language.
        form: A key of `FORMS`.
        target: Where to.

    Raises:
        StudyError: The disk is full or cannot be written; a file that was there is as it was.
    """
    try:
        return FORMS[form](report, words, target)
    except OSError as error:
        raise StudyError(
            f"A report must fit on its disk. Received: {target} ({error.strerror or error}). "
            "Free space, or choose another place with --out."
        ) from error


def _write_page(report: Report, words: Words, target: Path) -> list[str]:
    content = page(report, words).encode("utf-8", errors="replace")
    _put(target, content)
    return [
        f"Written: {printable(str(target))}, {len(content) / 1e6:.1f} MB. Open it in a browser."
    ]


def _write_markdown(report: Report, words: Words, target: Path) -> list[str]:
    written = markdown(report, words)
    target.mkdir(exist_ok=True)
    for name, content in written.pictures.items():
        _put(target / name, content)
    note_outputs(target / name for name in written.pictures)
    _put(target / MARKDOWN, written.text.encode("utf-8", errors="replace"))
    said = [f"Written: {printable(str(target / MARKDOWN))} and {len(written.pictures)} pictures."]
    return said + ([written.problem] if written.problem else [])


def offer(opened: OpenStudy, page: Path) -> None:
    """Lets the dashboard show a page with its study, where the study can be written."""
    with suppress(StudyError, OSError):
        require_writable(opened.storage)
        opened.files.offer_report(page.read_bytes())


def _put(file: Path, content: bytes) -> None:
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


FORMS: Mapping[str, Callable[[Report, Words, Path], list[str]]] = MappingProxyType(
    {"html": _write_page, "markdown": _write_markdown}
)
"""Name to what writes a report in this form."""
