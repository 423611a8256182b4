"""Tests of `hpo serve`, in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hpo.cli import main, serve
from hpo.serving.access import TOKEN_VARIABLE
from tests.hpo.serving.asking import ask, drawn
from tests.hpo.small_onnx import write_model

WATCHED = """
import sys
from hpo.cli import main
try:
    main(sys.argv[1:], prog_name="hpo")
finally:
    print(sorted({"tensorflow", "keras", "optuna", "sqlalchemy", "pandas"} & set(sys.modules)))
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ONNX file."""
    path = tmp_path_factory.mktemp("served") / "colours.onnx"
    write_model(path)
    return path


@contextmanager
def served(model: Path) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Runs the command on a free port, which is yielded."""
    server = subprocess.Popen(
        [sys.executable, "-P", "-c", WATCHED, "serve", str(model), "--port", "0"],
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert line.startswith(f"{model.name}, 3 classes, is at http://127.0.0.1:"), line
        yield int(line.split("/")[2].rpartition(":")[2]), server
    finally:
        server.kill()
        server.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_answers_and_ends_when_asked_to(model: Path, number: int) -> None:
    """Status 0 and nothing said, even of clients that leave; TensorFlow is never loaded."""
    with served(model) as (port, server), socket.create_connection(("127.0.0.1", port)) as slow:
        assert ask(port, "/predict", drawn("blue")).json()["predictions"][0]["classes"][0] == {
            "class": "blue",
            "probability": 1.0,
        }
        for kind in ("image/png", "multipart/form-data; boundary=x"):
            with socket.create_connection(("127.0.0.1", port)) as leaving:
                head = f"Host: x\r\nContent-Length: 99\r\nContent-Type: {kind}\r\n\r\n--x\r\n"
                leaving.sendall(f"POST /predict HTTP/1.1\r\n{head}".encode())
        picture = drawn("red")
        head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(picture)}\r\n\r\n"
        slow.sendall(head.encode() + picture[:20])
        assert ask(port, "/healthz").status == 200  # the half request has been read by now
        server.send_signal(number)
        slow.sendall(picture[20:])
        assert slow.recv(1 << 16).startswith(b"HTTP/1.1 200 OK")
        output, errors = server.communicate(timeout=60)
        assert (server.returncode, errors) == (0, "")
        assert output.splitlines()[-1] == "[]"


def _type(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["serve", *map(str, words)], prog_name="hpo")


def test_a_port_in_use_is_named(model: Path) -> None:
    """Before the model is loaded."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = _type(model, "--port", port)
    assert result.exit_code == 1
    assert result.output.startswith(
        f"Error: The port must be free. Received: 127.0.0.1, port {port}"
    )


def test_other_machines_need_a_token(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--host 0.0.0.0 alone is refused before anything listens."""
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    result = _type(model, "--host", "0.0.0.0")
    assert result.exit_code == 1
    assert result.output == (
        "Error: Other machines may only ask with a token. Received: --host 0.0.0.0 and no "
        "HPO_SERVE_TOKEN. Set it to a long random text, which clients send as "
        "`Authorization: Bearer …`, or stay on 127.0.0.1.\n"
    )


def test_without_its_packages_the_command_to_install_them_is_named(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not everybody serves, so they are an extra."""
    monkeypatch.setattr(
        serve, "find_spec", lambda name: None if name == "uvicorn" else find_spec(name)
    )
    result = _type(model)
    assert result.exit_code == 1
    assert "Received: a Python without uvicorn." in result.output
    assert "pip install '.[serve]'" in result.output


@pytest.mark.parametrize("content", [None, b"", b"not a model"])
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """A missing, an empty and another file are messages that name it."""
    path = tmp_path / "m.onnx"
    if content is not None:
        path.write_bytes(content)
    result = _type(path, "--port", "0")
    assert result.exit_code == 1
    assert result.output.startswith("Error: A model must be a ")
    assert f"Received: {path}" in result.output
