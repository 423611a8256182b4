"""Tests of what the server of a model answers."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hpo.serving.app import OPEN_PATHS, PAGE, make_app
from hpo.serving.room import Limits
from hpo.serving.uploads import RAW
from tests.data_pipeline.odd_files import OddFile, odd_files
from tests.fuzzing import few, many
from tests.hpo.serving.asking import COLOURS, ColourModel, ask, ask_with_files, drawn, running

LIMITS = Limits(bytes=100_000, seconds=20.0, pictures=64, files=3)
ROUTES = {"/predict": b"", "/explain": b"", "/model": None, "/openapi.json": None}
"""Path to the body of a request; None of what is only got."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server that runs as it should."""
    with running(make_app(ColourModel(), "colours.onnx", None, 2, LIMITS)) as port:
        yield port


def test_a_picture_as_the_body(port: int) -> None:
    """All classes, the likeliest first."""
    answer = ask(port, "/predict", drawn("lime"))
    assert answer.status == 200
    (found,) = answer.json()["predictions"]
    assert answer.json()["model"] == "colours.onnx"
    assert found["file"] == RAW
    assert found["classes"][0] == {"class": "green", "probability": pytest.approx(1)}
    assert {row["class"] for row in found["classes"]} == set(COLOURS)


def test_files_of_a_form_are_answered_in_their_order(port: int) -> None:
    """Each under its own name, whatever their sizes; a damaged one does not fail the others."""
    files = [
        ("b.png", drawn("blue")),
        ("no.png", b"no picture"),
        ("r.png", drawn("red", (3, 40))),
    ]
    answer = ask_with_files(port, "/predict?top=1", files)
    assert answer.status == 200
    first, second, third = answer.json()["predictions"]
    assert first == {
        "file": "b.png",
        "classes": [{"class": "blue", "probability": pytest.approx(1)}],
    }
    assert second["file"] == "no.png"
    assert second["error"].startswith("A picture must be of a format that is read here.")
    assert third["classes"][0]["class"] == "red"


def test_pictures_of_which_none_is_sound(port: int) -> None:
    """The status says so, too."""
    torn = drawn("red")[:45]
    answer = ask(port, "/predict", torn)
    assert answer.status == 422
    assert answer.json()["predictions"] == [
        {
            "file": RAW,
            "error": "A picture must be readable to its end. Received: a damaged one. "
            "Send another.",
        }
    ]
    assert ask(port, "/explain", torn).status == 422


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large(port: int, chunked: bool) -> None:
    """It is refused by its announced length, or where it passes the limit."""
    body = bytes(LIMITS.bytes + 1)
    answer = ask(port, "/predict", iter([body[:70_000], body[70_000:]]) if chunked else body)
    assert answer.status == 413
    assert answer.json()["error"].startswith("A request must have at most 100,000 bytes.")
    assert ask(port, "/predict", drawn("red")).status == 200


@pytest.mark.parametrize("path", ["/predict", "/explain"])
@pytest.mark.parametrize("kind", ["", "multipart/form-data", "multipart/form-data; boundary=x"])
def test_a_body_without_a_picture(port: int, path: str, kind: str) -> None:
    """Nothing, no form and a form's beginning are refused with what to send."""
    answer = ask(port, path, b"--x\r\n" if kind else b"", {"Content-Type": kind} if kind else {})
    assert answer.status == 400
    assert "curl" in answer.json()["error"]


def test_too_many_files(port: int) -> None:
    """A request has as many as the limit says."""
    files = [(f"{n}.png", drawn("red")) for n in range(LIMITS.files + 1)]
    assert ask_with_files(port, "/predict", files).status == 400
    assert ask_with_files(port, "/predict", files[1:]).status == 200
    assert ask_with_files(port, "/explain", files[:2]).status == 400


@pytest.mark.parametrize("query", ["top=0", "top=x", "top=-1", "top=%C2%B2"])
def test_a_wrong_number_of_classes(port: int, query: str) -> None:
    """What is no number of classes is said to be none."""
    assert ask(port, f"/predict?{query}", drawn("red")).status == 422


def test_the_heat_map_shows_where_a_class_is(port: int) -> None:
    """Covering the one green corner takes the probability of green away."""
    image = np.zeros((32, 32, 3), np.uint8)
    image[..., 0] = 20
    image[24:, :8] = (0, 255, 0)
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    answer = ask(port, "/explain?class=green", stream.getvalue()).json()
    falls = np.array(answer["falls"])
    assert answer["class"] == "green"
    assert np.unravel_index(falls.argmax(), falls.shape) == (7, 0)
    assert falls.max() > 0.2
    assert falls[0, 7] < 0
    assert ask(port, "/explain?class=pink", stream.getvalue()).status == 422
    assert ask(port, "/explain", drawn("blue")).json()["class"] == "blue"


def test_the_page_may_load_nothing_from_elsewhere(port: int) -> None:
    """Neither scripts nor pictures, and no other site may frame it."""
    for path in PAGE:
        answer = ask(port, path)
        assert answer.status == 200
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert b"http" not in ask(port, "/").body


