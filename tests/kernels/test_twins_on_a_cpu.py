"""Each CPU twin in the table of kernels against its plain function in double precision, gradients included."""

from __future__ import annotations

import pytest
import torch

from arguments.device import CPU
from kernels.table import TWINS, twin
from tests.kernels.twin_cases import CASES, PLAIN, Where, plain_of, relative

pytestmark = pytest.mark.usefixtures("two_threads")


def test_every_entry_of_the_table_has_a_case():
    assert set(CASES) == set(TWINS)


@pytest.mark.parametrize("name", [name for name, twins in TWINS.items() if twins.cpu])
def test_the_twin_is_the_plain_function(name):
    case, tolerance = CASES[name]
    ours, theirs = case(twin(name, CPU), Where(CPU, torch.float32)), case(plain_of(name), PLAIN)
    for number, (mine, plain) in enumerate(zip(ours, theirs, strict=True)):
        assert mine.shape == plain.shape and plain.any()
        assert relative(mine, plain) <= tolerance, number


def test_a_twin_leaves_what_it_does_not_know_to_the_plain_function():
    points, table, layout = torch.rand(4, 3), torch.randn(75, 2), torch.tensor([[4], [25], [0]])
    assert twin("scene.triplane.hash_lookup", CPU)(points.requires_grad_(), table, layout) is NotImplemented
    assert twin("scene.kan.spline_sum", CPU)(points.double(), torch.randn(3, 8, 5)) is NotImplemented
    layers = [(torch.randn(3, 4), torch.randn(3, 8, 4)), (torch.randn(4, 5), torch.randn(4, 8, 5))]
    assert twin("scene.kan.decode", CPU)(points.detach(), None, layers) is NotImplemented  # gradients are on
    assert twin("imaging.ssim.filtered", CPU)(torch.rand(1, 9, 9, 2).double(), torch.rand(3)) is NotImplemented
