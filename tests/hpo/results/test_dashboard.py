"""Tests of the dashboard's server and its password."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hpo.results.dashboard import BasicAuth, address, check_access, is_loopback, listen
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


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.7", False),
        ("localhost.example.com", False),
        ("", False),
    ],
)
def test_only_loopback_addresses_are_this_machine_alone(host: str, alone: bool) -> None:
    """Names other than localhost are never taken for it."""
    assert is_loopback(host) is alone
    if alone:
        check_access(host, None, insecure=False)
        return
    check_access(host, "secret", insecure=False)
    check_access(host, None, insecure=True)
    with pytest.raises(StudyError, match=f"Received: --host {host} without one"):
        check_access(host, None, insecure=False)


def test_a_port_in_use_is_named() -> None:
    """The message names the port and the option."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(StudyError) as caught:
            listen("127.0.0.1", port)
    assert str(caught.value) == (
        "The port must be free. Received: 127.0.0.1, port "
        f"{port} (Address already in use). Choose another with --port; --port 0 takes a free one."
    )


def test_a_host_of_another_machine_is_refused() -> None:
    """192.0.2.1 is nobody's (RFC 5737)."""
    with pytest.raises(StudyError, match="The dashboard must be able to listen on the address"):
        listen("192.0.2.1", 0)


def test_a_host_that_is_no_address_is_refused() -> None:
    """A name that cannot be looked up is said to be none."""
    with pytest.raises(StudyError, match="--host must be an address of this machine"):
        listen("no such host", 0)


def test_port_0_takes_a_free_one_and_says_which() -> None:
    """The address holds the port that was found."""
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        assert address(listening) == f"http://127.0.0.1:{port}/"
        assert port > 0
