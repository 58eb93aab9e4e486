"""DeepSpeech features as AD-NeRF defined them: 16 steps of 29 letter scores around each video frame.

Mozilla DeepSpeech 0.1.0 (frozen TensorFlow graph) hears 26 cepstral coefficients, nine steps to either side, 50 times
a second, and scores 28 characters and the blank. The windows are those of VOCA (Cudeiro et al., CVPR 2019) and AD-NeRF
(Guo et al., ICCV 2021): 16 steps, the frame's first at place 8, beyond the ends zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from arguments.errors import EGSTalkerError, one_line
from data_utils.audio_features.mfcc import HOP, mfcc

LETTERS = 29
WINDOW = 16  # steps of 20 ms
CONTEXT = 9  # steps to either side that the network is given
STEPS_PER_FRAME = 2
_FULL_SCALE = 32768  # the network was trained on 16-bit numbers
_REFUSED = ("File", "PyFunc", "Save", "Restore", "Print")  # operations that reach beyond the graph

Graph = Callable[[Float[np.ndarray, "T C"]], Float[np.ndarray, "T 29"]]


def deepspeech(
    samples: Float[np.ndarray, "T"],
    num_frames: int,
    path: Path,
    load: Callable[[Path], Graph] | None = None,
    fit_frames: int | None = None,
) -> Float32[np.ndarray, "{num_frames} 16 29"]:
    """Letter scores (logits) around each video frame.

    Args:
        samples: mono float32 [T] at 16 kHz, -1..1.
        num_frames: N, rows wanted; the sound is cut or continued by silence.
        path: output_graph.pb.
        load: turns that file into a function; TensorFlow unless given.
        fit_frames: the cepstra are standardised by those of the first so many frames; by all unless given.

    Returns:
        [N, 16, 29] float32.

    Raises:
        EGSTalkerError: TensorFlow is not installed, or the graph is damaged or another one.
    """
    graph = (load or load_graph)(path)
    inputs = network_inputs(samples, num_frames, fit_frames)
    scores = np.asarray(graph(inputs), np.float32)
    if scores.shape != (len(inputs), LETTERS):
        raise EGSTalkerError(f"{path} is not DeepSpeech's graph: it gives {list(scores.shape)}; {_FETCH}")
    return windows(scores)


def network_inputs(
    samples: Float[np.ndarray, "T"], num_frames: int, fit_frames: int | None = None
) -> Float32[np.ndarray, "2*{num_frames} 494"]:
    """What the network is given at each 20 ms of N video frames, T = 2 N: standardised cepstra with their context.

    Args: as of :func:`deepspeech`.
    """
    length = num_frames * STEPS_PER_FRAME * 2 * HOP
    whole = np.zeros(length)
    given = samples[:length]
    whole[: len(given)] = given
    whole = np.trunc(whole * _FULL_SCALE).clip(-_FULL_SCALE, _FULL_SCALE - 1)
    flat = _in_context(mfcc(whole)[::2])
    to_fit = flat if fit_frames is None else _in_context(mfcc(whole[: fit_frames * STEPS_PER_FRAME * 2 * HOP])[::2])
    deviation = to_fit.std()
    return ((flat - to_fit.mean()) / (deviation if deviation > 0 else 1.0)).astype(np.float32)


def _in_context(cepstra: Float[np.ndarray, "T C"]) -> Float[np.ndarray, "T D"]:
    """Each step's cepstra with those of the steps around it; beyond the ends zeros."""
    padded = np.pad(cepstra, ((CONTEXT, CONTEXT), (0, 0)))
    contexts = np.lib.stride_tricks.sliding_window_view(padded, 2 * CONTEXT + 1, axis=0)
    return contexts.transpose(0, 2, 1).reshape(len(cepstra), -1)


def windows(scores: Float[np.ndarray, "T 29"]) -> Float[np.ndarray, "N 16 29"]:
    """The 16 steps around each video frame; steps before and after the recording are zeros.

    Args:
        scores: [2 N, 29], one row for each 20 ms.

    Returns:
        [N, 16, 29]; row i holds the steps 2 i - 8 .. 2 i + 7.
    """
    padded = np.pad(scores, ((WINDOW // 2, WINDOW // 2), (0, 0)))
    view = np.lib.stride_tricks.sliding_window_view(padded, WINDOW, axis=0)[: len(scores) : STEPS_PER_FRAME]
    return np.ascontiguousarray(view.transpose(0, 2, 1))


_FETCH = "delete it and run ./download_models.sh"


def load_graph(path: Path) -> Graph:
    """DeepSpeech's frozen graph as a function of its inputs, run by TensorFlow.

    Raises:
        EGSTalkerError: TensorFlow is not installed, or the file is damaged, another graph, or reads and writes files.
    """
    try:
        import tensorflow.compat.v1 as tf
    except ImportError:
        raise EGSTalkerError(
            "deepspeech needs TensorFlow, which is not installed: run pip install tensorflow, or give the features of "
            "another program as aud_ds.npy, or choose other --asr features"
        ) from None
    definition = tf.GraphDef()
    graph = tf.Graph()
    try:
        definition.ParseFromString(path.read_bytes())
        reaching = [node.op for node in definition.node if any(word in node.op for word in _REFUSED)]
        if reaching:
            raise EGSTalkerError(f"{path} holds operations that DeepSpeech has not ({reaching[0]}); {_FETCH}")
        with graph.as_default():
            tf.import_graph_def(definition, name="deepspeech")
        steps, lengths, scores = (
            graph.get_tensor_by_name(f"deepspeech/{name}:0") for name in ("input_node", "input_lengths", "logits")
        )
    except EGSTalkerError:
        raise
    except Exception as error:  # protobuf's and TensorFlow's own kinds
        raise EGSTalkerError(f"{path} is not DeepSpeech's graph ({one_line(error)[:80]}); {_FETCH}") from error

    def run(inputs: Float[np.ndarray, "T C"]) -> Float[np.ndarray, "T 29"]:
        with tf.Session(graph=graph) as session:
            result: np.ndarray = session.run(scores, {steps: inputs[None], lengths: [len(inputs)]})
        return result.reshape(len(inputs), -1)

    return run
