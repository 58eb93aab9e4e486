"""Parsing, clean background and torso: what is whose, and that the parts add up again."""

import cv2
import numpy as np
import pytest

from arguments.dataset_folder import DatasetFolder
from data_utils.background import MARGIN, clean_background
from data_utils.face_parsing.classes import BACKGROUND, HEAD, NECK, TORSO, to_classes, to_colours, to_picture
from data_utils.inpaint import fill_from_nearest, fill_smoothly
from data_utils.torso import separate
from media.images import read_rgb, read_rgba, write_image


def overlap(a, b):
    return (a & b).sum() / (a | b).sum()


def test_head_neck_torso_and_background_agree_with_the_truth(dataset, talking_head):
    masks = np.load(talking_head.with_name("head_truth.npz"))["mask"]
    chosen = range(0, len(masks), 6)
    parsed = np.stack([to_classes(read_rgb(dataset.parsing_map(i))) for i in chosen])
    truth = masks[list(chosen)]
    assert overlap(parsed == HEAD, truth == 1) > 0.97
    assert overlap(parsed == TORSO, truth == 3) > 0.97
    assert overlap(parsed == NECK, truth == 2) > 0.9
    assert overlap(parsed == BACKGROUND, truth == 0) > 0.985


def test_opencv_reads_the_colours_that_trainers_expect(tmp_path):
    write_image(tmp_path / "p.png", to_colours(np.array([[BACKGROUND, HEAD, NECK, TORSO]])))
    bgr = cv2.imread(str(tmp_path / "p.png"))[0].tolist()
    assert bgr == [[255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]
    assert to_classes(read_rgb(tmp_path / "p.png")).tolist() == [[BACKGROUND, HEAD, NECK, TORSO]]


def test_the_background_shows_what_was_behind_the_person(dataset, tmp_path):
    folder = DatasetFolder(tmp_path)
    y, x = np.mgrid[:96, :96]
    scene = np.stack([x * 2, y * 2, 255 - x], -1).astype(np.uint8)
    for i in range(12):
        image, classes = scene.copy(), np.zeros((96, 96), np.uint8)
        image[30:70, 4 * i : 4 * i + 24], classes[30:70, 4 * i : 4 * i + 24] = (250, 10, 10), HEAD
        image[80:, 30:60], classes[80:, 30:60] = (10, 250, 10), TORSO  # never moves
        write_image(folder.frame(i), image)
        write_image(folder.parsing_map(i), to_colours(classes))
    background = clean_background(folder, 12).astype(int)
    error = np.abs(background - scene).mean(-1)
    assert error[:78].mean() < 2
    assert error[:78].max() < 20
    assert error[80:, 30:60].max() < 60  # a smooth guess, not the person


def test_what_the_person_uncovers_for_a_moment_only_is_seen(tmp_path):
    folder = DatasetFolder(tmp_path)
    scene = np.full((64, 64, 3), (40, 90, 160), np.uint8)
    scene[20:40, 24:40] = (220, 60, 30)  # behind the person but in frames 52 to 54
    for i in range(200):
        image, classes = scene.copy(), np.zeros((64, 64), np.uint8)
        left = 44 if 52 <= i <= 54 else 22
        image[10:, left : left + 20], classes[10:, left : left + 20] = (10, 200, 10), HEAD
        write_image(folder.frame(i), image)
        write_image(folder.parsing_map(i), to_colours(classes))
    background = clean_background(folder, 200).astype(int)
    assert np.abs(background - scene)[22:38, 26:38].mean() < 4


def test_what_parsing_misses_beside_the_person_is_not_left_behind(tmp_path):
    """An earring that no map has, of a person who sits still for three quarters of the clip."""
    folder = DatasetFolder(tmp_path)
    behind = np.full((200, 200, 3), (90, 110, 130), np.uint8)
    for i in range(40):
        left = 60 if i < 30 else 90
        image, classes = behind.copy(), np.zeros((200, 200), np.uint8)
        image[60:, left : left + 50], classes[60:, left : left + 50] = (10, 200, 10), HEAD
        image[100:112, left - 8 : left] = (250, 220, 40)
        write_image(folder.frame(i), image)
        write_image(folder.parsing_map(i), to_colours(classes))
    background = clean_background(folder, 40).astype(int)
    assert np.abs(background - behind)[98:114, 50:60].max() < 12


def test_the_border_of_what_was_never_seen_is_no_edge(tmp_path):
    """Steps across it are no larger than the scene's own steps around it."""
    folder = DatasetFolder(tmp_path)
    rng = np.random.default_rng(0)
    smooth = cv2.GaussianBlur(rng.normal(0, 400, (160, 160, 3)), (0, 0), 6)
    behind = np.clip(128 + smooth + rng.normal(0, 4, smooth.shape), 0, 255).astype(np.uint8)
    classes = np.zeros((160, 160), np.uint8)
    cv2.ellipse(classes, (80, 80), (30, 44), 0, 0, 360, HEAD, -1)
    classes[110:, 30:130] = TORSO
    image = np.where((classes != BACKGROUND)[..., None], np.uint8(250), behind)
    for i in range(3):
        write_image(folder.frame(i), image)
        write_image(folder.parsing_map(i), to_colours(classes))
    background = clean_background(folder, 3).astype(float).mean(-1)
    away = cv2.distanceTransform((classes == BACKGROUND).astype(np.uint8), cv2.DIST_C, 3)
    covered = away <= round(MARGIN * 160)
    near = cv2.dilate(covered.astype(np.uint8), np.ones((17, 17), np.uint8)) > 0
    steps = np.abs(np.diff(background, axis=1))
    across = covered[:, 1:] != covered[:, :-1]
    around = ~covered[:, 1:] & ~covered[:, :-1] & near[:, 1:]
    assert across.sum() > 100
    assert steps[across].mean() < 1.25 * steps[around].mean()
    assert np.percentile(steps[across], 95) < 1.5 * np.percentile(steps[around], 95)


@pytest.fixture
def scene():
    rng = np.random.default_rng(0)
    classes = np.zeros((128, 128), np.uint8)
    cv2.ellipse(classes, (64, 50), (26, 34), 0, 0, 360, HEAD, -1)
    classes[84:100, 50:78][classes[84:100, 50:78] == 0] = NECK
    classes[100:, 20:108] = TORSO
    image = rng.integers(0, 255, (128, 128, 3), np.uint8)
    background = np.full((128, 128, 3), 60, np.uint8)
    return image, classes, background


def test_outside_the_head_torso_over_background_is_the_ground_truth(scene):
    image, classes, background = scene
    torso, truth = separate(image, to_colours(classes), background)
    alpha = torso[..., 3:] / 255
    composite = alpha * torso[..., :3] + (1 - alpha) * background
    head = cv2.dilate((classes == HEAD).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    difference = np.abs(composite - truth).max(-1)
    assert difference[~head].max() <= 1
    assert difference[(classes == NECK) | (classes == TORSO)].max() <= 130 * 0.5  # soft outline only
    inner = cv2.erode(np.isin(classes, (NECK, TORSO)).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    assert difference[inner].max() <= 1


def test_the_torso_goes_on_under_the_head(scene):
    image, classes, background = scene
    image[classes == NECK] = (200, 150, 120)
    image[classes == HEAD] = (10, 10, 200)
    torso, _ = separate(image, to_colours(classes), background)
    under = torso[80, 62:67]
    assert (under[:, 3] == 255).all()
    assert np.abs(under[:, :3].astype(int) - (200, 150, 120)).max() < 10
    assert (torso[30, 50:78, 3] == 0).all()


def test_under_the_head_what_is_nearer_to_the_background_stays_open(scene):
    image, classes, background = scene
    torso, _ = separate(image, to_colours(classes), background)
    to_body = cv2.distanceTransform((~np.isin(classes, (NECK, TORSO))).astype(np.uint8), cv2.DIST_L2, 5)
    to_behind = cv2.distanceTransform((classes != BACKGROUND).astype(np.uint8), cv2.DIST_L2, 5)
    filled = (classes == HEAD) & (torso[..., 3] > 0)
    assert filled.sum() > 100
    assert (to_body[filled] < to_behind[filled] + 1).all()
    assert to_body[filled].max() < 0.11 * 128


def test_what_goes_on_under_the_head_is_not_tinged_by_head_or_background(scene):
    image, classes, background = scene
    image[classes == BACKGROUND] = (0, 0, 255)
    image[classes == HEAD] = (0, 255, 0)
    image[np.isin(classes, (NECK, TORSO))] = (200, 150, 120)
    soft = cv2.GaussianBlur(image, (3, 3), 0)  # as a camera sees edges
    torso, _ = separate(soft, to_colours(classes), background)
    filled = (classes == HEAD) & (torso[..., 3] > 0)
    assert np.abs(torso[filled][:, :3].astype(int) - (200, 150, 120)).max() <= 3


def test_a_collar_that_touches_the_jaw_does_not_go_on_under_it():
    classes = np.zeros((256, 256), np.uint8)
    classes[:150, 60:196] = HEAD
    classes[150:, 20:236] = TORSO
    classes[150:170, 110:150] = NECK
    image = np.zeros((256, 256, 3), np.uint8)
    for kind, colour in ((HEAD, (230, 180, 150)), (NECK, (150, 100, 80)), (TORSO, (250, 250, 255))):
        image[classes == kind] = colour
    torso, _ = separate(image, to_colours(classes), np.full_like(image, 90))
    assert (torso[140, 96:164, 3] == 255).all()
    assert np.abs(torso[140, 96:164, :3].astype(int) - (150, 100, 80)).max() < 8
    shirt_only, _ = separate(image, to_colours(np.where(classes == NECK, TORSO, classes)), np.full_like(image, 90))
    assert (shirt_only[140, 78:94, :3] > 240).all()


def test_no_dark_seam_shows_where_the_drawn_head_is_a_little_small(dataset):
    background = read_rgb(dataset.background).astype(float)
    for i in (0, 20, 40):
        torso = read_rgba(dataset.torso_image(i)).astype(float)
        classes = to_classes(read_rgb(dataset.parsing_map(i)))
        alpha = torso[..., 3:] / 255
        behind = (alpha * torso[..., :3] + (1 - alpha) * background).mean(-1)
        to_neck = cv2.distanceTransform((classes != NECK).astype(np.uint8), cv2.DIST_L2, 5)
        to_head = cv2.distanceTransform((classes != HEAD).astype(np.uint8), cv2.DIST_L2, 5)
        to_rest = cv2.distanceTransform(np.isin(classes, (HEAD, NECK)).astype(np.uint8), cv2.DIST_L2, 5)
        seam = behind[(classes == HEAD) & (to_neck < 4) & (to_rest > 6)]
        beside = behind[(classes == NECK) & (to_head < 6) & (to_rest > 6)]
        assert len(seam) > 50
        assert np.percentile(seam, 5) > 0.85 * np.percentile(beside, 5)
        assert np.percentile(seam, 95) < 1.15 * np.percentile(beside, 95)


def long_haired(side=256):
    """A head whose hair hangs over a coat on the right: picture, classes, and the head's share of each pixel."""
    classes = np.zeros((side, side), np.uint8)
    classes[170:, 20:236] = TORSO
    classes[140:176, 96:132] = NECK
    cv2.ellipse(classes, (123, 80), (50, 70), 0, 0, 360, HEAD, -1)
    share = np.where(classes == HEAD, 255.0, 0.0)
    share[80:230, 150:185] = np.rint(255 * np.clip((210 - np.arange(80, 230)) / 60, 0, 1))[:, None]
    hair = np.zeros_like(classes, bool)
    hair[80:230, 150:185] = True
    classes[hair] = np.where(share[hair] > 127, HEAD, TORSO)
    image = np.zeros((side, side, 3), np.uint8)
    for kind, colour in ((HEAD, (230, 180, 150)), (NECK, (190, 140, 110)), (TORSO, (90, 100, 190))):
        image[classes == kind] = colour
    image[hair] = (60, 40, 20)
    return image, classes, share.astype(np.uint8), hair


def test_hair_on_the_shoulders_is_in_both_pictures_and_goes_on_under_the_head():
    image, classes, share, hair = long_haired()
    torso, truth = separate(image, to_picture(classes, share), np.full_like(image, 128))
    shared = hair & (share > 0) & (share < 255)
    inner = cv2.erode(shared.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    assert inner.sum() > 500
    assert (torso[inner] == (60, 40, 20, 255)).all()  # whatever the head's share, what is behind is the same hair
    np.testing.assert_array_equal(truth[inner], image[inner])
    above = torso[142:150, 164:172]  # wholly the head's, above where the sharing begins
    assert (above[..., 3] == 255).all()
    assert np.abs(above[..., :3].astype(int) - (60, 40, 20)).max() < 12


def test_what_goes_on_under_the_head_ends_softly():
    image, classes, share, _ = long_haired()
    alpha = separate(image, to_picture(classes, share), np.full_like(image, 128))[0][..., 3].astype(int)
    under = cv2.erode((share == 255).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    steps = np.maximum(np.abs(np.diff(alpha, axis=0))[:, 1:], np.abs(np.diff(alpha, axis=1))[1:])
    assert alpha[under].max() == 255
    assert alpha[under].min() == 0
    assert steps[under[1:, 1:]].max() < 150  # of 255 a pixel, and half of it in pictures of twice the size


def test_the_ground_truth_has_the_clean_background(scene):
    image, classes, background = scene
    truth = separate(image, to_colours(classes), background)[1]
    np.testing.assert_array_equal(truth[:10], background[:10])
    np.testing.assert_array_equal(truth[110:, 40:90], image[110:, 40:90])


def test_a_frame_without_a_body_has_an_empty_torso(scene):
    image, classes, background = scene
    torso, _ = separate(image, to_colours(np.where(classes == HEAD, HEAD, BACKGROUND)), background)
    assert torso[..., 3].max() == 0


def test_a_real_datasets_parts_add_up(dataset):
    background = read_rgb(dataset.background).astype(float)
    torso, truth = read_rgba(dataset.torso_image(30)), read_rgb(dataset.ground_truth_image(30))
    head = to_classes(read_rgb(dataset.parsing_map(30))) == HEAD
    alpha = torso[..., 3:] / 255
    difference = np.abs(alpha * torso[..., :3] + (1 - alpha) * background - truth).mean(-1)
    away = cv2.dilate(head.astype(np.uint8), np.ones((7, 7), np.uint8)) == 0
    assert difference[away].mean() < 1


def test_filling_keeps_the_known_and_continues_it():
    y, x = np.mgrid[:64, :64].astype(np.float32)
    image = np.stack([2 * x, 2 * y, x + y], -1)
    known = np.ones((64, 64), bool)
    known[20:40, 20:40] = False
    filled = fill_smoothly(np.where(known[..., None], image, 0), known)
    np.testing.assert_array_equal(filled[known], image[known])
    assert np.abs(filled - image)[~known].mean() < 12
    nearest = fill_from_nearest(image.astype(np.uint8), known)
    assert nearest[21, 30].tolist() == image[19, 30].astype(int).tolist()
