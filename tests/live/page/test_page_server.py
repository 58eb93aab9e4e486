"""The server as a process: its address, its end, and the work that goes on without it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="requirements/live.txt is not installed")

import httpx

from live.access import is_loopback
from live.page.__main__ import parse
from live.page.home import Home
from live.page.job import DONE, HALFWAY, RUNNING, Job, Step
from live.page.jobs import Line

ROOT = Path(__file__).resolve().parents[3]


@contextmanager
def serving(home: Home, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process of a server, and the address that it prints."""
    command = [sys.executable, "-m", "live.page", "--port", "0", "--home", str(home.root), *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.match(r"http://\S+", line)
            assert found, line or process.communicate()[1]
            yield process, found[0]
        finally:
            if process.poll() is None:
                process.kill()


def waiting_job(home: Home, seconds: float) -> Job:
    folder = home.jobs / "0001"
    folder.mkdir()
    command = (sys.executable, "-c", f"import time; time.sleep({seconds}); print('worked')")
    job = Job("head", "anna", (Step("train", command),), folder=folder)
    job.write()
    return job


@pytest.mark.slow
def test_ctrl_c_ends_the_server_and_not_the_work(home: Home):
    job, line = waiting_job(home, 12.0), Line(home.jobs)
    with serving(home) as (process, address):
        assert address.startswith("http://127.0.0.1:")
        assert httpx.get(address).status_code == 200
        assert line.find(job.number).now == RUNNING  # the line has survived until the server came
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert (process.returncode, errors) == (0, "")
    assert line.find(job.number).now == RUNNING
    end = time.monotonic() + 30
    while line.find(job.number).now == RUNNING and time.monotonic() < end:
        time.sleep(0.1)
    assert line.find(job.number).now == DONE
    assert "worked" in job.log.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_work_that_is_to_end_with_the_server_does_and_can_go_on(home: Home, number: signal.Signals):
    job, line = waiting_job(home, 60.0), Line(home.jobs)
    with serving(home, "--end_jobs") as (process, address):
        assert httpx.get(address + "health").json() == {"ready": True}
        assert line.find(job.number).now == RUNNING
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (0, "")
    assert line.find(job.number).now == HALFWAY


@pytest.mark.slow
def test_another_host_asks_for_the_token_that_is_printed(home: Home):
    with serving(home, "--host", "0.0.0.0") as (_, address):
        port, token = re.findall(r":(\d+)/\?token=(\S{20,})$", address)[0]
        assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 403
        with httpx.Client(follow_redirects=True) as client:
            assert client.get(f"http://127.0.0.1:{port}/?token={token}").status_code == 200


def test_a_port_that_is_taken_is_said_in_a_line(home: Home):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "live.page", "--port", port, "--home", str(home.root)]
        answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ})
    assert answer.returncode == 1
    assert re.fullmatch(rf"error: cannot listen at 127\.0\.0\.1, port {port} .*\n", answer.stderr)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "::1"])
def test_a_loopback_is_known(host: str):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org", ""])
def test_every_other_host_is_none(host: str):
    assert not is_loopback(host)


@pytest.mark.parametrize("arguments", [["--port", "70000"], ["--max_upload", "0"]])
def test_what_makes_no_sense_is_refused(arguments: list[str]):
    with pytest.raises(SystemExit):
        parse(arguments)


def test_a_token_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    assert parse([]).token is None
    monkeypatch.setenv("EGSTALKER_TOKEN", "")
    assert parse([]).token is None
    monkeypatch.setenv("EGSTALKER_TOKEN", "of the environment")
    assert parse([]).token == "of the environment"
    assert parse(["--token", "of the command line"]).token == "of the command line"
