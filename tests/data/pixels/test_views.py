import io
import random

import numpy as np
import pytest
import torch
from fastai.vision.augment import RandomResizedCrop
from PIL import Image
from support.paths import SHARED
from support.pictures import encoded, scene
from torchvision.transforms import functional as F

from fastricks.core.rand import key_of
from fastricks.data.pixels.canonical import canonical, jpeg, shape_at
from fastricks.data.pixels.image import Unreadable, load_rgb
from fastricks.data.pixels.views import FLIP, CenterView, TrainView, crop_boxes, empty, uniforms

SHAPES = (1, 1), (8, 8), (3, 1000), (1000, 3), (64, 48), (341, 256), (256, 700), (255, 255)


def cut(view, x, box=(0, 0, 0, 0), mirrored=False):
    out = empty(1, view.size, view.size)
    view.cut(x, box, mirrored, out)
    return out[0].permute(1, 2, 0).numpy()


def apart(a, b): return np.abs(np.asarray(a).astype(int) - np.asarray(b)).max()


@pytest.mark.parametrize("h, w", SHAPES)
def test_boxes_lie_inside_and_have_the_area_and_ratio_asked_for(h, w):
    n = 500
    boxes = crop_boxes([h] * n, [w] * n, uniforms(0, 0, np.arange(n)), .8)
    x, y, cw, ch = boxes.T
    assert (x >= 0).all() and (y >= 0).all() and (cw >= 1).all() and (ch >= 1).all()
    assert (x + cw <= w).all() and (y + ch <= h).all()
    if min(h, w) >= 48 and max(h, w) / min(h, w) < 1.4:
        assert (cw * ch / (h * w)).min() > .77 and (cw / ch).max() < 1.36 and (ch / cw).max() < 1.36
        assert len({*map(tuple, boxes)}) > 250


def test_boxes_are_distributed_as_fastais():
    h, w, n = 200, 300, 4000
    ours = crop_boxes([h] * n, [w] * n, uniforms(3, 1, np.arange(n)), .3)
    tfm, theirs = RandomResizedCrop(64, min_scale=.3), []
    random.seed(0)
    im = Image.new("RGB", (w, h))
    for _ in range(n):
        tfm.before_call(im, 0)
        theirs.append((*tfm.tl, *tfm.cp_size))
    a, b = ours, np.array(theirs)
    err = np.sqrt(a.var(0) / n + b.var(0) / n)
    assert (np.abs(a.mean(0) - b.mean(0)) < 4.5 * err).all()
    assert (np.abs(a.std(0) / b.std(0) - 1) < .1).all()


def test_a_view_depends_on_seed_epoch_and_key_alone():
    keys = np.array([key_of(f"photo{i}") for i in range(50)], np.uint64)
    u = uniforms(1, 2, keys)
    assert (uniforms(1, 2, keys[7:9]) == u[7:9]).all()
    for other in (uniforms(2, 2, keys), uniforms(1, 3, keys), uniforms(1, 2, keys + np.uint64(1))):
        assert (other != u).all()
    assert ((u >= 0) & (u < 1)).all() and abs(u.mean() - .5) < .05 and .3 < (u[:, FLIP] < .5).mean() < .7


@pytest.mark.parametrize("h, w", SHAPES)
@pytest.mark.parametrize("side", [8, 64, 256])
def test_shapes_are_torchvisions(h, w, side):
    got = shape_at(h, w, side)
    assert got == (h, w) if min(h, w) <= 1.25 * side else got == F.resize(Image.new("RGB", (w, h)), side).size[::-1]


@pytest.mark.parametrize("h, w", [(300, 400), (400, 300), (75, 75), (85, 120), (40, 90), (64, 64), (73, 200)])
def test_evaluation_sees_what_the_reference_shows(h, w):
    x = scene(h, w)
    expected = F.center_crop(F.resize(Image.fromarray(x), 73), 64)
    assert apart(cut(CenterView(64, 73), canonical(x, 73)), expected) <= 1


