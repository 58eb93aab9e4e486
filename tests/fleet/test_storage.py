"""Object stores: what is brought is what was kept, whole or not at all."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from arguments.errors import EGSTalkerError
from fleet.storage import ObjectStore, SharedFolder, store_of


@pytest.fixture(params=["file", "memory"])
def url(request, tmp_path: Path):
    if request.param == "file":
        yield f"file://{tmp_path}/bucket/farm"
        return
    import fsspec

    yield "memory://bucket/farm"
    fsspec.filesystem("memory").store.clear()


@pytest.fixture
def here(url, tmp_path) -> ObjectStore:
    return ObjectStore(url, tmp_path / "here")


@pytest.fixture
def there(url, tmp_path) -> ObjectStore:
    return ObjectStore(url, tmp_path / "there")


def write(store: ObjectStore, text: str) -> None:
    path = store.place("anna") / "model/deep/file.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def read(store: ObjectStore) -> str:
    return (store.place("anna") / "model/deep/file.txt").read_text()


def test_small_files_are_written_and_read(here, there):
    assert here.read("farm.json") is None
    assert here.names() == []
    here.write("heads/anna/head.json", b"one")
    here.write("heads/bert/head.json", b"two")
    assert (there.read("heads/anna/head.json"), there.names()) == (b"one", ["anna", "bert"])


def test_another_machine_brings_the_version_that_was_kept(here, there):
    write(here, "first")
    first = here.keep("anna", "model")
    there.bring("anna", "model", first)
    assert read(there) == "first"
    write(here, "second")
    second = here.keep("anna", "model")
    there.bring("anna", "model", first)
    assert read(there) == "first"
    there.bring("anna", "model", second)
    assert read(there) == "second"
    here.forget("anna", "model", second)
    with pytest.raises(EGSTalkerError, match="damaged or gone"):
        here.bring("anna", "model", first)


def test_what_is_here_already_is_not_brought_again(here, there):
    write(here, "first")
    version = here.keep("anna", "model")
    there.bring("anna", "model", version)
    write(there, "worked on")
    there.bring("anna", "model", version)
    assert read(there) == "worked on"
    there.drop("anna")
    there.bring("anna", "model", version)
    assert read(there) == "first"


def test_a_video_is_uploaded_and_brought(here, there, tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"film")
    here.add_file("anna", "dataset.mp4", tmp_path / "a.mp4", copy=False)
    there.bring("anna", "dataset.mp4", "")
    assert (there.place("anna") / "dataset.mp4").read_bytes() == b"film"


def test_half_an_archive_brings_nothing(here, there):
    write(here, "first" * 9000)
    version = here.keep("anna", "model")
    key = f"heads/anna/model-{version}.tar"
    whole = here.read(key)
    assert whole is not None
    here.write(key, whole[: len(whole) // 2])
    with pytest.raises(EGSTalkerError, match="damaged or gone"):
        there.bring("anna", "model", version)
    assert not list(there.place("anna").glob("model*"))
    assert not list(there.place("anna").glob(".model*"))


@pytest.mark.parametrize("name", ["../../outside", "/outside", "link/outside"])
def test_an_archive_writes_nowhere_else(here, there, tmp_path, name):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        archive.addfile(link)
        archive.addfile(tarfile.TarInfo(name))
    here.write("heads/anna/model-0a.tar", file.getvalue())
    with pytest.raises(EGSTalkerError, match="damaged"):
        there.bring("anna", "model", "0a")
    assert not list(tmp_path.rglob("outside"))


def test_a_store_that_there_is_none_of_says_what_is_missing(tmp_path):
    with pytest.raises(EGSTalkerError, match="carrier-pigeon://x cannot be opened"):
        store_of("carrier-pigeon://x", tmp_path)
    with pytest.raises(EGSTalkerError, match=r"s3://bucket/farm cannot be opened: install the package s3fs"):
        store_of("s3://bucket/farm", tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(EGSTalkerError, match="is not a folder"):
        store_of(str(tmp_path / "file"), tmp_path)


def test_a_path_is_worked_on_in_place(tmp_path):
    store = store_of(str(tmp_path / "farm"), tmp_path)
    assert isinstance(store, SharedFolder)
    assert store.place("anna") == tmp_path / "farm/heads/anna"
    assert store.keep("anna", "model") == ""
