"""Finding a person's blinks and making others like them."""

from __future__ import annotations

import numpy as np
import pytest

from motion.blinks import RATES, BlinkModel, blink_rate, find_blinks

SHAPES = ((0.5, 1.0, 0.8, 0.3), (0.7, 0.9, 0.4), (0.4, 1.0, 1.0, 0.9, 0.5, 0.2))
TEN_MINUTES = 15_000


def _clip(seconds: float, mean_gap: float, seed: int = 0) -> tuple[np.ndarray, list[int]]:
    """A blink intensity with blinks of SHAPES, open for ``mean_gap`` seconds on average, and their onsets."""
    rng = np.random.default_rng(seed)
    eyes, onsets = np.zeros(round(seconds * 25)), []
    at = 20
    while at + 10 < len(eyes):
        shape = SHAPES[len(onsets) % 3]
        eyes[at : at + len(shape)] = shape
        onsets.append(at)
        at += len(shape) + max(3, round(25 * mean_gap * rng.lognormal(-0.18, 0.6)))
    return eyes, onsets


def test_blinks_are_found_where_they_are_with_their_ends() -> None:
    eyes, onsets = _clip(60, 3)
    blinks = find_blinks(eyes)
    assert [blink.onset for blink in blinks] == onsets
    assert [blink.offset - blink.onset for blink in blinks] == [len(SHAPES[i % 3]) for i in range(len(onsets))]
    assert {blink.peak - blink.onset for blink in blinks[::3]} == {1}
    assert [blink.height for blink in blinks] == [max(SHAPES[i % 3]) for i in range(len(onsets))]


@pytest.mark.parametrize("strength", [1.0, 0.4])
def test_squints_drift_noise_and_weak_blinks_hide_none_and_add_none(strength: float) -> None:
    eyes, onsets = _clip(120, 3)
    rng, time = np.random.default_rng(1), np.arange(len(eyes)) / 25
    around = 0.1 + 0.08 * np.sin(time / 5) + rng.normal(0, 0.015, len(eyes))
    eyes = np.clip(strength * eyes + around, 0, 1)
    quiet = [t for t in range(300, len(eyes) - 100, 600) if not any(t - 15 < onset < t + 45 for onset in onsets)]
    for start in quiet:
        eyes[start : start + 30] += 0.45  # as while looking down, more than a second
    assert quiet
    found = [blink.onset for blink in find_blinks(eyes)]
    assert len(found) == len(onsets)
    assert np.abs(np.array(found) - onsets).max() <= 1


def test_two_blinks_in_a_row_are_two() -> None:
    eyes = np.zeros(200)
    eyes[50:59] = 0.5, 1, 0.9, 0.4, 0.2, 0.8, 1, 0.7, 0.2
    first, second = find_blinks(eyes)
    assert (first.onset, second.offset, first.offset <= second.onset) == (50, 59, True)


def test_eyes_that_only_tremble_do_not_blink() -> None:
    trembling = np.abs(np.random.default_rng(0).normal(0, 0.06, 2000))
    assert find_blinks(trembling) == find_blinks(np.zeros(100)) == find_blinks(np.ones(1)) == []


def test_what_was_not_seen_holds_no_blink() -> None:
    eyes = np.zeros(300)
    eyes[100:104] = eyes[200:204] = 0.5, 1, 0.8, 0.3
    usable = np.ones(300, bool)
    usable[195:240] = False
    assert [blink.onset for blink in find_blinks(eyes, usable)] == [100]
    assert blink_rate(eyes, usable) == 60 * 25 / 255
    assert find_blinks(eyes, np.zeros(300, bool)) == []


@pytest.mark.parametrize("mean_gap", [1.4, 3.0, 6.0])
def test_own_blinks_are_like_the_persons(mean_gap: float) -> None:
    eyes, onsets = _clip(180, mean_gap)
    eyes = np.clip(eyes + 0.1 + np.random.default_rng(0).normal(0, 0.01, len(eyes)), 0, 1)
    model, theirs = BlinkModel.fit(eyes), find_blinks(eyes)
    films = [model.generate(TEN_MINUTES, seed) for seed in range(4)]
    ours = [blink for film in films for blink in find_blinks(film)]
    assert len(ours) / 40 == pytest.approx(len(onsets) / 3, rel=0.15)
    for figure in (lambda blink: blink.height, lambda blink: blink.offset - blink.onset):
        ours_sorted, theirs_sorted = (np.quantile([figure(b) for b in bs], (0.2, 0.5, 0.8)) for bs in (ours, theirs))
        np.testing.assert_allclose(ours_sorted, theirs_sorted, rtol=0.1, atol=0.51 if mean_gap == 1.4 else 0.05)
    assert np.median(films[0]) == pytest.approx(np.median(eyes), abs=0.01)
    assert model.noise == pytest.approx(0.01, rel=0.2)
    gaps = np.diff([blink.onset for blink in find_blinks(films[0])])
    assert gaps.std() / gaps.mean() == pytest.approx(0.6, abs=0.25)  # neither a clock nor bursts


