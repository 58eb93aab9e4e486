"""Many small networks at once."""

from __future__ import annotations

import pytest
import torch

from motion.speech_network import LOOK_AHEAD, LOOK_BACK, REACH, SpeechNetwork, padded


def network(members: int = 3, dropout: float = 0.2) -> SpeechNetwork:
    torch.manual_seed(0)
    made = SpeechNetwork(members, 5, 4, width=8, dropout=dropout)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return made.eval()


def test_a_member_alone_says_what_it_says_in_the_ensemble():
    together, rows = network(), torch.randn(3, 2, 20, 5)
    said = together(rows)
    for e in range(3):
        assert torch.allclose(together.member(slice(e, e + 1))(rows[e : e + 1])[0], said[e], atol=1e-6)
    assert torch.allclose(together.member(slice(1, None))(rows[1:]), said[1:], atol=1e-6)
    assert (said[0] - said[1]).abs().max() > 0.1


def test_a_member_is_a_copy_of_its_own():
    together = network()
    part, before = together.member(slice(0, 1)), together.first.clone()
    with torch.no_grad():
        part.first.zero_()
    assert torch.equal(together.first, before)


def test_a_frame_is_said_from_its_own_rows_alone():
    hearing, recording = network(), torch.randn(30, 5)
    said = hearing(padded(recording).expand(3, 1, -1, -1))[:, 0]
    assert said.shape == (3, 30, 4)
    for t in (12, 15):
        heard = []
        for row in range(30):
            other = recording.clone()
            other[row] += 1.0
            changed = hearing(padded(other).expand(3, 1, -1, -1))[:, 0]
            if not torch.equal(changed[:, t], said[:, t]):
                heard.append(row)
        assert heard == list(range(t - LOOK_BACK, t + LOOK_AHEAD + 1))


def test_it_is_what_convolutions_are():
    hearing, rows = network(1), torch.randn(1, 1, 20, 5)
    hidden = (rows[0, 0] @ hearing.first[0] + hearing.first_bias[0]).T[None]
    for weight, bias, dilation in zip(hearing.middle, hearing.middle_bias, (1, 2), strict=True):
        taps = weight[0].unflatten(0, (3, 8)).permute(2, 1, 0)  # out, in, tap
        heard = torch.nn.functional.conv1d(torch.nn.functional.gelu(hidden), taps, bias[0, 0], dilation=dilation)
        hidden = hidden[..., dilation:-dilation] + heard
    expected = torch.nn.functional.gelu(hidden)[0].T @ hearing.last[0] + hearing.last_bias[0]
    assert torch.allclose(hearing(rows)[0, 0], expected, atol=1e-5)


def test_dropout_is_for_training_only():
    hearing, rows = network(), torch.randn(3, 2, 20, 5)
    assert torch.equal(hearing(rows), hearing(rows))
    hearing.train()
    assert not torch.allclose(hearing(rows), hearing(rows))


@pytest.mark.parametrize("frames", [1, 2, 9])
def test_ends_are_repeated_beyond_them(frames):
    rows = torch.arange(float(frames))[:, None]
    around = padded(rows)
    assert len(around) == frames + 2 * REACH
    assert around[:LOOK_BACK].eq(0).all() and around[LOOK_BACK + frames :].eq(frames - 1).all()
    assert torch.equal(around[LOOK_BACK : LOOK_BACK + frames], rows)
