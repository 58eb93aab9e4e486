"""From audio features to expression codes: what the lips do while something is said."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from arguments.atomic import atomic_path
from arguments.errors import EGSTalkerError
from motion.lip_closure import closing
from motion.phone_openness import phone_openness
from motion.speech_network import SpeechNetwork, padded

CLAMP = 5.0  # standard deviations beyond which features are none that speech has
ONSET = 2  # frames before a sound in which lips get ready for it
RELEASE = 40  # frames after it over which the face goes over to its pause: what a clip holds, networks know better
CALM = 75  # frames of silence after which lips have come to rest
CHUNK = 3000  # frames at once


@dataclass(frozen=True)
class SpeechModelSettings:
    """What a speech model was made for."""

    extractor: str | None
    """Of the audio features; None where another program made them."""
    feature_shape: tuple[int, ...]
    """Of one frame's audio features."""
    codes: int
    members: int
    width: int
    phones_from: int
    """First column of the phones among the features; -1 where there are none."""
    by_phones: bool = False
    """Whether the gap is what phones have in common, for the person was hardly heard to speak: no network is asked."""


class SpeechModel(nn.Module):
    """An ensemble of small networks, and what their answers need to look like the person.

    Networks that minimise a squared error say too little: :attr:`curve` brings the gap's distribution back to the
    person's, :attr:`gain` the spread of the other codes. Phones that need closed lips close them by ``closing``, and
    where nothing is said the face takes the person's own pause.

    Attributes:
        mean, deviation: of the training features [D].
        gain: factor of each code [K].
        curve: [2, Q]: what the networks say of the gap, ascending, and what the person does at the same rank.
        closure: how far a phone that needs closed lips closes them, 0..1.
        shut: the gap's code where lips are closed.
        pause: codes [K] between sentences.
        rest: codes [K] after a second of silence: lips closed.
        correlation: [K], of each code with the truth in parts of the clip that were left out.
    """

    mean: Tensor
    deviation: Tensor
    gain: Tensor
    curve: Tensor
    closure: Tensor
    shut: Tensor
    pause: Tensor
    rest: Tensor
    correlation: Tensor

    QUANTILES = 33

    def __init__(self, settings: SpeechModelSettings) -> None:
        super().__init__()
        features = int(torch.tensor(settings.feature_shape).prod())
        self.settings = settings
        self.network = SpeechNetwork(settings.members, features, settings.codes, width=settings.width)
        line = torch.linspace(-3, 3, self.QUANTILES)
        for name, value in {
            "mean": torch.zeros(features),
            "deviation": torch.ones(features),
            "gain": torch.ones(settings.codes),
            "curve": torch.stack([line, line]),
            "closure": torch.zeros(()),
            "shut": torch.tensor(-2.0),
            "pause": torch.zeros(settings.codes),
            "rest": torch.zeros(settings.codes),
            "correlation": torch.ones(settings.codes),
        }.items():
            self.register_buffer(name, value)

    @torch.no_grad()
    def forward(
        self, features: Float[Tensor, "N *D"], activity: Float[Tensor, "N"] | None = None
    ) -> Float[Tensor, "N K"]:
        """The expression codes of N frames of sound.

        A frame's code depends on the rows around it alone, and on how long it has been silent.

        Args:
            features: of the extractor that the model learnt with, one row a frame.
            activity: how much of each frame is speech, 0..1, as :func:`motion.voice.speech_share` says; all is
                speech unless given.
        """
        flat = features.flatten(1)
        codes = self.shaped(self.raw(flat))
        if self.settings.phones_from >= 0:
            codes = self.closed(codes, flat)
        return codes if activity is None else self.with_pauses(codes, activity)

    def raw(self, flat: Float[Tensor, "N D"]) -> Float[Tensor, "N K"]:
        """The mean of what the networks say; of a model without any, how far phones part the lips."""
        if self.settings.by_phones:
            openness = phone_openness(flat[:, self.settings.phones_from :])
            return torch.cat([openness[:, None], flat.new_zeros(len(flat), self.settings.codes - 1)], dim=1)
        rows = padded(self.standardised(flat))
        beyond = len(rows) - len(flat)
        parts = [rows[start : start + CHUNK + beyond] for start in range(0, len(flat), CHUNK)]
        members = self.settings.members
        return torch.cat([self.network(part.expand(members, 1, -1, -1)).mean(0)[0] for part in parts])

    def standardised(self, flat: Float[Tensor, "N D"]) -> Float[Tensor, "N D"]:
        """Features in the training clip's standard deviations about its mean."""
        return ((flat - self.mean) / self.deviation).clamp(-CLAMP, CLAMP)

    def shaped(self, raw: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
        """What the networks say, with the person's range."""
        return torch.cat([along(self.curve, raw[:, 0])[:, None], raw[:, 1:] * self.gain[1:]], dim=1)

    def closed(self, codes: Float[Tensor, "N K"], flat: Float[Tensor, "N D"]) -> Float[Tensor, "N K"]:
        """Codes whose gap closes at the phones that need it."""
        pull = self.closure * closing(flat[:, self.settings.phones_from :])
        gap = codes[:, 0] + pull * (self.shut - codes[:, 0]).clamp(max=0)
        return torch.cat([gap[:, None], codes[:, 1:]], dim=1)

    def with_pauses(self, codes: Float[Tensor, "N K"], activity: Float[Tensor, "N"]) -> Float[Tensor, "N K"]:
        """Codes that come to the person's pause where nothing is said, and to rest where that lasts."""
        return self.paused(codes, *self.voicing(activity))

    def voicing(self, activity: Float[Tensor, "N"]) -> tuple[Float[Tensor, "N"], Float[Tensor, "N"]]:
        """How much each frame is speech, and how much rest rather than pause where it is not."""
        return eased(activity, ONSET, RELEASE), 1 - eased(activity, ONSET, CALM)

    def paused(
        self, codes: Float[Tensor, "N K"], speaking: Float[Tensor, "N"], resting: Float[Tensor, "N"]
    ) -> Float[Tensor, "N K"]:
        """Codes of frames that are so much speech, and else so much rest."""
        silent = torch.lerp(self.pause, self.rest, resting[:, None])
        return torch.lerp(silent, codes, speaking[:, None])

    def save(self, path: Path) -> None:
        """Write the model to a safetensors file, its settings in the header."""
        values = {name: value.detach().contiguous().cpu() for name, value in self.state_dict().items()}
        with atomic_path(path) as part:
            save_file(values, part, metadata={"settings": json.dumps(dataclasses.asdict(self.settings))})

    @classmethod
    def load(cls, path: Path) -> SpeechModel:
        """Read what :meth:`save` wrote. Raises EGSTalkerError where it is missing or damaged."""
        try:
            with safe_open(path, framework="pt") as file:
                settings = json.loads(file.metadata()["settings"])
                settings["feature_shape"] = tuple(int(n) for n in settings["feature_shape"])
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            model = cls(SpeechModelSettings(**settings))
            if model.settings.by_phones and model.settings.phones_from < 0:
                raise ValueError("phones are no part of the features")
            weights.setdefault("correlation", model.correlation)  # a file may lack it: then all is taken as heard
            model.load_state_dict(weights)
        except FileNotFoundError:
            raise EGSTalkerError(f"there is no {path}; run ./train.sh with --only speech") from None
        except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise EGSTalkerError(f"{path} is damaged; run ./train.sh with --only speech") from error
        if not all(torch.isfinite(value).all() for value in weights.values()):
            raise EGSTalkerError(f"{path} holds values that are not finite; run ./train.sh with --only speech")
        return model.eval()


def along(curve: Float[Tensor, "2 Q"], values: Float[Tensor, "N"]) -> Float[Tensor, "N"]:
    """Values on a curve of ascending points, straight between them and level beyond its ends."""
    known, wanted = curve
    right = torch.searchsorted(known, values.contiguous()).clamp(1, len(known) - 1)
    left = right - 1
    share = (values - known[left]) / (known[right] - known[left]).clamp(min=1e-6)
    return torch.lerp(wanted[left], wanted[right], share.clamp(0, 1))


def eased(activity: Float[Tensor, "N"], onset: int, release: int) -> Float[Tensor, "N"]:
    """Activity that rises in ``onset`` frames before a sound, and falls in ``release`` frames after it."""
    reach = max(onset, release)
    steps = torch.arange(-reach, reach + 1, device=activity.device, dtype=activity.dtype)
    share = torch.where(steps >= 0, 1 - steps / (onset + 1), 1 + steps / (release + 1)).clamp(0, 1)
    share = 0.5 - 0.5 * torch.cos(torch.pi * share)
    around = nn.functional.pad(activity[None], (reach, reach), mode="replicate")[0].unfold(0, len(steps), 1)
    return (around * share).amax(dim=1)