@pytest.mark.parametrize("box", [(3, 5, 60, 50), (0, 0, 64, 64), (10, 0, 54, 64), (1, 2, 20, 30)])
def test_a_crop_is_pils(box):
    x, (i, j, w, h) = scene(70, 90), box
    expected = np.asarray(Image.fromarray(x[j:j + h, i:i + w]).resize((64, 64), Image.BILINEAR))
    assert apart(cut(TrainView(64), x, box), expected) <= 1
    assert apart(cut(TrainView(64), x, box, True), expected[:, ::-1]) <= 1


def test_plain_jpegs_are_the_same_bits_by_either_decoder(tmp_path):
    for i, im in enumerate([Image.fromarray(scene(90, 70)), Image.fromarray(scene(90, 70)).convert("L")]):
        for sub in (0, 2):
            data = encoded(im, quality=80, **({"subsampling": sub} if im.mode == "RGB" else {}))
            (tmp_path/f"{i}{sub}.jpg").write_bytes(data)
            assert apart(jpeg(data), load_rgb(tmp_path/f"{i}{sub}.jpg")) == 0
            assert (canonical(data, 64) == canonical(tmp_path/f"{i}{sub}.jpg", 64)).all()


def test_what_is_no_plain_jpeg_goes_through_pil(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    camera = Image.Exif()
    camera[0x0112], camera[0x010F] = 1, "a camera"
    x = scene(90, 60)
    cases = {"turned.jpg": encoded(x, exif=turned), "cmyk.jpg": encoded(Image.fromarray(x).convert("CMYK")),
             "a.png": encoded(x, "png"),
             "a.webp": encoded(x, "webp"), "wrong.jpg": encoded(x, "png"),
             "progressive.jpg": encoded(x, progressive=True)}
    for name, data in cases.items():
        (tmp_path/name).write_bytes(data)
        assert apart(canonical(tmp_path/name, 1000), load_rgb(tmp_path/name)) == 0, name
    assert canonical(tmp_path/"turned.jpg", 1000).shape == (60, 90, 3)
    assert jpeg(cases["turned.jpg"]) is None
    assert apart(jpeg(encoded(x, exif=camera)), load_rgb(tmp_path/"progressive.jpg")) < 30


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", encoded(scene(64, 64))[:700], b"no image at all"])
def test_what_pil_cannot_read_neither_can_this(tmp_path, data):
    (tmp_path/"x.jpg").write_bytes(data)
    with pytest.raises(Unreadable): canonical(tmp_path/"x.jpg", 32)
    with pytest.raises(Unreadable): canonical(tmp_path/"gone.jpg", 32)


def test_a_huge_jpeg_is_refused_before_it_is_decoded(monkeypatch, tmp_path):
    (tmp_path/"x.jpg").write_bytes(encoded(scene(64, 64)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 64 - 1)
    with pytest.raises(Unreadable, match=r"too many pixels|exceeds limit"): canonical(tmp_path/"x.jpg", 32)


@pytest.mark.parametrize("order", ["II", "MM"])
@pytest.mark.parametrize("turn", range(10))
def test_jpegs_are_turned_as_their_exif_says(tmp_path, order, turn):
    "9 means nothing; a thumbnail's own scan comes before the photo's; other tags may hold the tag's bytes"
    x = np.random.default_rng(turn).integers(0, 255, (20, 30, 3), np.uint8)
    exif = Image.Exif()
    exif.endian = {"II": "<", "MM": ">"}[order]
    exif[0x010F] = "maker \x12\x01 \x01\x12 \xff\xda"
    if turn: exif[0x0112] = turn
    Image.fromarray(x).save(tmp_path/"x.jpg", exif=exif, quality=95)
    content = (tmp_path/"x.jpg").read_bytes()
    assert order.encode() in (content[30:32], content[12:14])
    assert apart(canonical(tmp_path/"x.jpg", 100), load_rgb(tmp_path/"x.jpg")) == 0


@pytest.mark.parametrize("h, w", [(200, 300), (399, 301), (1000, 700), (199, 300), (900, 810), (807, 1613)])
def test_large_jpegs_are_brought_down_while_they_are_decoded(h, w, side=100):
    "Never below the side, all of the picture, and near to what decoding it all and resizing gives"
    data = encoded(scene(h, w), quality=95)
    x = canonical(data, side)
    assert side <= min(x.shape[:2]) <= 1.25 * side and x.shape[0] / x.shape[1] == pytest.approx(h / w, rel=.02)
    full = Image.open(io.BytesIO(data)).convert("RGB").resize(x.shape[1::-1], Image.Resampling.BILINEAR)
    assert np.abs(x - np.asarray(full).astype(int)).mean() < 3


def test_pixels_are_their_own(tmp_path):
    for i in range(2): Image.fromarray(np.full((20, 30, 3), 100 * i, np.uint8)).save(tmp_path/f"{i}.jpg")
    a, b = (canonical(tmp_path/f"{i}.jpg", 20) for i in range(2))
    assert not np.shares_memory(a, b) and a.max() < 5 and b.min() > 95


@pytest.mark.parametrize("h, w", [(512, 384), (384, 512), (512, 308), (300, 300)])
def test_a_crop_of_canonical_pixels_is_near_the_same_crop_of_the_photo(h, w):
    assert distance(scene(h, w), 0) < 2


PHOTOS = SHARED / "data/food-101-10-512px.tgz"


@pytest.mark.skipif(not PHOTOS.exists(), reason="the full-size photos are not at hand")
def test_real_photos_are_within_two_levels_of_the_reference():
    import tarfile
    with tarfile.open(PHOTOS) as f:
        members = [o for o in f if o.name.endswith(".jpg")][::20]
        far = [distance(f.extractfile(o).read(), i) for i, o in enumerate(members)]
    assert len(far) == 30 and np.mean(far) < 1.5 and np.mean([d < 2 for d in far]) > .9


def distance(photo, seed):
    """Mean absolute difference in levels of a 224-pixel crop: from canonical pixels, and from the photo (a file's
    bytes, an array) itself with PIL
    """
    c, x = canonical(photo, 256), np.asarray(load_rgb(io.BytesIO(photo) if isinstance(photo, bytes) else photo))
    h, w = x.shape[:2]
    (i, j, cw, ch), = crop_boxes([c.shape[0]], [c.shape[1]], uniforms(seed, 0, [0]), .8)
    sx, sy = w / c.shape[1], h / c.shape[0]
    box = i * sx, j * sy, (i + cw) * sx, (j + ch) * sy
    reference = Image.fromarray(x).resize((224, 224), Image.BILINEAR, box=box)
    return np.abs(cut(TrainView(224), c, (i, j, cw, ch)).astype(int) - np.asarray(reference)).mean()


def test_torch_is_left_as_it_was():
    from fastricks.data.pixels.ahead import ahead, pool
    torch.set_num_threads(2)
    try:
        pool.cache_clear()
        assert list(ahead(lambda x: (x, torch.get_num_threads()), range(20), 3)) == [(i, 1) for i in range(20)]
        assert torch.get_num_threads() == 2
    finally: torch.set_num_threads(1)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_views_cut_in_a_devices_memory_are_the_hosts(device):
    from fastricks.data.pixels.resident import Resident
    xs = [scene(h, w, i) for i, (h, w) in enumerate([(70, 90), (64, 64), (200, 80), (40, 50), (1, 3)])]
    idxs = [3, 0, 4, 2, 1]
    h, w = (np.array([xs[i].shape[k] for i in idxs]) for k in (0, 1))
    view = TrainView(48, .3, flip=.5)
    boxes, _ = view.draw(h, w, 1, 0, np.arange(5))
    mirrored = np.array([True, False, False, True, False])
    got = Resident(xs, torch.device(device)).cut(idxs, boxes, mirrored, (48, 48)).cpu()
    assert got.dtype == torch.uint8 and got.is_contiguous(memory_format=torch.channels_last)
    for n, i in enumerate(idxs): assert apart(got[n].permute(1, 2, 0), cut(view, xs[i], boxes[n], mirrored[n])) <= 1
