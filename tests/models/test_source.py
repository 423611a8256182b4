"""Running a user's network file: what goes wrong is shown as their line."""

from __future__ import annotations

import pytest

from models.errors import ModelError
from models.source import Source, defined_twice, where_it_hung


def source(text: str) -> Source:
    """A file of that text."""
    return Source("mine.py", text)


def test_a_text_makes_a_module_without_any_file() -> None:
    """What it defines is there, and it is run once."""
    text = source("import random\nVALUE = random.random()\n")
    assert text.run().VALUE == text.run().VALUE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\ny = (2\n", r"mine\.py, line 2: SyntaxError: '\(' was never closed\n    y = \(2"),
        ("x = 1\nx.y()\n", r"mine\.py, line 2: AttributeError: .*\n    x\.y\(\)"),
        ("def f():\n    return 1 / 0\nf()\n", r"mine\.py, line 2: ZeroDivisionError"),
        ("exit()\n", r"mine\.py, line 1: .*must not end the program. Received: exit\(\)"),
        ("raise SystemExit(3)\n", r"mine\.py, line 1: .*must not end the program"),
        ("import os\nos.fork()\n", r"mine\.py, line 2: .*copies of the process. Received: os.fork"),
        ("import no_such_module\n", r"mine\.py, line 1: ModuleNotFoundError.*stands alone"),
    ],
)
def test_an_error_is_the_users_line(text: str, said: str) -> None:
    """The message names the file, the line and what stands there."""
    with pytest.raises(ModelError, match=said):
        source(text).run()


def test_an_error_of_a_function_without_a_line_is_that_of_its_def() -> None:
    """What Keras finds wrong with what was returned, passes through no line of the file."""
    text = source("def net(images):\n    return images\n")
    assert str(text.problem(ValueError("no"), "net")).startswith("mine.py, line 1: ValueError: no")


def test_texts_differ_by_their_digest() -> None:
    """A changed text is another network."""
    assert source("x = 1").digest == Source("moved.py", "x = 1").digest != source("x = 2").digest


def test_a_function_defined_twice_is_found() -> None:
    """The second would replace the first without a word."""
    found = defined_twice(source("def a(): ...\ndef b(): ...\ndef a(): ...\n"))
    assert found is not None
    assert (found.name, found.lineno) == ("a", 3)


def test_where_a_process_hung_is_read_from_its_last_words() -> None:
    """`faulthandler` prints the stack, innermost line first."""
    printed = (
        "Timeout (0:00:01)!\nThread 0x1 (most recent call first):\n"
        '  File "time.py", line 9 in sleep\n'
        '  File "mine.py", line 4 in <module>\n'
        '  File "run.py", line 1 in main\n'
    )
    assert where_it_hung(source(""), printed) == "mine.py, line 4"
    assert where_it_hung(source(""), "nothing") == "mine.py"
