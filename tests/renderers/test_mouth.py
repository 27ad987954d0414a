"""The mouth renderer on drawn photos: where it paints, whose teeth, and that they stand still."""

import copy
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from talkface.geometry.donor import MOUTH_SETTINGS, blurred, detailed
from talkface.geometry.matte import polygon_mask
from talkface.landmarks.detect import load_detector
from talkface.landmarks.layout import INNER_LIP, eye_distance, mouth_opening
from talkface.landmarks.mouth_patch import cut_mouth_patch, lip_colour, own_donor
from talkface.media.colour import to_signed
from talkface.models.mouth import MouthConfig, MouthInpainter
from talkface.renderers.canvas import Canvas
from talkface.renderers.load import load_renderer
from talkface.renderers.mouth import MouthRenderer
from talkface.types import Shot
from tests.drawn import DrawnPhoto

OPEN = DrawnPhoto("open", 0.3)
SHUT = DrawnPhoto("shut", 0.004)
LOWER = [*range(4, 13), 55, 56, 57, 58, 59, 65, 66, 67]


def shot(photo: DrawnPhoto) -> Shot:
    return Shot(photo.image(0), photo.landmarks[0])


@pytest.fixture(scope="module")
def renderer() -> MouthRenderer:
    """A network whose likely colours are the donor's, and a donor."""
    network = MouthInpainter(MouthConfig(widths=(8, 8, 8), depth=1))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        for colour in range(3):  # of a pair of channels that differ in sign a leaky ReLU loses nothing
            for channel, sign in ((colour, 1), (colour + 3, -1)):
                network.stem.weight[channel, 12 + 4 * colour : 16 + 4 * colour, 1, 1] = sign / 4
                network.maps.weight[colour, channel, 1, 1] = sign * 1.3 / 1.2  # 1.3: of a tanh
        network.maps.bias[3] = -20  # no share of its detail: the colours have it
    donor = own_donor(shot(OPEN))
    assert donor is not None
    return MouthRenderer(network, [donor], torch.device("cpu"))


def opened(points: np.ndarray, amounts: list[float]) -> np.ndarray:
    """Lower lip and jaw dropped by shares of the outer-eye distance."""
    moved = np.repeat(points[None].astype(np.float32), len(amounts), 0)
    unit = np.linalg.norm(points[45] - points[36])
    moved[:, LOWER, 1] += unit * np.array(amounts, np.float32)[:, None]
    return moved


