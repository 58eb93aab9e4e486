"""The table of a farm: what it says, and what it does not let strangers' words do."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from fleet.farm import Farm, Receipt, driving
from fleet.manifest import BEGUN, FAILED, INPUT, Manifest, Record
from fleet.overview import rows_of
from fleet.report import page, table, write_report
from fleet.settings import Settings
from fleet.status import as_json, as_text
from tests.browser import browser_page, opened
from tests.fleet.fake_checkout import make_videos

EVIL = "<script>alert('1')</script> {rows}"
STAGES = ["preprocess", "train", "metrics"]


@pytest.fixture
def farm(tmp_path: Path) -> Farm:
    farm = Farm(str(tmp_path / "farm"))
    farm.take_settings(Settings())
    farm.add(sorted(make_videos(tmp_path / "videos", anna={}, bert={}, carl={}, dora={}).iterdir()))
    for stage, figures in (
        ("preprocess", {"frames": 75.0}),
        ("train", {"gaussians": 12980.0}),
        ("metrics", {"head_psnr": 33.217}),
    ):
        farm.write_receipt("anna", Receipt(stage, 10.0, figures=figures))
    farm.write_receipt("bert", Receipt("preprocess", 5.0))
    farm.store.write("heads/anna/picture.jpg", b"\xff\xd8picture")
    manifest = Manifest(farm.manifest)
    manifest.add(Record("bert", "train", BEGUN))
    manifest.add(Record("carl", "preprocess", FAILED, why=EVIL, kind=INPUT))
    manifest.close()
    return farm


def test_every_head_has_a_line_in_the_status(farm):
    log = farm.head(farm.sources()[1]).log("train")
    log.parent.mkdir()
    log.write_text("== train\ncoarse\nfine 12 of 60\n\n")
    lines = as_text(farm).splitlines()
    assert lines == [
        "anna  3/3  whole, in 30 s",
        "bert  1/3  train is begun: fine 12 of 60",
        f"carl  0/3  failed in preprocess: {EVIL}",
        "dora  0/3  waits for preprocess",
        "4 heads: 1 whole, 1 at work, 1 failed, 1 waiting; no driver is at work here: ./fleet.sh heads goes on",
    ]
    with driving(farm):
        assert as_text(farm).splitlines()[-1] == "4 heads: 1 whole, 1 at work, 1 failed, 1 waiting"
    assert as_json(farm)["anna"]["figures"] == {"frames": 75.0, "gaussians": 12980.0, "head_psnr": 33.217}


def test_the_table_has_times_figures_and_failures(farm):
    rows = list(csv.DictReader(io.StringIO(table(rows_of(farm), STAGES))))
    assert [row["name"] for row in rows] == ["anna", "bert", "carl", "dora"]
    assert (rows[0]["train_seconds"], rows[0]["head_psnr"], rows[1]["train_seconds"]) == ("10.0", "33.217", "")
    assert (rows[2]["why"], rows[2]["kind"]) == (EVIL, "input")


@pytest.mark.parametrize("start", "=+-@")
def test_a_cell_is_no_formula(farm, start):
    manifest = Manifest(farm.manifest)
    manifest.add(Record("dora", "preprocess", FAILED, why=f"{start}1+1"))
    manifest.close()
    assert list(csv.DictReader(io.StringIO(table(rows_of(farm), STAGES))))[3]["why"] == f"'{start}1+1"


def test_the_page_shows_a_strangers_words_and_runs_none_of_them(farm):
    text = page(rows_of(farm), STAGES, {"anna": b"\xff\xd8picture"})
    assert text.count("<script>") == 1
    assert "&lt;script&gt;alert" in text
    assert not re.search(r"(src|href)=\"(?!data:)", text)
    script = text.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; script-src 'sha256-{digest}'" in text
    body = ElementTree.fromstring(text[text.index("<tbody>") : text.index("</tbody>") + 8])
    assert [row[1].text for row in body] == ["anna", "bert", "carl", "dora"]
    assert body[2][2][0].text == EVIL
    assert base64.b64decode(body[0][0][0].attrib["src"].partition(",")[2]) == b"\xff\xd8picture"


def test_the_report_lies_in_the_farm(farm):
    assert write_report(farm) == ["report.html", "report.csv"]
    assert "33.2" in (farm.store.local / "report.html").read_text()
    assert (farm.store.local / "report.csv").read_text().count("\n") == 5


def test_of_very_many_heads_there_are_no_pictures(farm, monkeypatch):
    write_report(farm)
    assert "<img" in (farm.store.local / "report.html").read_text()
    monkeypatch.setattr("fleet.report.MOST_PICTURES", 3)
    write_report(farm)
    assert "<img" not in (farm.store.local / "report.html").read_text()


def test_a_click_sorts_by_figures_and_by_names_and_asks_nothing_of_the_network(farm):
    def order(browser) -> list[str]:
        return browser.locator("tbody th").all_inner_texts()

    farm.write_receipt("bert", Receipt("train", 9.0))
    write_report(farm)
    with browser_page() as browser:
        asked = opened(browser, farm.store.local / "report.html")
        assert order(browser) == ["anna", "bert", "carl", "dora"]
        browser.get_by_role("button", name="train (s)").click()
        assert order(browser) == ["bert", "anna", "carl", "dora"]  # 9 before 10; what is missing comes last
        browser.get_by_role("button", name="train (s)").click()
        assert order(browser) == ["anna", "bert", "carl", "dora"]
        browser.get_by_role("button", name="head", exact=True).click()
        browser.get_by_role("button", name="head", exact=True).click()
        assert order(browser) == ["dora", "carl", "bert", "anna"]
        assert browser.locator("img").count() == 1
    assert asked == [(farm.store.local / "report.html").as_uri()]
