"""`hpo.Study`: a study, as it is at the moment it is asked."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from hpo.api.entry import public

if TYPE_CHECKING:
    import pandas as pd

    from hpo.api.dashboard import Dashboard
    from hpo.api.running import Job
    from hpo.api.trial import Trial
    from hpo.paths import Paths
    from hpo.search.open_study import OpenStudy

SHOWN = 5
"""Best trials in what a notebook shows of a study."""


class Study:
    """A study: its trials, the best of them, and the search that may be going on.

    `hpo.search` and `hpo.open` make it. Everything is read anew when it is asked for, so it is the
    same after a restart of the kernel and while another process searches.

    Attributes:
        name: Its name.
    """

    def __init__(self, where: Paths, name: str, job: Job | None = None) -> None:
        self.name = name
        self._where, self._job = where, job

    @property
    @public
    def best(self) -> Trial:
        """The trial with the best validation metric; an interrupted one counts with its best epoch.

        Raises:
            StudyError: No trial has a value yet.
        """
        from hpo.api.trial import read_trial

        return read_trial(self._open(), None)

    @public
    def trial(self, number: int) -> Trial:
        """Returns the trial of this number.

        Raises:
            StudyError: It does not exist or has no value.
        """
        from hpo.api.trial import read_trial

        return read_trial(self._open(), number)

    @public
    def trials(self) -> pd.DataFrame:
        """Returns all trials: their numbers as index, and columns

        - `label`: the baseline or the step of the opening that it is
        - `state`: `complete`, `pruned`, `failed`, `running` and the like
        - `value`: the objective of its best epoch
        - `best_epoch`, `epochs_done`, `seconds`, `parameters`
        - the metrics of the best epoch's weights on the validation images
        - the settings, under their names in the space
        """  # noqa: D415 - the list is its end
        from hpo.api.frames import trials_frame

        return trials_frame(self._open())

    @public
    def dashboard(self, port: int = 0) -> Dashboard:
        """Serves the dashboard of all studies from this process, to this machine only.

        Args:
            port: Port to listen on; 0 takes a free one. A dashboard that is served already is
                returned as it is.

        Returns:
            Its `url`, which a notebook shows as a link; `close()` ends it.
        """
        from hpo.api.dashboard import serve_study

        return serve_study(self._open(), port)

    @property
    def running(self) -> bool:
        """Whether `hpo.search(..., background=True)` is still at work in this process."""
        return self._job is not None and self._job.running

    def stop(self) -> None:
        """Lets a search in the background finish the epoch, and pauses its trials."""
        if self._job:
            self._job.stop()

    @public
    def wait(self, timeout_s: float | None = None) -> Study:
        """Waits for a search in the background, and returns the study.

        Ctrl-C, or a notebook's stop button, is `stop`; once more leaves it alone.

        Args:
            timeout_s: Wait no longer than this, in seconds; the search goes on.

        Raises:
            StudyError: The search ended before its time.
            DataError: The data set cannot be trained on.
        """
        if self._job:
            self._job.wait(timeout_s)
        return self

    def _open(self) -> OpenStudy:
        from hpo.search.open_study import find_study

        return find_study(self._where, self.name)

    def __repr__(self) -> str:
        return f"hpo.open({self.name!r})"

    def _repr_html_(self) -> str:
        """Shows the best trials in a notebook."""
        frame = self.trials()
        counts = ", ".join(f"{n} {state}" for state, n in frame["state"].value_counts().items())
        best = frame[frame["value"].notna()].sort_values("value", ascending=not self._maximize())
        columns = ["label", "state", "value", "best_epoch", "epochs_done", "seconds", "backbone"]
        shown = best[[name for name in columns if name in best]].head(SHOWN)
        head = f"<p>Study <b>{escape(self.name)}</b>: {escape(counts) or 'no trial yet'}</p>"
        return head + (shown.to_html(na_rep="", float_format="{:.4g}".format) if len(shown) else "")

    def _maximize(self) -> bool:
        from studies.objectives import objectives_of

        return objectives_of(self._open().record.settings).first.maximize


@public
def open_study(name: str | None = None, *, storage: str | None = None) -> Study:
    """Opens a study that was searched before, here or on the command line.

    Args:
        name: Its name; None is the latest one.
        storage: URL of the database; by default `hpo_runs/studies.db` in the current folder.

    Raises:
        StudyError: There is no such study; names those that there are.
    """
    from hpo.paths import Paths, runs
    from hpo.search.open_study import find_study
    from studies.storage import default_url

    where = Paths(storage or default_url(runs()), runs())
    return Study(where, find_study(where, name).study.study_name)
