"""Hidden states of wav2vec 2.0 and HuBERT for recordings of any length, piece by piece, as if computed at once.

Both (Baevski et al., NeurIPS 2020; Hsu et al., TASLP 2021) are a stack of convolutions with a stride of 320 samples,
a convolution over 128 tokens for positions, and a transformer. Here a long recording passes through each of these in
pieces, and what a piece needs from outside comes with it:

- zero mean and unit variance of the input, and the group normalisation after wav2vec 2.0's first convolution, which
  runs over the whole recording, take their statistics from a pass of their own;
- convolutions see the samples and tokens around the piece;
- queries of a piece attend to the keys of a window of CONTEXT tokens around it.

So up to CONTEXT tokens (ten minutes) the result is that of the whole recording at once, but for rounding. In a longer
one each layer hears the ten minutes around a token and not everything, which differs: attention over an hour would
take six times as long. Memory grows with twice the hidden states alone, by 18 MB a minute for wav2vec2-base.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

Module = Any  # of transformers, which has no types

STRIDE = 320  # samples a token: 20 ms at 16 kHz
RECEPTIVE_FIELD = 400  # samples that one token's convolutions see
MARGIN = (RECEPTIVE_FIELD - STRIDE) // 2  # of zeros at the ends, so that token j is centred on its own 20 ms
TOKENS_PER_FRAME = 2
SAMPLES_PER_FRAME = TOKENS_PER_FRAME * STRIDE
KERNELS, STRIDES = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)  # of the convolutions: the only ones taken
CONTEXT = 30_000  # tokens, ten minutes
_QUERIES = 256  # attended to at once: bounds the scores where PyTorch writes them out


@dataclass(frozen=True)
class Pieces:
    """How a recording is cut. The result does not depend on it while ``context`` covers the recording."""

    tokens: int = 500  # computed at once: ten seconds
    context: int = CONTEXT

    def of(self, count: int) -> Iterator[tuple[int, int]]:
        """Begin and end of each piece of ``count`` tokens."""
        return ((start, min(start + self.tokens, count)) for start in range(0, count, self.tokens))


class Waveform:
    """N frames of a recording, cut or continued by silence, at zero mean and unit variance, with zeros at the ends."""

    def __init__(
        self, samples: Float[np.ndarray, "T"], num_frames: int, *, normalise: bool, fit_frames: int | None = None
    ) -> None:
        """``samples`` may lie on disk. ``normalise``: as the model's preprocessor_config.json says.

        Statistics are those of the first ``fit_frames`` frames; of all unless given.
        """
        self.length = num_frames * SAMPLES_PER_FRAME
        self.length_to_fit = self.length if fit_frames is None else fit_frames * SAMPLES_PER_FRAME
        self.samples = samples[: self.length]
        self.mean, self.gain = 0.0, 1.0
        if normalise:
            total = squares = 0.0
            to_fit = self.samples[: self.length_to_fit]
            for start in range(0, len(to_fit), 1 << 20):
                block = np.asarray(to_fit[start : start + (1 << 20)], np.float64)
                total, squares = total + block.sum(), squares + np.square(block).sum()
            self.mean = total / self.length_to_fit
            self.gain = 1 / np.sqrt(max(squares / self.length_to_fit - self.mean**2, 0.0) + 1e-7)

    def __getitem__(self, extent: slice) -> Float[Tensor, "T"]:
        """Samples of the padded recording, [0, length + 2 MARGIN)."""
        start, stop = extent.start - MARGIN, extent.stop - MARGIN
        inside = slice(max(start, 0), min(stop, self.length))
        piece = np.zeros(max(inside.stop - inside.start, 0), np.float32)
        given = self.samples[inside]
        piece[: len(given)] = given
        piece = ((piece - self.mean) * self.gain).astype(np.float32)
        return torch.from_numpy(np.pad(piece, (inside.start - start, stop - inside.stop)))


@torch.inference_mode()
def frame_features(model: Module, waveform: Waveform, pieces: Pieces | None = None) -> Float[np.ndarray, "N D"]:
    """The model's last hidden states, averaged over the two tokens of each video frame.

    Args:
        model: a ``Wav2Vec2Model`` or ``HubertModel`` of transformers in evaluation mode, on any device.
        waveform: N frames of it.
    """
    pieces = pieces or Pieces()
    device = next(model.parameters()).device
    with torch.backends.cudnn.flags(allow_tf32=False):  # ten bits of mantissa would cost a thousandth
        tokens = _projected(model, waveform, pieces, device)
        tokens = _with_positions(model.encoder, tokens, pieces)
        stable = bool(model.config.do_stable_layer_norm)
        for layer in model.encoder.layers:
            _transform(layer, tokens, pieces, stable)
        if stable:
            for start, stop in pieces.of(len(tokens)):
                tokens[start:stop] = model.encoder.layer_norm(tokens[start:stop])
    return tokens.view(-1, TOKENS_PER_FRAME, tokens.shape[1]).mean(1).cpu().numpy()


def _projected(model: Module, waveform: Waveform, pieces: Pieces, device: torch.device) -> Float[Tensor, "T D"]:
    """Convolutional features of every token, projected to the transformer's width."""
    first, *others = model.feature_extractor.conv_layers
    count = waveform.length // STRIDE
    tokens = torch.empty(count, model.config.hidden_size, device=device)
    whole_recording = model.config.feat_extract_norm == "group"
    scale = _group_norm_scale(first, waveform, pieces, device) if whole_recording else None
    for start, stop in pieces.of(count):
        heard = waveform[slice(start * STRIDE, (stop - 1) * STRIDE + RECEPTIVE_FIELD)].to(device)[None, None]
        features = first(heard) if scale is None else first.activation(first.conv(heard) * scale[0] + scale[1])
        for layer in others:
            features = layer(features)
        projected = model.feature_projection(features.transpose(1, 2))
        tokens[start:stop] = (projected[0] if isinstance(projected, tuple) else projected)[0]
    return tokens


