"""arguments/threads.py: waiting threads leave the cores to others, and a user's own setting wins."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from arguments.threads import LOOKS, LOOKS_OF_INTEL, USERS_OWN, WAIT, is_intel, share_cores


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    for name in USERS_OWN:
        monkeypatch.delenv(name, raising=False)


def test_the_wait_is_bounded_where_nobody_said_anything(monkeypatch):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    share_cores()
    assert {name: os.environ[name] for name in WAIT} == WAIT


@pytest.mark.parametrize("vendor", ["GenuineIntel", "AuthenticAMD", None])
def test_a_processor_says_whose_it_is(tmp_path, vendor):
    file = tmp_path / "cpuinfo"
    if vendor is not None:
        file.write_text(f"processor\t: 0\nvendor_id\t: {vendor}\n")
    assert is_intel(file) == (vendor == "GenuineIntel")
    assert WAIT["GOMP_SPINCOUNT"] in (str(LOOKS), str(LOOKS_OF_INTEL))


@pytest.mark.parametrize("name", USERS_OWN)
def test_a_users_own_setting_wins(monkeypatch, name):
    monkeypatch.setattr(os, "environ", {name: "7"})
    share_cores()
    assert os.environ == {name: "7"}


@pytest.mark.parametrize(
    "module", ["train", "predict", "render", "metrics", "data_utils.process", "benchmarks.render", "evaluation.report"]
)
def test_every_program_says_it_before_torch_and_numba_load(repository, module):
    code = (
        "import importlib, os, sys\n"
        "class Watch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name in ('torch', 'numba', 'cv2'):  # the first of them decides; none need be loaded to the end\n"
        "            sys.stdout.write(os.environ.get('GOMP_SPINCOUNT', f'nothing before {name}'))\n"
        "            sys.stdout.flush()\n"
        "            os._exit(0)\n"
        "sys.meta_path.insert(0, Watch())\n"
        f"importlib.import_module({module!r})\n"
        "print(os.environ['GOMP_SPINCOUNT'])\n"
    )
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True).stdout
    assert said.strip() == WAIT["GOMP_SPINCOUNT"]
