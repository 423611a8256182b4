"""The audit: what the checks found in a data set, in plain language."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from data_pipeline.checks import SEVERITIES, Case, Check, Severity
from data_pipeline.duplicates import Deduplicated
from data_pipeline.errors import DataError
from data_pipeline.file_checks import FILE_CHECKS
from data_pipeline.parts import Split
from data_pipeline.reading import Reading
from data_pipeline.set_checks import SET_CHECKS
from data_pipeline.sources.source import Found

NAMED = 3
"""Files or classes that a sentence names."""

CHECKS = {row.code: row for row in (*SET_CHECKS, *FILE_CHECKS)}


class Finding(BaseModel):
    """What one check found.

    Attributes:
        code: Name of the check, a key of `CHECKS`.
        severity: `error` where training would be wrong, `warning` where the user should look,
            `info` where all is taken care of.
        message: What it means and what was done, in plain language.
        count: Number of files, groups of equal files, or classes.
        paths: All of them: files and folders relative to the data set, or classes.
        groups: The same in groups, where equal files belong together.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    severity: Severity
    message: str
    count: int
    paths: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...] = ()

    def sentence(self) -> str:
        """The message with the number of what was found and the first of it."""
        some = ", ".join(self.paths[:NAMED]) + " …" * (len(self.paths) > NAMED)
        number = f"{self.count:,}: " if self.count > 1 else ""
        return f"{self.message} ({number}{some})"


class Audit(BaseModel):
    """Everything that was noticed about a data set.

    Attributes:
        findings: What the checks found, errors first.
        drawn: The parts of the split that were drawn; the data have the others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    findings: tuple[Finding, ...]
    drawn: tuple[Split, ...] = ()

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that make training wrong."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    def summary(self, *, errors_only: bool = False) -> str:
        """The errors and warnings as sentences."""
        return " ".join(
            finding.sentence()
            for finding in (self.errors if errors_only else self.findings)
            if finding.severity != "info"
        )

    def require_sound(self) -> None:
        """Refuses a data set that training would be wrong on.

        Raises:
            DataError: There are errors.
        """
        if self.errors:
            raise DataError(
                "Training on this data set would be wrong. "
                f"Received: {self.summary(errors_only=True)} See all findings with `hpo doctor`."
            )


def run_checks(
    source: Found,
    unique: Deduplicated,
    to_fill: tuple[Split, ...],
    splits: Mapping[str, Split],
    reading: Reading,
) -> Audit:
    """Runs every check of `CHECKS`.

    Args:
        source: The data set as it was found.
        unique: Its duplicates (`duplicates.deduplicate`).
        to_fill: The splits that images are dealt out to (`split.split_fractions`).
        splits: The split of each image that is kept, by its path.
        reading: How its pixels are read.

    Returns:
        What was found, errors first; nothing for a check that found nothing.
    """
    case = Case(source, unique, to_fill, splits, reading)
    findings = [finding for check in CHECKS.values() if (finding := _run(check, case))]
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return Audit(findings=tuple(findings), drawn=to_fill)


def _run(check: Check, case: Case) -> Finding | None:
    groups = tuple(check.find(case))
    if not groups:
        return None
    return Finding(
        code=check.code,
        severity=check.severity,
        message=check.message,
        count=len(groups),
        paths=tuple(path for group in groups for path in group),
        groups=groups if any(len(group) > 1 for group in groups) else (),
    )
