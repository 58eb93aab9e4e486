"""Head trackers: each writes ``track_params.pt`` of a dataset folder."""

from __future__ import annotations

from collections.abc import Callable

from arguments.dataset_folder import DatasetFolder
from data_utils.face_tracking.bfm import track as track_with_bfm
from data_utils.face_tracking.mediapipe_tracker import track as track_with_mediapipe

TRACKERS: dict[str, Callable[[DatasetFolder], None]] = {"mediapipe": track_with_mediapipe, "bfm": track_with_bfm}