def _group_norm_scale(
    layer: Module, waveform: Waveform, pieces: Pieces, device: torch.device
) -> tuple[Float[Tensor, "C 1"], Float[Tensor, "C 1"]]:
    """Factor and summand by which the first convolution's group normalisation over the recording acts."""
    kernel, stride = KERNELS[0], STRIDES[0]
    margins = 2 * MARGIN if waveform.length_to_fit == waveform.length else MARGIN  # without what comes after
    count = (waveform.length_to_fit + margins - kernel) // stride + 1
    total = torch.zeros(layer.conv.out_channels, dtype=torch.float64, device=device)
    squares = torch.zeros_like(total)
    step = pieces.tokens * STRIDE // stride
    for start in range(0, count, step):
        stop = min(start + step, count)
        heard = waveform[slice(start * stride, (stop - 1) * stride + kernel)].to(device)[None, None]
        outputs = layer.conv(heard)[0].double()
        total += outputs.sum(1)
        squares += outputs.square().sum(1)
    mean = total / count
    norm = layer.layer_norm
    factor = norm.weight.double() / ((squares / count - mean.square()).clamp(min=0) + norm.eps).sqrt()
    return factor.float()[:, None], (norm.bias.double() - mean * factor).float()[:, None]


def _with_positions(encoder: Module, tokens: Float[Tensor, "T D"], pieces: Pieces) -> Float[Tensor, "T D"]:
    """Tokens with their convolutional position embedding (and wav2vec2-base's first normalisation)."""
    embedding = encoder.pos_conv_embed
    reach = embedding.conv.kernel_size[0] // 2
    placed = torch.empty_like(tokens)
    first_norm = not encoder.config.do_stable_layer_norm
    for start, stop in pieces.of(len(tokens)):
        begin = max(start - reach, 0)
        positions = embedding(tokens[None, begin : stop + reach])[0, start - begin : stop - begin]
        piece = tokens[start:stop] + positions
        placed[start:stop] = encoder.layer_norm(piece) if first_norm else piece
    return placed


def _transform(layer: Module, tokens: Float[Tensor, "T D"], pieces: Pieces, stable: bool) -> None:
    """One transformer layer, in place: keys and values of later tokens are taken before these are overwritten."""
    attention, count = layer.attention, len(tokens)
    window = max(pieces.context, pieces.tokens)
    known: deque[tuple[int, Tensor, Tensor]] = deque()  # begin, keys and values of the pieces within the window
    waiting = deque(pieces.of(count))
    for start, stop in pieces.of(count):
        begin = min(max((start + stop - window) // 2, 0), max(count - window, 0))
        end = min(begin + window, count)
        while waiting and waiting[0][0] < end:
            a, b = waiting.popleft()
            heard = layer.layer_norm(tokens[a:b]) if stable else tokens[a:b]
            known.append((a, _heads(attention.k_proj(heard), attention), _heads(attention.v_proj(heard), attention)))
        while known[0][0] + known[0][1].shape[1] <= begin:
            known.popleft()
        offset = known[0][0]
        keys = torch.cat([entry[1] for entry in known], 1)[:, begin - offset : end - offset]
        values = torch.cat([entry[2] for entry in known], 1)[:, begin - offset : end - offset]
        piece = tokens[start:stop]
        queries = _heads(attention.q_proj(layer.layer_norm(piece) if stable else piece), attention)
        attended = _attend(queries, keys, values)
        piece = piece + attention.out_proj(attended.transpose(0, 1).flatten(1))
        if stable:
            tokens[start:stop] = piece + layer.feed_forward(layer.final_layer_norm(piece))
        else:
            piece = layer.layer_norm(piece)
            tokens[start:stop] = layer.final_layer_norm(piece + layer.feed_forward(piece))


def _attend(
    queries: Float[Tensor, "H Q d"], keys: Float[Tensor, "H T d"], values: Float[Tensor, "H T d"]
) -> Float[Tensor, "H Q d"]:
    parts = (queries[:, start : start + _QUERIES] for start in range(0, queries.shape[1], _QUERIES))
    return torch.cat([scaled_dot_product_attention(part[None], keys[None], values[None])[0] for part in parts], 1)


def _heads(projected: Float[Tensor, "T D"], attention: Module) -> Float[Tensor, "H T d"]:
    return projected.view(len(projected), attention.num_heads, -1).transpose(0, 1)