def test_the_seed_makes_the_blinks() -> None:
    model = BlinkModel.fit(_clip(60, 3)[0])
    first, again, other = (model.generate(1000, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_no_blink_runs_into_another_and_none_begins_a_film() -> None:
    model = BlinkModel.fit(_clip(60, 0.3)[0])
    lengths = {int(np.count_nonzero(profile)) for profile in model.profiles}
    for seed in range(40):
        film = model.generate(400, seed)
        assert film[0] == 0
        edges = np.flatnonzero(np.diff(np.concatenate([[0], film > 0]).astype(int)))
        assert set((edges[1::2] - edges[: len(edges[1::2]) * 2 : 2]).tolist()) <= lengths


@pytest.mark.parametrize("num_frames", [0, 1, 2, 7])
def test_films_of_any_length_have_eyes(num_frames: int) -> None:
    film = BlinkModel.fit(np.zeros(5)).generate(num_frames, 0, np.ones(num_frames))
    assert film.shape == (num_frames,)
    assert film.dtype == np.float32


def test_a_short_clip_and_one_without_blinks_blink_as_people_do() -> None:
    """Ten seconds without a blink say little, and a minute does not say that somebody never blinks."""
    ten = blink_rate(BlinkModel.fit(np.zeros(250)).generate(TEN_MINUTES, 0))
    assert 5 < ten < 17
    assert BlinkModel.fit(np.zeros(250)).rate > BlinkModel.fit(np.zeros(1500)).rate >= RATES[0]
    nobody = BlinkModel.fit(np.ones(50), np.zeros(50, bool))
    assert nobody.rate == pytest.approx(17)
    assert nobody.generate(500, 0).max() == 1


def test_blinks_come_sooner_after_phrases_and_are_no_more_for_it() -> None:
    model = BlinkModel.fit(_clip(120, 2)[0])
    activity = np.where(np.arange(TEN_MINUTES) % 100 < 75, 1.0, 0.0)
    late = np.arange(TEN_MINUTES) % 100
    ends = (late >= 75) & (late < 90)
    plain, with_phrases = (
        np.concatenate([[b.onset for b in find_blinks(model.generate(TEN_MINUTES, s, a))] for s in range(6)]).astype(
            int
        )
        for a in (None, activity)
    )
    assert ends[plain].mean() == pytest.approx(0.15, abs=0.02)
    assert ends[with_phrases].mean() == pytest.approx(0.15 * 1.5 / 1.075, abs=0.025)
    assert len(with_phrases) == pytest.approx(len(plain), rel=0.05)


def test_what_is_written_is_read_again() -> None:
    model = BlinkModel.fit(_clip(60, 3)[0])
    again = BlinkModel.from_arrays(model.arrays())
    np.testing.assert_array_equal(again.generate(700, 5), model.generate(700, 5))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("profiles", np.zeros((2, 3))),
        ("profiles", np.full((2, 3), 2.0)),
        ("profiles", np.full((2, 3), np.nan)),
        ("profiles", np.ones((0, 3))),
        ("profiles", np.ones((1, 4000))),
        ("profiles", np.ones(3)),
        ("rate", np.array(0.0)),
        ("rate", np.array(np.inf)),
        ("rate", np.ones(2)),
        ("spread", np.array(-1.0)),
        ("rest", np.array(np.nan)),
        ("noise", np.array(7.0)),
        ("steadiness", np.array(1.0)),
    ],
)
def test_what_are_no_blinks_is_refused(name: str, value: np.ndarray) -> None:
    arrays = BlinkModel.fit(_clip(60, 3)[0]).arrays()
    with pytest.raises(ValueError, match="blinks"):
        BlinkModel.from_arrays({**arrays, name: value})
    with pytest.raises(KeyError):
        BlinkModel.from_arrays({key: kept for key, kept in arrays.items() if key != name})
