"""What a task reads and writes, and whether it is there, whole and up to date.

A dataset's readers and preprocess.sh have one definition of whole: what a reader refuses is not whole here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from arguments.dataset_folder import PICTURES, DatasetFolder
from arguments.digest import sha256
from arguments.errors import EGSTalkerError
from media.images import numbered


@dataclass(frozen=True)
class Artefact:
    """A file, or a file for each frame, of a dataset folder."""

    name: str  # below the folder; for one a frame: its folder and suffix, such as "ori_imgs/*.jpg"
    task: int  # that writes it
    others: tuple[str, ...] = ()  # names under which another program leaves the same
    needed: bool = True  # by the readers of a dataset; False: a by-product

    def files(self, folder: DatasetFolder) -> list[Path]:
        """The files there are, up to the first frame that is missing."""
        return next((files for name in (self.name, *self.others) if (files := _files(folder.root, name))), [])

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
AUDIO_TRAIN = Artefact("aud_train.wav", 1, needed=False)
AUDIO_NOVEL = Artefact("aud_novel.wav", 1, needed=False)
FEATURES = Artefact("aud.npy", 2)
FEATURES_DS = Artefact("aud_ds.npy", 2, needed=False)
FRAMES = Artefact("ori_imgs/*.jpg", 3, ("ori_imgs/*.png",))
VIDEO = Artefact("video.mp4", 3, needed=False)
PARSING = Artefact("parsing/*.png", 4)
BACKGROUND = Artefact("bc.jpg", 5, ("bc.png",))
TORSO = Artefact("torso_imgs/*.png", 6)
GROUND_TRUTH = Artefact("gt_imgs/*.jpg", 6, ("gt_imgs/*.png",))
LANDMARKS = Artefact("ori_imgs/*.lms", 7)
ACTION_UNITS = Artefact("au.csv", 7, ("bs.npy",))
TRACK = Artefact("track_params.pt", 8)
TRANSFORMS_TRAIN = Artefact("transforms_train.json", 9)
TRANSFORMS_VAL = Artefact("transforms_val.json", 9)
READS: dict[int, tuple[Artefact, ...]] = {
    1: (),
    2: (AUDIO,),
    3: (),
    4: (FRAMES,),
    5: (FRAMES, PARSING),
    6: (FRAMES, PARSING, BACKGROUND),
    7: (FRAMES,),
    8: (FRAMES, PARSING),
    9: (FRAMES, TRACK),
}
"""What each task reads."""


def count_frames(folder: DatasetFolder) -> int:
    """How many frames the dataset has: dataset.json's word, or one more than the last picture's number; 0 for none."""
    recorded = folder.read_record().get("num_frames")
    if isinstance(recorded, int) and recorded > 0:
        return recorded
    return max(picture_numbers(folder.frames), default=-1) + 1


def picture_numbers(pictures: Path) -> set[int]:
    """The numbers that name the pictures of a folder."""
    names = [path.stem for path in pictures.iterdir() if path.suffix in PICTURES] if pictures.is_dir() else []
    return {int(name) for name in names if name.isdecimal()}


def is_sound(artefact: Artefact, folder: DatasetFolder, num_frames: int) -> bool:
    """Whether a dataset's readers take what a file holds; of pictures and sound it is enough that they are there."""
    from data_utils.audio_features.feature_file import read_clip_features
    from data_utils.blinks import read_blinks
    from data_utils.track_file import check_track
    from data_utils.transforms_file import read_transforms

    checks: dict[Artefact, Callable[[], object]] = {
        FEATURES: lambda: read_clip_features(folder, num_frames),
        ACTION_UNITS: lambda: read_blinks(folder, num_frames),
        TRACK: lambda: check_track(folder, num_frames),
        TRANSFORMS_TRAIN: lambda: read_transforms(folder),
    }
    try:
        checks.get(artefact, lambda: None)()
    except EGSTalkerError:
        return False
    return True


def is_there(artefact: Artefact, folder: DatasetFolder, num_frames: int) -> bool:
    """Whether all of its files are there and can be read."""
    return artefact.times(folder, num_frames) is not None and is_sound(artefact, folder, num_frames)


def size_made_with(folder: DatasetFolder, task: int) -> int | None:
    """The unusual size of the frames, pixels, that a task was done with; None: the usual one."""
    size = (folder.read_record().get("tasks", {}).get(str(task)) or {}).get("size")
    return size if isinstance(size, int) else None


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
    if not all(is_sound(artefact, folder, num_frames) for artefact in writes):
        return False
    read = [times for artefact in reads if (times := artefact.times(folder, num_frames))]
    oldest = min(times[0] for times in written if times)
    in_order = all(newest <= oldest for _, newest in read)
    return in_order or (bool(recorded) and fingerprints(folder, (*reads, *writes)) == recorded)


def _files(root: Path, name: str) -> list[Path]:
    """The files of an artefact's name, up to the first frame that is missing."""
    if "*" not in name:
        return [root / name] if (root / name).is_file() else []
    inner, pattern = name.rsplit("/", 1)
    return numbered(root / inner, pattern.removeprefix("*"))
