"""The page over HTTP: what it serves, whom it answers, and that nothing in it comes from elsewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="requirements/live.txt is not installed")

from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from live.page.given_paths import GivenPaths
from live.page.home import Home
from live.page.server import web_application
from live.page.uploads import Limits

LOCAL = "http://127.0.0.1:7860"
FILM = b"0123456789" * 10


def with_a_head(home: Home) -> None:
    head = home.new_head("anna")
    film = head.films / "0001" / "sound.mp4"
    film.parent.mkdir(parents=True)
    film.write_bytes(FILM)
    (film.parent / ".part.123.part.mp4").write_bytes(b"half a film")
    head.report.mkdir()
    (head.report / "report.png").write_bytes(b"picture")
    head.record.write_text(json.dumps({"quality": "quick", "asked": 1.0}))


@pytest.fixture
def page(home: Home, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setattr("live.page.work.has_gpu", lambda: False)
    with_a_head(home)
    return TestClient(web_application(home, Limits(megabytes=1, sound_megabytes=1)), base_url=LOCAL)


def test_the_page_names_no_other_server_to_fetch_from(page: TestClient):
    answer = page.get("/")
    assert answer.status_code == 200
    assert not re.findall(r'(?:src|href)="(?:https?:)?//(?!127\.0\.0\.1)[^"]*"', answer.text)
    assert "og:" not in answer.text
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    for name in re.findall(r'(?:src|href)="(?:\./)?([^":]+\.(?:css|js))"', answer.text)[:10]:
        assert page.get("/" + name.lstrip("/")).status_code == 200


def test_the_page_says_that_it_is_well_to_this_machine_alone(page: TestClient):
    assert page.get("/health").json() == {"ready": True}
    assert page.get("/health", headers={"host": "elsewhere.example"}).status_code == 403


def test_films_and_pictures_are_served_with_parts_and_names(page: TestClient):
    whole = page.get("/heads/anna/films/0001")
    assert (whole.content, whole.headers["content-type"]) == (FILM, "video/mp4")
    part = page.get("/heads/anna/films/0001", headers={"range": "bytes=5-9"})
    assert (part.status_code, part.content) == (206, b"56789")
    assert "anna-0001.mp4" in page.get("/heads/anna/films/0001?download=1").headers["content-disposition"]
    assert page.get("/heads/anna/pictures/report").content == b"picture"


@pytest.mark.parametrize(
    "path",
    [
        "/heads/anna/films/0002", "/heads/anna/films/..%2f0001", "/heads/..%2fanna/films/0001", "/heads/%00/films/0001",
        "/heads/anna/pictures/..%2f..%2fhead", "/heads/anna/pictures/head.json", "/jobs/..%2f..%2fheads/log",
        "/jobs/0001/log", "/heads/ANNA/pictures/report", "/gradio_api/file=/etc/passwd", "/file=/etc/passwd",
    ],
)  # fmt: skip
def test_no_address_leads_out_of_the_home(page: TestClient, path: str):
    assert page.get(path).status_code in (403, 404)


def test_gradio_does_not_serve_the_home_either(page: TestClient, home: Home):
    assert page.get(f"/gradio_api/file={home.new_head('anna').record}").status_code in (403, 404)


@pytest.mark.parametrize("path", ["/etc/passwd", "https://example.org/x.mp4", "http://127.0.0.1:1/x", "", 7, ["x"]])
def test_a_request_that_names_another_file_goes_no_further(page: TestClient, path: object):
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    for data in ([file], [{"deep": [[file]]}]):
        asked = {"data": data, "fn_index": 0, "session_hash": "a"}
        for address in ("/gradio_api/queue/join", "/gradio_api/run/predict", "/gradio_api/call/look"):
            answer = page.post(address, json=asked)
            assert (answer.status_code, "no file that was sent" in answer.text) == (400, True)


def test_an_upload_may_be_named(page: TestClient, home: Home):
    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(await Request(scope, receive).body())(scope, receive, send)

    (sent,) = page.post("/gradio_api/upload", files={"files": ("../../x.mp4", b"x", "video/mp4")}).json()
    assert home.upload(sent).is_relative_to(home.uploads.resolve())
    asked = {"data": [{"path": sent}, {"path": None}]}
    assert TestClient(GivenPaths(echo, home)).post("/", json=asked).json() == asked


def test_a_request_that_cannot_be_read_or_has_no_end_is_refused(page: TestClient):
    assert page.post("/gradio_api/queue/join", content=b"[" * 200_000).status_code == 400
    assert page.post("/gradio_api/queue/join", content=bytes(9 << 20)).status_code == 413


def test_an_upload_that_is_too_large_is_refused(page: TestClient, home: Home):
    answer = page.post("/gradio_api/upload", files={"files": ("x.mp4", bytes(3_000_000), "video/mp4")})
    assert answer.status_code == 413


def test_a_name_that_leads_here_from_elsewhere_is_not_answered(page: TestClient):
    assert page.get("/", headers={"host": "evil.example:7860"}).status_code == 403
    assert page.get("/", headers={"host": "localhost:7860"}).status_code == 200


def test_another_page_may_not_ask(page: TestClient):
    for origin in ("http://evil.example", "null", "http://127.0.0.1:9999"):
        assert page.post("/gradio_api/queue/join", json={}, headers={"origin": origin}).status_code == 403
    assert page.get("/", headers={"origin": LOCAL}).status_code == 200


def test_elsewhere_a_token_is_needed_once(home: Home, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("live.page.work.has_gpu", lambda: False)
    page = TestClient(web_application(home, Limits(), "a-long-secret"), base_url="http://machine:7860")
    for path in ("/", "/?token=another", "/gradio_api/info", "/heads/anna/pictures/report"):
        assert page.get(path).status_code == 403
    answer = page.get("/?token=a-long-secret", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert page.get("/").status_code == 200  # the cookie
    assert page.get("//evil.example/?token=a-long-secret", follow_redirects=False).headers.get("location", "/") == "/"


def test_a_page_on_a_folder_that_cannot_be_made_says_so(tmp_path: Path):
    from arguments.errors import EGSTalkerError

    (tmp_path / "file").touch()
    with pytest.raises(EGSTalkerError, match="another --home"):
        web_application(Home(tmp_path / "file" / "home"), Limits())
