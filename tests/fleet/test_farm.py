"""Names, videos, settings and receipts of a farm, and what of it strangers may have written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from arguments.errors import EGSTalkerError
from fleet.farm import Farm, Receipt, driving
from fleet.manifest import NAME
from fleet.settings import Settings, with_configuration
from fleet.videos import safe_name, videos_in


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("anna.mp4", "Bert.MOV", "notes.txt", "anna.mkv"):
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def farm(tmp_path: Path) -> Farm:
    return Farm(str(tmp_path / "farm"))


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("anna", "anna"), ("../../etc/passwd", "etc_passwd"), ("Zoë Müller (2)", "Zoe_Muller_2"), ("-rf", "rf"),
        ("日本", "head"), (".hidden", "hidden"), ("a\nb", "a_b"), ("x" * 200, "x" * 64),
    ],
)  # fmt: skip
def test_a_name_is_safe_on_any_system(stem, name):
    assert safe_name(stem, set()) == name
    assert NAME.fullmatch(name)


def test_names_that_differ_in_case_alone_are_told_apart():
    assert safe_name("Anna", {"anna", "anna-2"}) == "Anna-3"


def test_a_folders_videos_are_known_by_their_endings(videos):
    assert [path.name for path in videos_in([videos])] == ["Bert.MOV", "anna.mkv", "anna.mp4"]
    assert [path.name for path in videos_in([videos / "notes.txt", videos / "notes.txt"])] == ["notes.txt"]
    with pytest.raises(EGSTalkerError, match="does not exist"):
        videos_in([videos / "gone"])
    (videos / "empty").mkdir()
    with pytest.raises(EGSTalkerError, match="no video in"):
        videos_in([videos / "empty"])


@pytest.mark.parametrize("copy", [False, True])
def test_each_video_becomes_a_head_once(videos, farm, copy):
    assert [one.name for one in farm.add(videos_in([videos]), copy=copy)] == ["Bert", "anna", "anna-2"]
    assert farm.add(videos_in([videos])) == []
    (videos / "carl.mp4").touch()
    assert [one.name for one in farm.add(videos_in([videos]))] == ["carl"]
    sources = {one.name: one for one in farm.sources()}
    assert list(sources) == ["Bert", "anna", "anna-2", "carl"]
    video = farm.head(sources["anna-2"]).video
    assert (video.name, video.read_text(), video.is_symlink()) == ("dataset.mp4", "anna.mp4", not copy)
    assert farm.head(sources["Bert"]).video.name == "dataset.MOV"


def test_another_video_under_the_same_name_is_refused(videos, farm):
    farm.add(videos_in([videos]))
    (videos / "anna.mp4").write_text("anna.mp5")
    with pytest.raises(EGSTalkerError, match=r"anna.mp4 is another video than anna-2 was made of"):
        farm.add(videos_in([videos]))


def test_a_farm_keeps_its_settings(farm):
    settings = Settings(digest="7", train_options=("--iterations", "9"), export=("head",))
    farm.take_settings(settings)
    farm.take_settings(settings)
    assert farm.settings() == settings
    with pytest.raises(EGSTalkerError, match=r"begun with --train_options .*--iterations.*; give that again"):
        farm.take_settings(replace(settings, train_options=()))
    with pytest.raises(EGSTalkerError, match="begun with another content of --configs"):
        farm.take_settings(replace(settings, digest="8"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (Settings(train_options=("--model_path=x",)), "--model_path=x is the farm's own to say"),
        (Settings(preprocess_options=("--task", "3")), "--task is the farm's own"),
        (Settings(export=("exe",)), "the kinds are head, ply, splat, glb"),
    ],
)
def test_options_that_the_farm_gives_itself_are_refused(farm, settings, said):
    with pytest.raises(EGSTalkerError, match=said):
        farm.take_settings(settings)
    with pytest.raises(EGSTalkerError, match="there is no farm"):
        farm.settings()


@pytest.mark.parametrize(
    "text", ["", "[]", '{"format": 2}', '{"format": 1, "export": "head"}', '{"format": 1, "x": "y"}']
)
def test_damaged_settings_are_one_line(farm, text):
    farm.store.write("farm.json", text.encode())
    with pytest.raises(EGSTalkerError, match=r"farm.json is damaged"):
        farm.settings()


def test_a_configuration_is_found_and_told_by_its_content(tmp_path, repository):
    ours = with_configuration(Settings("arguments/cpu.py"), repository)
    assert ours.configs == "arguments/cpu.py" and len(ours.digest) == 64
    other = tmp_path / "mine.py"
    other.write_text("ModelSettings = dict()")
    assert with_configuration(Settings(str(other)), repository).configs == str(other.resolve())
    with pytest.raises(EGSTalkerError, match="no configuration"):
        with_configuration(Settings("gone.py"), repository)


def test_receipts_and_heads_that_are_none_are_passed_over(videos, farm):
    farm.add([videos / "anna.mp4"])
    farm.write_receipt("anna", Receipt("train", 3.5, figures={"gaussians": 7.0}))
    assert farm.receipt("anna", "train") == Receipt("train", 3.5, figures={"gaussians": 7.0})
    for text in ("", "{", "[]", '{"stage": "train"}', '{"stage": "metrics", "seconds": 1}',
                 '{"stage": "train", "seconds": 1, "version": "../x"}'):  # fmt: skip
        farm.store.write("heads/anna/done/train.json", text.encode())
        assert farm.receipt("anna", "train") is None
    good = json.loads((farm.store.read("heads/anna/head.json") or b"").decode())
    for name, change in (("a b", {}), ("bad", {"suffix": "/../x"}), ("worse", {"path": 7})):
        farm.store.write(f"heads/{name}/head.json", json.dumps({**good, **change}).encode())
    assert [one.name for one in farm.sources()] == ["anna"]


def test_a_second_driver_is_refused_and_told_who_is_at_work(farm):
    with (
        driving(farm),
        pytest.raises(EGSTalkerError, match=r"is being written by another run \(process \d+"),
        driving(farm),
    ):
        pass
    with driving(farm):
        pass
