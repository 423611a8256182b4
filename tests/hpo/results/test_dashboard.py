"""Tests of the dashboard's server and its password."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hpo.results.dashboard import BasicAuth, check_access
from studies.errors import StudyError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment


def _inner(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [b"inside"]


def _ask(password: str, authorization: str | None) -> tuple[str, dict[str, str], bytes]:
    """Sends one request and returns status, headers and body."""
    answers: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]]) -> None:
        answers.append((status, headers))

    environ = {} if authorization is None else {"HTTP_AUTHORIZATION": authorization}
    body = BasicAuth(_inner, password)(environ, cast(Any, start_response))
    ((status, headers),) = answers
    return status, dict(headers), b"".join(body)


def _basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@given(st.text(min_size=1), st.text().filter(lambda name: ":" not in name))
def test_the_password_opens_whatever_the_user_is_called(password: str, user: str) -> None:
    """Passwords may hold colons and letters of any script; user names are ignored."""
    assert _ask(password, _basic(f"{user}:{password}"))[::2] == ("200 OK", b"inside")


@given(st.text(min_size=1), st.text())
def test_nothing_else_opens(password: str, attempt: str) -> None:
    """Another password, no password, and what is no Basic credential are turned away."""
    assume(attempt.partition(":")[2] != password)
    for sent in (None, "", attempt, _basic(attempt), _basic(f"x:{attempt}y{password}")):
        status, headers, body = _ask(password, sent)
        assert status == "401 Unauthorized"
        assert headers["WWW-Authenticate"] == 'Basic realm="hpo", charset="UTF-8"'
        assert b"inside" not in body


def test_other_machines_need_a_password() -> None:
    """A password opens an address of the network, and so does the user who insists."""
    check_access("127.0.0.1", None, insecure=False)
    check_access("0.0.0.0", "secret", insecure=False)
    check_access("0.0.0.0", None, insecure=True)
    with pytest.raises(StudyError, match=r"Received: --host 0\.0\.0\.0 without one"):
        check_access("0.0.0.0", None, insecure=False)
