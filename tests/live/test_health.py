"""The question of whoever watches over a container."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from arguments.errors import EGSTalkerError
from live.health import check


@contextmanager
def answering(status: int) -> Iterator[int]:
    """The port of a server that answers everything so."""
    asked = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert asked == ["/health"]


@pytest.mark.parametrize("status", [200, 401, 403])
def test_a_server_that_answers_is_well_even_if_it_wants_a_token(status: int):
    with answering(status) as port:
        check("127.0.0.1", port)


@pytest.mark.parametrize("status", [404, 500, 503])
def test_another_answer_is_none(status: int):
    with answering(status) as port, pytest.raises(EGSTalkerError, match=f"answers with {status}"):
        check("127.0.0.1", port)


def test_nobody_there_is_said_in_a_line():
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        with pytest.raises(EGSTalkerError, match="nothing answers at"):
            check("127.0.0.1", place.getsockname()[1])
