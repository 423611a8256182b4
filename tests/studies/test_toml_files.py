"""Tests of `studies.toml_files`."""

from __future__ import annotations

from pathlib import Path

import pytest

from studies import toml_files
from studies.errors import StudyError
from studies.toml_files import list_presets, load_settings, make_settings, preset_path


def written(folder: Path, text: str) -> Path:
    """Returns a file that holds `text`."""
    path = folder / "my.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_load_settings_leaves_values_as_written(tmp_path: Path) -> None:
    """What the file does not set is not in the result, so that other layers may set it."""
    path = written(
        tmp_path, 'timeout_s = "2h"\nsampler = "random"\n[space]\ndropout = [0.1, 0.2]\n'
    )
    assert load_settings(path) == {
        "timeout_s": "2h",
        "sampler": "random",
        "space": {"dropout": [0.1, 0.2]},
    }


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("trails = 5", 1, ["'trails'", "Did you mean trials"]),
        ("\n\nxyz = 5", 3, ["'xyz'", "Allowed: data, class_pattern, "]),
        ("trials = 0", 1, ["trials must be at least 1", "Received: 0"]),
        ('seed = 1\ntrials = "ten"', 2, ["trials must be a whole number", "Received: 'ten'"]),
        (
            'metric = "f1"',
            1,
            ["accuracy, macro_f1, balanced_accuracy, auc, loss", "Received: 'f1'"],
        ),
        ('timeout_s = "2 hours"', 1, ["timeout_s must be seconds or a text", "'1h30m'"]),
        (
            '[sampler]\nname = "tp"',
            2,
            ["sampler.name must be one of 'tpe', 'random', 'exhaustive'. Received: 'tp'."],
        ),
        (
            'pruner = "asha"',
            1,
            ["pruner.name must be one of 'none', 'percentile'", "Received: 'asha'"],
        ),
        ("pruner = 3", 1, ["pruner must be a table", "Received: 3"]),
        (
            '[sampler]\nname = "tpe"\nn_startup = 3',
            3,
            ["'n_startup'", "Did you mean n_startup_trials"],
        ),
        (
            '[pruner]\nname = "halving"\nmin_epochs = 0',
            3,
            ["pruner.min_epochs must be at least 1", "Received: 0"],
        ),
        ("[space]\n\ndropuot = 0.5", 3, ["'dropuot'", "Did you mean dropout"]),
        ("[space]\nl2 = 0.1\ndropout = 1.5", 3, ["dropout must be a number", "below 1.0", "1.5"]),
        ("[space]\ndropout = { low = 1 }", 2, ["dropout.high is missing.", "{ low, high }"]),
        ('[[baseline]]\nlabel = "x"\nlabl = "y"\nsettings = {}', 3, ["'labl'", "mean label"]),
        ('[[baseline]]\nlabel = "x"', 1, ["baseline.0.settings is missing"]),
        (
            '[[baseline]]\nlabel = "x"\nsettings = { epochs = 5 }\n'
            '[[baseline]]\nlabel = "y"\nsettings = { epoch = 5 }',
            6,
            ["'epoch'", "Did you mean epochs"],
        ),
    ],
)
def test_errors_name_line_key_value_and_rule(
    tmp_path: Path, text: str, line: int, words: list[str]
) -> None:
    """What is wrong in a file can be found and put right from the message alone."""
    path = written(tmp_path, text)
    with pytest.raises(StudyError) as error:
        load_settings(path)
    (message,) = str(error.value).splitlines()
    assert message.startswith(f"{path}, line {line}: ")
    for word in words:
        assert word in message


def test_all_errors_are_told_at_once(tmp_path: Path) -> None:
    """Each has its own line."""
    path = written(tmp_path, "trials = 0\ntrails = 5\n[space]\ndropout = 2\nepoch = 1\n")
    with pytest.raises(StudyError) as error:
        load_settings(path)
    lines = [message.split(": ")[0] for message in str(error.value).splitlines()]
    assert sorted(lines) == [f"{path}, line {line}" for line in (1, 2, 4, 5)]


def test_broken_syntax_names_the_line(tmp_path: Path) -> None:
    """The reader's own words say where."""
    with pytest.raises(StudyError, match=r"valid TOML\. Received: .*my\.toml .*line 2, column 10"):
        load_settings(written(tmp_path, "seed = 1\ntrials = \n"))


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_unreadable_files(tmp_path: Path, content: bytes | None) -> None:
    """A missing file and one that is no text are named."""
    path = tmp_path / "my.toml"
    if content:
        path.write_bytes(content)
    with pytest.raises(StudyError, match=r"Received: .*my\.toml"):
        load_settings(path)


def test_make_settings_explains_without_lines() -> None:
    """The command line has no lines."""
    assert make_settings({"trials": 3}).trials == 3
    with pytest.raises(StudyError, match=r"^trials must be at least 1\. Received: 0\.$"):
        make_settings({"trials": 0})


def test_presets_are_listed_with_their_first_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A preset's first comment says what it is."""
    (tmp_path / "b.toml").write_text("# Second one.\n# more\ntrials = 3\n")
    (tmp_path / "a.toml").write_text("# First one.\n")
    monkeypatch.setattr(toml_files, "_PRESETS", tmp_path)
    assert list_presets() == {"a": "First one.", "b": "Second one."}
    assert load_settings(preset_path("b")) == {"trials": 3}
    with pytest.raises(StudyError, match=r"Received: 'c'\. There are: a, b\."):
        preset_path("c")


@pytest.mark.parametrize("name", sorted(list_presets()))
def test_presets_are_valid(name: str) -> None:
    """Every preset that is shipped can be read, and opens with what it is."""
    make_settings(load_settings(preset_path(name)))
    assert list_presets()[name]


def test_a_byte_order_mark(tmp_path: Path) -> None:
    """What Notepad writes is read."""
    (tmp_path / "my.toml").write_bytes(b"\xef\xbb\xbfseed = 3\r\n")
    assert load_settings(tmp_path / "my.toml") == {"seed": 3}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("space = " + "[" * 5000, "lists or tables are nested too deeply. Flatten them."),
        ("seed = " + "9" * 5000, "Exceeds the limit (4300 digits)"),
    ],
)
def test_what_no_one_can_read(tmp_path: Path, text: str, words: str) -> None:
    """Deep nesting and endless numbers are refused as any other mistake."""
    with pytest.raises(StudyError) as error:
        load_settings(written(tmp_path, text))
    assert words in str(error.value)
    assert "my.toml" in str(error.value)