def test_the_description_has_every_route(port: int) -> None:
    """Routes for programs, and the limits in words."""
    described = ask(port, "/openapi.json").json()
    assert described["openapi"] == "3.1.0"
    assert {*described["paths"], "/openapi.json"} == {*ROUTES, "/healthz"}
    assert "100,000 bytes and 3 files" in described["info"]["description"]
    assert ask(port, "/model").json() == {
        "model": "colours.onnx",
        "classes": list(COLOURS),
        "limits": {"bytes": 100_000, "files": 3},
    }
    assert ask(port, "/healthz").json() == {"status": "ok"}
    assert ask(port, "/none").status == 404


def test_a_token_guards_what_tells_of_the_model() -> None:
    """The page and /healthz are open; a wrong token opens nothing."""
    app = make_app(ColourModel(), "colours.onnx", "s3cret-é", 1, LIMITS)
    with running(app) as port:
        for path, body in ROUTES.items():
            for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "s3cret"}):
                answer = ask(port, path, body, headers)
                assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert {ask(port, path).status for path in OPEN_PATHS} == {200}
        right = {"Authorization": "Bearer s3cret-é".encode().decode("latin-1")}
        assert ask(port, "/predict", drawn("red"), right).status == 200


class SlowModel(ColourModel):
    """Waits to be let go on."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on, self.asked = threading.Event(), threading.Semaphore(0)

    def _forward(self, images_bhwc: np.ndarray) -> np.ndarray:
        self.asked.release()
        assert self.go_on.wait(60)
        return super()._forward(images_bhwc)


def test_beyond_the_queue_requests_are_told_to_come_back() -> None:
    """429 at once while it is full; what is inside is answered, and then there is room again."""
    model, limits = SlowModel(), Limits(pictures=1)
    with running(make_app(model, "m", None, 1, limits)) as port, ThreadPoolExecutor(1) as pool:
        inside = pool.submit(ask, port, "/predict", drawn("red"))
        assert model.asked.acquire(timeout=60)
        for path in ("/predict", "/explain"):
            answer = ask(port, path, drawn("red"))
            assert (answer.status, answer.headers["retry-after"]) == (429, "1")
        assert ask(port, "/healthz").status == 200
        model.go_on.set()
        assert inside.result().status == 200
        assert ask(port, "/predict", drawn("red")).status == 200
        two = [("a", drawn("red")), ("b", drawn("red"))]
        assert ask_with_files(port, "/predict", two).status == 429


def test_bodies_are_bounded_together() -> None:
    """However many requests there are, they hold no more memory than the limit."""
    limits = Limits(bytes=1000, bytes_inside=900)
    with running(make_app(ColourModel(), "m", None, 1, limits)) as port:
        assert ask(port, "/predict", bytes(1000)).status == 429
        assert ask(port, "/predict", drawn("red")).status == 200


def test_what_takes_too_long_is_given_up() -> None:
    """503, and its room is free again."""
    model, limits = SlowModel(), Limits(pictures=1, seconds=0.2)
    with running(make_app(model, "m", None, 1, limits)) as port:
        answer = ask(port, "/predict", drawn("red"))
        assert answer.status == 503
        assert "within 0.2 s" in answer.json()["error"]
        model.go_on.set()
        while (answer := ask(port, "/predict", drawn("red"))).status == 503:
            pass
        assert answer.status == 200


class BrokenModel(ColourModel):
    """Fails as a bug would."""

    def _forward(self, images_bhwc: np.ndarray) -> np.ndarray:
        raise RuntimeError("/home/somebody/secret.py")


def test_a_bug_tells_nothing_of_this_machine() -> None:
    """500 with a plain sentence, and the server goes on."""
    with running(make_app(BrokenModel(), "m", None, 1, LIMITS)) as port:
        for _ in range(2):
            answer = ask(port, "/predict", drawn("red"))
            assert answer.status == 500
            assert answer.json() == {"error": "The server failed on this request."}
        assert ask(port, "/healthz").status == 200


def check_upload(port: int, file: OddFile) -> None:
    """It is classified or refused, and the answer names nothing of this machine."""
    for answer in (
        ask(port, "/predict", file.content),
        ask_with_files(port, "/predict", [(file.name, file.content)]),
    ):
        assert answer.status in ((200,) if file.size else (200, 400, 413, 422)), answer
        text = answer.body.decode().lower()
        for secret in (str(Path(__file__).parents[3]).lower(), "0x", "/tmp", "traceback", ".py"):
            assert secret not in text
    assert ask(port, "/healthz").status == 200


def test_odd_uploads(port: int) -> None:
    """Whole and damaged files of every format."""
    few(lambda file: check_upload(port, file), odd_files())


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)
def test_many_odd_uploads(port: int) -> None:
    """The same with thousands that nobody has chosen."""
    many(lambda file: check_upload(port, file), odd_files())