def inside(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Rows down the middle of the mouth."""
    x = round(float(points[62, 0]))
    top, bottom = round(float(points[62, 1])) + 2, round(float(points[66, 1])) - 2
    return image[top:bottom, x - 2 : x + 3].astype(np.float32).mean((1, 2))


def test_a_shut_mouth_that_opens_shows_teeth_above_and_dark_below(renderer: MouthRenderer):
    photo = shot(SHUT)
    targets = opened(photo.landmarks, [0.2])
    frame = next(iter(renderer.render(renderer.enroll([photo]), targets)))
    rows = inside(frame.image, targets[0])
    assert rows[:4].max() > 180
    assert rows[len(rows) // 2 :].min() < 70
    assert frame.mask is not None and frame.mask.max() > 0.9


def mouth_rows(image: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, float]:
    """Light of the rows from the upper edge of the lips to the lower one, and the row between the inner lips."""
    patch, at = cut_mouth_patch(image, points)
    top, bottom, left, right = (int(value) for value in (at[51, 1], at[57, 1], at[61, 0], at[63, 0] + 1))
    return patch[top:bottom, left:right].astype(np.float32).mean((1, 2)), float(
        at[[61, 62, 63, 65, 66, 67], 1].mean()
    ) - top


def test_a_smile_that_shuts_hides_its_teeth_and_one_that_opens_keeps_them(astronaut: np.ndarray):
    points = load_detector().detect(astronaut)[0].landmarks
    renderer, gap = load_renderer("hybrid", "cpu"), float(mouth_opening(points))
    targets = opened(points, [0.0, 0.012 - gap, 0.05])
    frames = [frame.image for frame in renderer.render(renderer.enroll([Shot(astronaut, points)]), targets)]
    (photo, _), (shut, line), (wide, _) = (mouth_rows(*each) for each in zip(frames, targets, strict=True))
    teeth, lip = photo.max(), photo[: len(photo) // 3].min()
    assert shut.max() < 0.85 * teeth and abs(shut.argmin() - line) < 2, "only a dark line is left between the lips"
    assert shut.min() > 0.75 * lip and wide[: len(wide) // 3].min() > 0.8 * lip, (
        "no dark band is laid over the upper lip"
    )
    assert abs(wide.max() / teeth - 1) < 0.04, "the person's own teeth, in their own light"
    assert wide[len(wide) // 2 : -6].min() < 0.75 * teeth, "a mouth that opens wider is darker below its own teeth"


def test_nothing_but_the_mouth_is_touched_and_shut_lips_are_the_warps(renderer: MouthRenderer):
    photo = shot(SHUT)
    targets = opened(photo.landmarks, [0.0, 0.005, 0.15])
    canvas = Canvas(photo)
    warped = [canvas.warp(canvas.deform(target)) for target in targets]
    made = [each.image for each in renderer.render(renderer.enroll([photo]), targets)]
    np.testing.assert_array_equal(made[0], photo.image)
    np.testing.assert_array_equal(made[1], warped[1])
    low, high = targets[2][INNER_LIP].min(0) - 12, targets[2][INNER_LIP].max(0) + 12
    box = np.zeros(photo.image.shape[:2], bool)
    box[int(low[1]) : int(high[1]), int(low[0]) : int(high[0])] = True
    np.testing.assert_array_equal(made[2][~box], warped[2][~box])


def test_what_is_generated_ends_at_the_lips(renderer: MouthRenderer):
    photo = shot(SHUT)
    targets = opened(photo.landmarks, [0.05, 0.1])
    canvas = Canvas(photo)
    for frame, target in zip(renderer.render(renderer.enroll([photo]), targets), targets, strict=True):
        changed = np.abs(frame.image.astype(int) - canvas.warp(canvas.deform(target))).max(-1) > 8
        lips = polygon_mask(target[INNER_LIP], (changed.shape[1], changed.shape[0])) > 0
        around = 2 * round(0.008 * eye_distance(photo.landmarks) + 2) + 1  # 2: soft edges
        assert changed.sum() > 100
        assert not (changed & (cv2.dilate(lips.astype(np.uint8), np.ones((around, around))) == 0)).any()


def test_a_donor_that_shows_lower_teeth_lends_them_to_the_others(renderer: MouthRenderer):
    donor, photo = renderer.donors[0], shot(SHUT)
    top, bottom = (int(donor.lips[part, 1].mean()) for part in (slice(1, 4), slice(5, 8)))
    image = donor.image.copy()
    image[bottom - (bottom - top) // 4 : bottom] = (200, 190, 180)
    lender = replace(donor, image=image, skin=0.3 * donor.skin)  # so that it is not chosen
    targets = opened(photo.landmarks, [0.2])
    lowest = []
    for donors in ([donor], [donor, lender]):
        made = MouthRenderer(renderer.network, donors, torch.device("cpu"))
        frame = next(iter(made.render(made.enroll([photo]), targets)))
        lowest.append(inside(frame.image, targets[0])[-6:].max())
    assert lowest[1] > lowest[0] + 60


def test_ones_own_wide_mouth_gets_nobodys_lower_teeth(renderer: MouthRenderer):
    lender, photo = load_renderer("hybrid", "cpu").donors[-1], shot(OPEN)
    identity = MouthRenderer(renderer.network, [lender], torch.device("cpu")).enroll([photo])
    assert identity.own and identity.coarse is not None
    assert identity.coarse.opening == pytest.approx(renderer.enroll([photo]).coarse.opening, abs=1e-6)


def test_another_photos_teeth_are_warped_as_far_as_it_is_open_and_laid_beyond(renderer: MouthRenderer):
    network = copy.deepcopy(renderer.network)
    with torch.no_grad():
        network.maps.weight.zero_()
        network.maps.bias[:3] = -3  # dark
    dark = MouthRenderer(network, renderer.donors, torch.device("cpu"))
    photo, other = shot(SHUT), shot(DrawnPhoto("own", 0.16))
    alone, both = dark.enroll([photo]), dark.enroll([photo, other])
    assert len(alone.canvases) == 1 and len(both.canvases) == 2
    targets = np.concatenate([DrawnPhoto("as open", 0.16).landmarks, DrawnPhoto("wider", 0.3).landmarks])
    strangers, (warped, laid) = (
        [inside(each.image, to) for each, to in zip(dark.render(who, targets), targets, strict=True)]
        for who in (alone, both)
    )
    assert max(rows.max() for rows in strangers) < 40
    tooth, share = 215, MOUTH_SETTINGS.lent
    assert 0.8 * share * tooth < warped.max() < 1.2 * share * tooth, "part of what is shown, the rest is likely"
    assert laid.max() > 0.85 * tooth, "wider than that photo: its upper teeth as they are"
    assert laid[len(laid) // 2 :].max() < 60


def test_upper_teeth_stand_still_while_the_jaw_drops(renderer: MouthRenderer):
    photo = shot(SHUT)
    targets = opened(photo.landmarks, [0.12, 0.16, 0.2, 0.25])
    frames = list(renderer.render(renderer.enroll([photo]), targets))
    ends = []
    for frame, points in zip(frames, targets, strict=True):
        rows = inside(frame.image, points)
        ends.append(points[62, 1] + 2 + int(np.argmax(rows < 130)))
    assert np.ptp(ends) <= 2


def test_constant_landmarks_give_constant_frames(renderer: MouthRenderer):
    photo = shot(SHUT)
    targets = opened(photo.landmarks, [0.18] * 10)
    frames = [each.image for each in renderer.render(renderer.enroll([photo]), targets)]
    assert all(np.array_equal(frame, frames[0]) for frame in frames)


def test_the_first_frames_wait_for_no_other(renderer: MouthRenderer, monkeypatch: pytest.MonkeyPatch):
    """Those after them may have to wait for the matte."""
    photo, warped, warp = shot(SHUT), [], Canvas.warp
    targets = opened(photo.landmarks, [0.2] * 12)
    identity = renderer.enroll([photo])
    monkeypatch.setattr(Canvas, "warp", lambda canvas, to: warped.append(to) or warp(canvas, to))
    frames = renderer.render(identity, targets)
    first = next(frames)
    assert len(warped) == 2
    every = [first, *frames]
    assert len(every) == len(warped) == 12 and list(renderer.render(identity, targets[:0])) == []
    assert np.array_equal(first.image, every[-1].image)


def test_ones_own_open_mouth_is_preferred(renderer: MouthRenderer):
    photo, other = shot(SHUT), shot(DrawnPhoto("own", 0.3))
    green = other.image.copy()
    tooth = (green == (225, 215, 200)).all(-1)
    green[tooth] = (190, 215, 200)
    alone, both = renderer.enroll([photo]), renderer.enroll([photo, Shot(green, other.landmarks)])
    assert own_donor(photo) is None
    assert alone.coarse is not None and both.coarse is not None
    targets = opened(photo.landmarks, [0.18])
    first, second = (next(iter(renderer.render(each, targets))).image for each in (alone, both))
    x, y = round(float(targets[0, 62, 0])), round(float(targets[0, 62, 1])) + 3
    assert int(second[y, x, 0]) < int(first[y, x, 0]) - 15


@pytest.mark.parametrize("teeth", [(225, 215, 200), (45, 20, 20)])
def test_another_photo_lends_its_open_mouth_with_teeth_or_without(renderer: MouthRenderer, teeth: tuple[int, ...]):
    other = shot(OPEN)
    picture = other.image.copy()
    picture[(picture == (225, 215, 200)).all(-1)] = teeth
    targets = np.stack([other.landmarks, *opened(other.landmarks, [-0.1])])
    frames = list(renderer.render(renderer.enroll([shot(SHUT), Shot(picture, other.landmarks)]), targets))
    whole, half = (inside(frame.image, target) for frame, target in zip(frames, targets, strict=True))
    real = inside(picture, other.landmarks)
    assert np.abs(whole - real)[3:-3].mean() < 25, "as wide open as there: that picture"
    assert np.abs(half[3:8] - real[3:8]).max() < 40, "the lower lip covers it from below"


def test_a_head_that_is_turned_otherwise_lends_no_mouth(renderer: MouthRenderer):
    other = shot(OPEN)
    turned = other.landmarks.copy()
    turned[27:36, 0] += 0.12 * np.linalg.norm(turned[45] - turned[36])  # the nose points aside
    both = [renderer.enroll([shot(SHUT), Shot(other.image, points)]) for points in (other.landmarks, turned)]
    assert [len(identity.canvases) for identity in both] == [2, 1]
    assert [identity.own for identity in both] == [True, False]
    assert both[0].notes == () and "turned otherwise" in both[1].notes[0]


def test_small_dark_and_shut_mouths_are_not_lent_and_a_note_says_why(renderer: MouthRenderer):
    photo, other = shot(SHUT), shot(OPEN)
    half = Shot(cv2.resize(other.image, None, fx=0.5, fy=0.5), 0.5 * other.landmarks)
    dark = Shot((0.4 * other.image).astype(np.uint8), other.landmarks)
    for refused, why in ((half, "0.6 of the size"), (dark, "darker"), (photo, "shut")):
        identity = renderer.enroll([photo, refused])
        assert not identity.own and len(identity.canvases) == 1
        assert len(identity.notes) == 1 and why in identity.notes[0]
    among_others = renderer.enroll([photo, half, other, dark])
    assert among_others.canvases[1].shot is other and among_others.notes == ()
    assert renderer.enroll([photo]).notes == renderer.enroll([other]).notes == ()


def test_the_network_sees_another_photos_mouth_as_its_donor(renderer: MouthRenderer, monkeypatch: pytest.MonkeyPatch):
    seen: list[tuple[torch.Tensor, ...]] = []
    run = renderer.network.forward
    monkeypatch.setattr(renderer.network, "forward", lambda *parts: seen.append(parts) or run(*parts))
    other = shot(OPEN)
    for shots in ([shot(SHUT)], [shot(SHUT), other]):
        list(renderer.render(renderer.enroll(shots), other.landmarks[None]))
    (_, laid, _, _, strangers), (_, warped, cover, masks, own) = seen
    assert strangers.tolist() == [0] and own.tolist() == [1]
    torch.testing.assert_close(cover, masks[:, 2:])
    skin = slice(0, 6)  # rows above the lips
    assert float(laid[0, :, skin].mean()) < -0.5 < float(warped[0, :, skin].mean()), "a laid donor has no face around"
    patch, _ = cut_mouth_patch(other.image, other.landmarks)
    there = to_signed(torch.from_numpy(patch.astype(np.float32)).movedim(-1, 0))
    assert float((warped[0] - there).abs().mean()) < 0.03, "as open as there: that photo"


def test_edges_of_lips_that_a_warp_moves_are_not_stepped(renderer: MouthRenderer):
    photo = shot(OPEN)
    frame = next(iter(renderer.render(renderer.enroll([photo]), opened(photo.landmarks, [-0.1])))).image
    x, y = np.round(photo.landmarks[62]).astype(int)  # where the upper lip ends and teeth begin
    steps = [
        np.abs(np.diff(image[y - 5 : y + 6, x - 20 : x + 21].astype(np.float32).mean(-1), axis=0)).max()
        for image in (photo.image, frame)
    ]
    assert steps[0] > 50 and steps[1] < 0.8 * steps[0]


LIP = np.array((180.0, 100.0, 110.0), np.float32)


def test_detail_is_added_to_the_likely_colours_by_its_share():
    maps = np.zeros((40, 40, 4), np.float32)
    maps[..., :3], maps[..., 3] = 120, 0.5
    donor, cover = np.full((40, 40, 3), 110, np.float32), np.ones((40, 40), np.float32)
    np.testing.assert_allclose(detailed(maps, donor, cover, LIP, 128.0), 120, atol=1e-3)  # an even donor has none
    donor[:, 20] = 10  # a gap between teeth
    made = detailed(maps, donor, cover, LIP, 128.0)
    assert made[20, 20, 0] == pytest.approx(120 - 0.5 * MOUTH_SETTINGS.detail * 90, abs=8)
    assert made[20, 5, 0] == pytest.approx(120, abs=2)
    part = slice(10, 30), slice(15, 25)
    np.testing.assert_array_equal(detailed(maps, donor, cover, LIP, 128.0, part=part), made[part])


def test_likely_colours_get_more_contrast():
    maps, cover = np.zeros((40, 40, 4), np.float32), np.ones((40, 40), np.float32)
    maps[..., :3] = 120
    maps[:20, :, :3] = 40  # the dark above: near the border both go further apart
    made = detailed(maps, np.full((40, 40, 3), 200, np.float32), cover, LIP, 128.0)
    apart = 0.2 * MOUTH_SETTINGS.contrast * 80
    assert made[18, 5, 0] < 40 - apart and made[21, 5, 0] > 120 + apart


def test_nothing_is_much_lighter_than_the_donor_that_shows_there():
    maps, cover = np.zeros((40, 40, 4), np.float32), np.ones((40, 40), np.float32)
    maps[..., :3] = 230
    for light, shown in ((250.0, 230.0), (150.0, 150.0 + MOUTH_SETTINGS.tooth)):
        made = detailed(maps, np.full((40, 40, 3), light, np.float32), cover, LIP, 128.0)
        np.testing.assert_allclose(made, shown, atol=1e-3)


def test_where_the_donor_shows_nothing_the_likely_light_has_the_hue_of_the_lips():
    maps, donor = np.zeros((40, 40, 4), np.float32), np.full((40, 40, 3), 200, np.float32)
    lights = []
    for light in (30.0, 100.0, 160.0, 250.0):
        maps[..., :3] = light
        made = detailed(maps, donor, np.zeros((40, 40), np.float32), LIP, 128.0)[20, 20]
        np.testing.assert_allclose(made / made.mean(), LIP / 130, atol=0.01)
        lights.append(made.mean())
    assert lights[0] == pytest.approx(30, abs=1), "the dark as it is"
    assert (np.diff(lights) > 1).all(), "light and shade stay"
    assert 0.9 * 130 * MOUTH_SETTINGS.tongue < lights[-1] < 130 * MOUTH_SETTINGS.tongue, (
        "no tongue is lighter than the lips"
    )


def test_a_wide_blur_is_that_of_opencv():
    picture = np.random.default_rng(0).uniform(0, 255, (96, 128, 3)).astype(np.float32)
    picture = cv2.GaussianBlur(picture, (0, 0), 3)
    wanted = cv2.GaussianBlur(picture, (0, 0), 10.0, borderType=cv2.BORDER_REPLICATE)
    np.testing.assert_allclose(blurred(picture, 10.0), wanted, atol=5)
    assert np.abs(blurred(picture, 10.0) - wanted).mean() < 1


def test_the_lips_colour_is_that_of_the_lips():
    photo = shot(SHUT)
    red, points = photo.image.copy(), np.round(photo.landmarks).astype(np.int32)
    cv2.fillPoly(red, [points[48:60]], (200, 60, 80))
    found = lip_colour(Shot(red, photo.landmarks))
    np.testing.assert_allclose(found, (200, 60, 80), atol=25)


def test_the_network_is_told_whose_the_donor_is():
    """A network whose colours are those of the plane that says so: light for one's own donor, dark for a stranger's."""
    network = MouthInpainter(MouthConfig(widths=(8, 8, 8), depth=1))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.stem.weight[:, 40:] = 0.1  # the last of eleven planes, four pixels each
        network.maps.weight[:3] = 0.05
    donor = own_donor(shot(OPEN))
    assert donor is not None
    renderer = MouthRenderer(network, [donor], torch.device("cpu"))
    photo = shot(SHUT)
    targets = opened(photo.landmarks, [0.2])
    other = Shot(OPEN.image(0), OPEN.landmarks[0])
    strange, own = (
        inside(next(iter(renderer.render(renderer.enroll(shots), targets))).image, targets[0]).mean()
        for shots in ([photo], [photo, other])
    )
    assert own > strange + 20


def test_a_darker_face_gets_darker_teeth(renderer: MouthRenderer):
    light, dark = (renderer.enroll([shot(DrawnPhoto("x", 0.004, tone=tone))]) for tone in (1.0, 0.4))
    assert light.fine is not None and dark.fine is not None
    assert dark.fine.image.max() < 0.75 * light.fine.image.max()


def test_a_grey_photo_stays_grey(renderer: MouthRenderer):
    photo = shot(SHUT)
    grey = np.repeat(photo.image.mean(-1, keepdims=True).astype(np.uint8), 3, -1)
    targets = opened(photo.landmarks, [0.2])
    frame = next(iter(renderer.render(renderer.enroll([Shot(grey, photo.landmarks)]), targets))).image
    assert int(np.ptp(frame.astype(int), axis=-1).max()) <= 1


def test_a_sepia_photo_stays_sepia(renderer: MouthRenderer):
    photo = shot(SHUT)
    light = photo.image.mean(-1, keepdims=True) * np.linspace(0.5, 1.3, len(photo.image))[:, None, None]
    tones = np.array([[1.0, 0.85, 0.6]])  # over its light
    sepia = np.clip(light * tones, 0, 255).astype(np.uint8)
    targets = opened(photo.landmarks, [0.2])
    frame = next(iter(renderer.render(renderer.enroll([Shot(sepia, photo.landmarks)]), targets))).image
    rows, x = slice(int(targets[0, 62, 1]) + 3, int(targets[0, 66, 1]) - 3), int(targets[0, 62, 0])
    teeth = frame[rows, x].astype(float)[frame[rows, x].mean(-1) > 60]
    assert len(teeth) > 5
    np.testing.assert_allclose(teeth / teeth.mean(-1, keepdims=True), tones / tones.mean() + 0 * teeth, atol=0.06)


@pytest.mark.parametrize("scale", [0.25, 2.0])
def test_small_and_large_photos_are_painted_at_their_own_size(renderer: MouthRenderer, scale: float):
    photo = shot(SHUT)
    image = np.asarray(cv2.resize(photo.image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    scaled = Shot(image, (photo.landmarks + 0.5) * scale - 0.5)
    identity = renderer.enroll([scaled])
    assert identity.unit == pytest.approx(float(np.clip(150 * scale, 64, 256)), rel=0.05)
    targets = opened(scaled.landmarks, [0.2])
    frame = next(iter(renderer.render(identity, targets))).image
    assert frame.shape == image.shape
    assert inside(frame, targets[0]).max() > 2 * inside(frame, targets[0]).min()


def test_the_shipped_default_paints_with_a_donor():
    renderer = load_renderer("hybrid", "cpu")
    assert isinstance(renderer, MouthRenderer)
    assert renderer.name == "hybrid"
    assert len(renderer.donors) >= 10


def test_frames_rendered_together_are_those_rendered_alone():
    renderer, photo = load_renderer("hybrid", "cpu"), shot(SHUT)
    identity = renderer.enroll([photo])
    targets = opened(photo.landmarks, list(0.08 + 0.06 * np.sin(np.arange(10) / 2)))
    together = [rendered.image.astype(int) for rendered in renderer.render(identity, targets)]
    alone = [next(iter(renderer.render(identity, target[None]))).image.astype(int) for target in targets]
    differences = [float(np.abs(a - b).max()) for a, b in zip(together, alone, strict=True)]
    assert max(differences) <= 3, "rounding of a batch alone"
