"""The server of one model as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.resources import files

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from hpo.runtimes.model import Model
from hpo.serving.access import BearerAuth
from hpo.serving.answers import Answers
from hpo.serving.room import House, Limits
from hpo.serving.workers import Workers

PAGE = {"/": "page.html", "/page.js": "page.js", "/page.css": "page.css"}
"""Path to the file that is served there."""
TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css"}
OPEN_PATHS = frozenset({*PAGE, "/healthz"})
"""They tell nothing of the model, and can be had without the token."""
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def make_app(model: Model, name: str, token: str | None, threads: int, limits: Limits) -> ASGIApp:
    """Returns the application.

    Args:
        model: A model that several threads may use at once.
        name: What the model is called; no path.
        token: What all must send who want more than the page; None lets everyone in.
        threads: How many decode and classify.
        limits: What is taken on.
    """
    workers = Workers(model, threads)
    answers = Answers(model, name, workers, House(limits))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(workers.stop)

    routes = [
        *(Route(path, _served(file)) for path, file in PAGE.items()),
        Route("/healthz", answers.healthz),
        Route("/model", answers.about),
        Route("/openapi.json", answers.openapi),
        Route("/predict", answers.predict, methods=["POST"]),
        Route("/explain", answers.explain, methods=["POST"]),
    ]
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={
            HTTPException: _refused,
            ClientDisconnect: _gone,
            Exception: _failed,
        },
    )
    return BearerAuth(app, token, OPEN_PATHS) if token else app


def _served(file: str) -> Callable[[Request], Response]:
    content = (files("hpo.serving") / "page" / file).read_bytes()
    kind = TYPES[file.rpartition(".")[2]]
    return lambda request: Response(content, media_type=kind, headers=PAGE_HEADERS)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


def _gone(request: Request, error: Exception) -> Response:
    """Whoever asked has left in the middle of the body, and nobody reads this."""
    return Response(status_code=400)


def _failed(request: Request, error: Exception) -> Response:
    """A bug: its traceback goes to the error output, and nothing of it to whoever asked."""
    return JSONResponse({"error": "The server failed on this request."}, 500)
