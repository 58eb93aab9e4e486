"""What holds the house together, read from its sources; import-linter holds the order of imports."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from tests import shape_checks

ROOT = Path(__file__).resolve().parent.parent
ROOMS = (
    "arguments", "media", "data_utils", "kernels", "imaging", "motion", "scene", "gaussian_renderer", "synthesis",
    "training",
    "evaluation", "live", "fleet", "benchmarks", "sample",
)  # fmt: skip
DOORS = {"train", "render", "predict", "metrics", "data_utils.process"}
GRAB_BAGS = {"utils", "util", "helpers", "helper", "common", "misc", "tools", "stuff", "base"}
SOURCES = [*ROOT.glob("*.py"), *(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))]


def places_of_cuda(tree: ast.AST) -> Iterator[int]:
    """Lines that name the GPU's kind: "cuda" or "cuda:1" as a string, torch.cuda, x.cuda, x.is_cuda."""
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
        module = node.module if isinstance(node, ast.ImportFrom) else None
        imported = [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
        if (
            text == "cuda"
            or text.startswith("cuda:")
            or (isinstance(node, ast.Attribute) and node.attr in ("cuda", "is_cuda"))
            or module == "torch.cuda"
            or "torch.cuda" in imported
            or (module == "torch" and "cuda" in imported)
        ):
            yield node.lineno


def imports_of(tree: ast.AST) -> Iterator[str]:
    """Full names of all that a module imports, within functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_room_has_sources():
    assert all(any(path.is_relative_to(ROOT / room) for path in SOURCES) for room in ROOMS)


@pytest.mark.parametrize(
    "line",
    [
        'x = "cuda"', "x = 'cuda:1'", "y.is_cuda", "y.cuda()", "torch.cuda.synchronize()", "torch.version.cuda",
        "import torch.cuda", "from torch import cuda", "from torch.cuda import Stream",
    ],
)  # fmt: skip
def test_a_name_of_the_gpu_is_noticed(line):
    assert set(places_of_cuda(ast.parse(line))) == {1}


@pytest.mark.parametrize("line", ["from kernels.cuda.graph import Recording", '"""cuda, in words."""', "x = 'cuda.py'"])
def test_other_words_are_not(line):
    assert not list(places_of_cuda(ast.parse(line)))


def test_the_gpu_is_named_in_one_place():
    allowed = ROOT / "arguments" / "device.py", ROOT / "kernels" / "cuda"
    named = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in SOURCES
        if not any(path.is_relative_to(place) for place in allowed)
        for line in places_of_cuda(ast.parse(path.read_text()))
    ]
    assert not named, "ask arguments/device.py instead"


def test_no_room_imports_a_door():
    importing = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in SOURCES
        if path.parent != ROOT
        for name in imports_of(ast.parse(path.read_text()))
        if name in DOORS
    ]
    assert not importing


def test_no_file_is_a_grab_bag():
    assert not [path for path in SOURCES if path.stem in GRAB_BAGS or path.stem.endswith(("_utils", "_helpers"))]


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("training.loop", "av mediapipe librosa transformers synthesis evaluation"),
        ("synthesis.script", "av mediapipe librosa transformers training evaluation"),
        ("scene.head_files", "av mediapipe librosa transformers training synthesis evaluation"),
        ("gaussian_renderer.devices", "av mediapipe training synthesis evaluation"),
        ("arguments.settings", "torch numpy numba av"),
    ],
)
def test_a_module_loads_no_more_than_it_needs(module, absent):
    program = f"import sys, {module}; print(*(name for name in {absent.split()} if name in sys.modules))"
    answer = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.split() == []


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", "README.md"])
def test_the_files_that_a_document_names_are_there(document):
    text = (ROOT / document).read_text()
    rooms = "|".join((*ROOMS, "tests", "requirements"))
    named = {name.rstrip(".") for name in re.findall(rf"(?<![\w./-])(?:{rooms})/[\w./-]*", text)}
    fetched = {
        name for name in named if "/models" in name or "/3DMM" in name or name.endswith(("models.sha256", ".pth"))
    }
    assert len(named) > 5
    assert not [name for name in named - fetched if not (ROOT / name).exists()]


def test_the_map_of_the_rooms_has_every_room():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert all(f"`{room}/`" in text for room in ROOMS)


def test_annotated_shapes_are_enforced_outside_the_kernels():
    from data_utils.face_mesh import to_68

    assert set(shape_checks.ROOMS) == set(ROOMS) - {"kernels"}
    with pytest.raises(TypeCheckError, match="points"):
        to_68(np.zeros((5, 468, 3)))  # without the irises


def test_the_files_of_tests_that_begin_first_are_there(request):
    (ours,) = (plugin for plugin in request.config.pluginmanager.get_plugins() if hasattr(plugin, "LONGEST_FILES"))
    assert [path for path in ours.LONGEST_FILES if not path.is_file()] == []
