"""`hpo serve`: an exported model behind a web page and a JSON route."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import click

from hpo.cli.options import Duration, layers_option
from studies.errors import StudyError

PACKAGES = ("starlette", "uvicorn", "python_multipart")
"""They come with the extra `serve`."""
SHORTEST_QUEUE = 64
"""The files of one form fit in, and the pictures of one map."""


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--max-mb",
    type=click.FloatRange(min=0, min_open=True),
    default=20,
    show_default=True,
    metavar="MB",
    help="Refuse larger requests.",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=Duration(),
    default="30s",
    show_default=True,
    help="Give up requests that take longer.",
)
@click.option(
    "--queue",
    type=click.IntRange(min=SHORTEST_QUEUE),
    default=512,
    show_default=True,
    metavar="N",
    help="Answer 429 while so many pictures wait.",
)
@layers_option
def serve(
    model: Path,
    port: int,
    host: str,
    max_mb: float,
    timeout_s: float,
    queue: int,
    trusts: bool,
) -> None:
    """Serve an exported model of any format.

    In a browser it is a page to drop a picture on. Programs send pictures to POST /predict, as the
    body or as files of a form; GET /openapi.json describes all routes.

    If --host lets other machines in, they must send the token in the environment variable
    HPO_SERVE_TOKEN. It is not encrypted on the way: put a proxy with TLS in front.

    \b
    Examples:
      hpo serve model.onnx
      curl --data-binary @cat.jpg http://127.0.0.1:8000/predict
      curl -F file=@cat.jpg -F file=@dog.jpg 'http://127.0.0.1:8000/predict?top=1'
      HPO_SERVE_TOKEN=... hpo serve model.onnx --host 0.0.0.0
    """
    _require()

    from data_pipeline.system import processors
    from hpo.listening import address, listen
    from hpo.results.model_file import open_model
    from hpo.runtimes.table import runtime_of
    from hpo.serving.access import TOKEN_VARIABLE, check_access
    from hpo.serving.app import make_app
    from hpo.serving.pictures import limit_pixels
    from hpo.serving.room import Limits
    from hpo.serving.server import serve as run

    token = os.environ.get(TOKEN_VARIABLE)
    check_access(host, token)
    runtime_of(model)
    threads = processors()
    with listen(host, port) as listening:
        limit_pixels()
        loaded = open_model(model, threads, trusts=trusts)
        limits = Limits(bytes=int(max_mb * 1e6), seconds=timeout_s, pictures=queue)
        app = make_app(loaded, model.name, token, threads, limits)
        click.echo(
            f"{model.name}, {len(loaded.classes)} classes, is at {address(listening)} "
            "(stop it with Ctrl-C)"
        )
        run(app, listening, timeout_s)
    click.echo()


def _require() -> None:
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise StudyError(
            f"Serving needs the packages {', '.join(PACKAGES)}. Received: a Python without "
            f"{', '.join(missing)}. In the project's folder: pip install '.[serve]'."
        )
