"""Whether a server answers: ``python -m live.health HOST PORT``, for whoever watches over its container."""

from __future__ import annotations

import argparse
import http.client

from arguments.errors import EGSTalkerError, door

_SECONDS = 5.0


def check(host: str, port: int) -> None:
    """Ask for ``/health``. That a token is missing is an answer, too.

    Raises:
        EGSTalkerError: nothing answers, or with an error of its own.
    """
    connection = http.client.HTTPConnection(host, port, timeout=_SECONDS)
    try:
        connection.request("GET", "/health")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise EGSTalkerError(f"nothing answers at {host}, port {port}: {error}") from error
    finally:
        connection.close()
    if status not in (200, 401, 403):
        raise EGSTalkerError(f"the server at {host}, port {port} answers with {status}")


@door
def main() -> None:
    """Exit code 0 where it answers."""
    parser = argparse.ArgumentParser(prog="python -m live.health", description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    options = parser.parse_args()
    check(options.host, options.port)


if __name__ == "__main__":
    raise SystemExit(main())
