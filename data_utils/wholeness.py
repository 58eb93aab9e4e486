"""What a task reads and writes, and whether it is there, whole and up to date."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from arguments.dataset_folder import DatasetFolder
from arguments.digest import sha256
from media.images import numbered


@dataclass(frozen=True)
class Artefact:
    """A file, or a file for each frame, of a dataset folder."""

    name: str  # below the folder; for one a frame: its folder and suffix, such as "ori_imgs/*.jpg"
    task: int  # that writes it

    def files(self, folder: DatasetFolder) -> list[Path]:
        """The files there are, up to the first frame that is missing."""
        if "*" not in self.name:
            path = folder.root / self.name
            return [path] if path.is_file() else []
        inner, pattern = self.name.rsplit("/", 1)
        return numbered(folder.root / inner, pattern.removeprefix("*"))

    def times(self, folder: DatasetFolder, num_frames: int) -> tuple[float, float] | None:
        """When the oldest and the newest of its files were written; None where one is missing, empty or too many."""
        files = self.files(folder)
        if not files or len(files) != (num_frames if "*" in self.name else 1):
            return None
        stats = [path.stat() for path in files]
        if min(stat.st_size for stat in stats) == 0:
            return None
        return min(stat.st_mtime for stat in stats), max(stat.st_mtime for stat in stats)

    def fingerprint(self, folder: DatasetFolder) -> str:
        """What a copy has in common with it: one file's content, or the names and sizes of one file a frame."""
        digest, files = hashlib.sha256(), self.files(folder)
        for path in files:
            digest.update(f"{path.name} {path.stat().st_size if '*' in self.name else sha256(path)}\n".encode())
        return digest.hexdigest()[:16] if files else ""


AUDIO = Artefact("aud.wav", 1)
AUDIO_TRAIN = Artefact("aud_train.wav", 1)
AUDIO_NOVEL = Artefact("aud_novel.wav", 1)
FEATURES = Artefact("aud.npy", 2)
FEATURES_DS = Artefact("aud_ds.npy", 2)
FRAMES = Artefact("ori_imgs/*.jpg", 3)
VIDEO = Artefact("video.mp4", 3)
PARSING = Artefact("parsing/*.png", 4)
BACKGROUND = Artefact("bc.jpg", 5)
TORSO = Artefact("torso_imgs/*.png", 6)
GROUND_TRUTH = Artefact("gt_imgs/*.jpg", 6)
LANDMARKS = Artefact("ori_imgs/*.lms", 7)
ACTION_UNITS = Artefact("au.csv", 7)
TRACK = Artefact("track_params.pt", 8)
TRANSFORMS_TRAIN = Artefact("transforms_train.json", 9)
TRANSFORMS_VAL = Artefact("transforms_val.json", 9)


def count_frames(folder: DatasetFolder) -> int:
    """How many frames the dataset has: dataset.json's word, or the pictures there are; 0 where there are none."""
    recorded = folder.read_record().get("num_frames")
    return recorded if isinstance(recorded, int) and recorded > 0 else len(FRAMES.files(folder))


def fingerprints(folder: DatasetFolder, artefacts: tuple[Artefact, ...]) -> dict[str, str]:
    """The fingerprint of each artefact, by name."""
    return {artefact.name: artefact.fingerprint(folder) for artefact in artefacts}


def up_to_date(
    folder: DatasetFolder,
    reads: tuple[Artefact, ...],
    writes: tuple[Artefact, ...],
    num_frames: int,
    recorded: dict[str, str] | None = None,
) -> bool:
    """Whether all that is written is whole and made from what is read.

    That is so where nothing that is written is older than what is read; or, since copying a folder mixes up the times,
    where everything still has the fingerprint that was ``recorded`` when it was made.
    """
    written = [artefact.times(folder, num_frames) for artefact in writes]
    if num_frames == 0 or any(times is None for times in written):
        return False
    read = [times for artefact in reads if (times := artefact.times(folder, num_frames))]
    oldest = min(times[0] for times in written if times)
    in_order = all(newest <= oldest for _, newest in read)
    return in_order or (bool(recorded) and fingerprints(folder, (*reads, *writes)) == recorded)
