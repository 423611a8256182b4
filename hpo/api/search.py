"""`hpo.search`: what `hpo run` does, called from Python."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from hpo.api.entry import public
from hpo.api.settings import Settings

if TYPE_CHECKING:
    from hpo.api.study import Study


@public
def search(
    data: object = None,
    *,
    study: str | None = None,
    trials: int | None = None,
    timeout: float | str | None = None,
    space: Mapping[str, Any] | None = None,
    networks: Any = None,
    config: str | PathLike[str] | None = None,
    preset: str | None = None,
    trials_from: str | None = None,
    background: bool = False,
    **settings: Unpack[Settings],
) -> Study:
    """Searches for the best settings, or continues a search.

    Calling it again with the same arguments continues the study. `trials` is the study's total, so
    a study that has all its trials trains no more.

    In a notebook the progress is a live table. The kernel's stop button lets the trials finish
    their epoch and pauses them; a second time it ends at once. Nothing is lost either way, nor when
    the kernel is restarted.

    Args:
        data: What `--data` takes, or images in memory:

            - a folder, a table of labels, a `.zip`, an `.npz`, or the name of a built-in set
            - `(images, labels)`: (n, height, width[, channels]) and (n,), or one-hot (n, classes)
            - `((x_train, y_train), (x_test, y_test))`, as `keras.datasets` give them
            - a dictionary of arrays, such as `images`, `labels`, `class_names` and `groups`
            - a data frame with a column of files and one of labels
            - what `keras.utils.image_dataset_from_directory` returns, and other `tf.data` sets of
              images and labels; a tuple of them is training, validation and test

            Images in memory are written into the folder of the studies, where the workers and later
            sessions find them. Without `data` it is that of the settings file, or `digits`.
        study: Name of the study; by default that of the data or the preset.
        trials: Trials of the study in total; 50 by default.
        timeout: Stop after this time: seconds, or a text such as `"10m"` or `"1h30m"`.
        space: What is searched, as in the table `[space]` of the settings file: a list of choices,
            `{"low": 1e-4, "high": 1e-2, "log": True}`, a value, or False. `hpo.Choice`,
            `hpo.IntRange` and `hpo.FloatRange` do as well.
        networks: Functions with `@hpo.network(…)` above them, of this notebook or a module, or
            files of such. The study keeps their source.
        config: TOML file of settings; the arguments win over it.
        preset: Settings that come with hpo.
        trials_from: Start with the finished trials of this study of the same images.
        background: Return at once and go on searching; see `Study.wait` and `Study.stop`.
        **settings: Every other key of the settings file.

    Returns:
        The study. A search that was stopped returns it, too.

    Raises:
        DataError: The data cannot be read or trained on.
        ModelError: A network of your own cannot be used.
        StudyError: A setting is not allowed, or the study exists with other settings.
    """
    from data_pipeline.sources.in_memory import as_settings
    from hpo.api.networks import network_files
    from hpo.api.plain import plain
    from hpo.api.running import begin
    from hpo.paths import runs
    from hpo.search.launch import Wish, ready

    named = {"trials": trials, "timeout_s": timeout, "space": space, **settings}
    given = {key: plain(value) for key, value in named.items() if value is not None}
    storage = given.pop("storage", None)
    if data is not None:
        given |= as_settings(data, runs() / "data", given)
    if networks is not None:
        given["networks"] = network_files(networks, runs() / "data" / "networks")
    wish = Wish(given, study, Path(config) if config else None, preset, trials_from, storage)
    return begin(ready(wish), background=background)
