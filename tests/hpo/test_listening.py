"""Tests of where servers listen."""

from __future__ import annotations

import socket

import pytest

from hpo.listening import address, is_loopback, listen
from studies.errors import StudyError


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
    with pytest.raises(StudyError, match="The program must be able to listen on the address"):
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
