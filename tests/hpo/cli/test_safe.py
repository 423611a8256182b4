"""What a whole study leaves behind: no password, and nothing outside its own folders."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
import sqlalchemy as sa
from PIL import Image

from tests.hpo.running import Run
from tests.studies.processes import new_database

SECRET = "hunter2-\u00fc@:/%"
SETTINGS = """
image_size_px = 8
[space]
backbone = "cnn"
batch_size = 16
epochs = 1
augmentation = "none"
"""


@pytest.fixture(scope="module")
def storage() -> Iterator[str]:
    """The URL of an empty database, with the password of a role of its own."""
    with new_database() as url:
        parsed = sa.make_url(url)
        role = f"role_{parsed.database}"
        admin = sa.create_engine(
            parsed.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
        )
        literal = SECRET.replace("'", "''").replace("%", "%%")
        with admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN SUPERUSER PASSWORD '{literal}'")
        yield parsed.set(username=role, password=SECRET).render_as_string(hide_password=False)
        with admin.connect() as connection:
            connection.exec_driver_sql(f"REASSIGN OWNED BY {role} TO CURRENT_USER")
            connection.exec_driver_sql(f"DROP ROLE {role}")
        admin.dispose()


def said(folder: Path, *words: str, **environment: str) -> str:
    """All that a command prints."""
    command = [sys.executable, "-m", "hpo", *words]
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=90,
    )
    return done.stdout + done.stderr


def forms(secret: str) -> list[bytes]:
    """A secret as it is, and as it stands in a URL."""
    return [text.encode() for text in (secret, quote(secret), quote_plus(secret), "hunter2")]


def stored(url: str) -> bytes:
    """Everything in the tables of a database."""
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
    metadata = sa.MetaData()
    metadata.reflect(engine)
    with engine.connect() as connection:
        rows = [connection.execute(sa.select(t)).fetchall() for t in metadata.sorted_tables]
    engine.dispose()
    return repr(rows).encode()


def snapshot(root: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file."""
    return {
        str(path): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in root.rglob("*")
        if path.is_file()
    }


def test_what_a_study_leaves_behind(tmp_path: Path, storage: str) -> None:
    """The password is in no output, log, file or table; files are in two folders and no other."""
    folders = {name: tmp_path / name for name in ("home", "tmp", "images", "cache", "here")}
    for folder in folders.values():
        folder.mkdir()
    for number in range(24):
        path = folders["images"] / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (9 * number, 0, 0)).save(path)
    here, before = folders["here"], snapshot(folders["images"])
    (here / "s.toml").write_text(f"storage = {storage!r}\n{SETTINGS}")
    environment = {
        "HOME": str(folders["home"]),
        "XDG_CACHE_HOME": str(folders["home"] / "cache"),
        "KERAS_HOME": str(folders["home"] / "keras"),
        "TMPDIR": str(folders["tmp"]),
        "HPO_CACHE_DIR": str(folders["cache"]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    words = ("--config", "s.toml", "--data", "../images", "--trials", "2", "--study", "s")
    run = Run(here, *words, environment=environment)
    assert run.end() == 0, run.output
    output = [run.output]
    with_url = {"HPO_STORAGE": storage}
    output += [
        said(here, "trials", **with_url),
        said(here, "studies", "--storage", storage),
        said(here, "worker", "--study", "none", **with_url),
        said(here, "dashboard", "--host", "0.0.0.0", **with_url),
        said(here, "run", "--storage", storage.replace("127.0.0.1", "127.0.0.1:1")),
        said(here, "run", "--storage", storage.replace("postgresql:", "nosuch:")),
        said(here, "run", "--storage", f"{storage}_missing"),
    ]
    output.append(dashboard(here, **with_url))
    assert "Error" in output[-2]
    assert "Error" not in output[1] + output[2]
    (here / "s.toml").unlink()  # the user's own
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for secret in forms(SECRET):
        assert secret not in "\n".join(output).encode()
        assert secret not in files
        assert secret not in stored(storage)
    assert snapshot(folders["images"]) == before
    assert {path.name for path in here.iterdir()} == {"hpo_runs"}
    assert list(folders["tmp"].iterdir()) == []
    home = {str(path.relative_to(folders["home"])) for path in folders["home"].rglob("*")}
    assert home <= {"keras", "keras/keras.json"}, home  # Keras's own settings


def dashboard(folder: Path, **environment: str) -> str:
    """All that the dashboard prints from its start to Ctrl-C."""
    server = subprocess.Popen(
        [sys.executable, "-m", "hpo", "dashboard", "--port", "0"],
        cwd=folder,
        env=os.environ | {"PYTHONUNBUFFERED": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert server.stdout is not None
    first = server.stdout.readline()
    server.send_signal(signal.SIGINT)
    rest, _ = server.communicate(timeout=30)
    assert "Dashboard at http://127.0.0.1:" in first
    return first + rest
