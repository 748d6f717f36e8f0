"""Resizing and cropping as ONNX operations: a photo of any size in, the network's 8-bit pixels out."""
from typing import TYPE_CHECKING

from ...data.pixels.fits import BORDER_GREY, is_plain

if TYPE_CHECKING:
    from onnx import ModelProto

    from ..predictor import Predictor

# of `shape` [h, w]: the shorter side at `resize`, the other by its floor, as torchvision rounds; exact in ints
SHORTER = """
        least = ReduceMin<keepdims=1>(shape)
        resize = Constant<value_ints=[{resize}]>()
        long = Mul(shape, resize)
        {sizes} = Div(long, least)"""
# canonical pixels: a photo whose shorter side is no quarter longer than `resize` stays as it is
CANONICAL = SHORTER.format(resize="{resize}", sizes="less") + """
        four = Constant<value_ints=[4]>()
        five = Constant<value_ints=[5]>()
        four_times = Mul(least, four)
        five_times = Mul(resize, five)
        is_near = LessOrEqual(four_times, five_times)
        canonical = Where(is_near, shape, less)
        batch_c = Constant<value_ints=[1, 3]>()
        to_c = Concat<axis=0>(batch_c, canonical)
        image = Resize<mode="linear", antialias=1>(whole, , , to_c)"""
# the canonical photo scaled until it covers (ReduceMax), or fits into (ReduceMin), a box
SCALED = """
        box = Constant<value_ints=[{box}]>()
        box_f = Cast<to=11>(box)
        shape_f = Cast<to=11>(canonical)
        each = Div(box_f, shape_f)
        scale = {by}<keepdims=1>(each)
        exact = Mul(shape_f, scale)
        near = Round(exact)
        sized = Cast<to=7>(near)"""
# the size that the view brings it to; Python's round is half to even, as Round is
SIZES = {
    "plain": """
        image = Identity(whole)
        canonical = Identity(shape)""" + SHORTER.format(resize="{resize}", sizes="sizes"),
    "squish": CANONICAL + """
        sizes = Constant<value_ints=[{height}, {width}]>()""",
    "crop": CANONICAL + SCALED.format(box="{high}, {wide}", by="ReduceMax") + """
        sizes = Max(sized, box)""",
    "pad": CANONICAL + SCALED.format(box="{height}, {width}", by="ReduceMin") + """
        one = Constant<value_ints=[1]>()
        some = Max(sized, one)
        sizes = Min(some, box)"""}
CROP = """
        window = Constant<value_ints=[{height}, {width}]>()
        more = Sub(sizes, window)
        more_f = Cast<to=11>(more)
        two = Constant<value_float=2.>()
        two_f = Cast<to=11>(two)
        half = Div(more_f, two_f)
        middle = Round(half)
        start = Cast<to=7>(middle)
        end = Add(start, window)
        axes = Constant<value_ints=[2, 3]>()
        rgb = Slice(resized, start, end, axes)"""
PAD = """
        free = Sub(box, sizes)
        one_more = Add(free, one)
        two = Constant<value_ints=[2]>()
        before = Div(one_more, two)
        after = Sub(free, before)
        zeros = Constant<value_ints=[0, 0]>()
        pads = Concat<axis=0>(zeros, before, zeros, after)
        grey_f = Constant<value_int={grey}>()
        grey = Cast<to=2>(grey_f)
        rgb = Pad(resized, pads, grey)"""
LUMA = """
        deep = Cast<to=6>(rgb)
        weights = Constant<value = int32[1, 3, 1, 1] {{19595, 38470, 7471}}>()
        parts = Mul(deep, weights)
        colours = Constant<value_ints=[1]>()
        luma = ReduceSum<keepdims=1>(parts, colours)
        rounding = Constant<value = int32 {{32768}}>()
        up = Add(luma, rounding)
        unit = Constant<value = int32 {{65536}}>()
        level = Div(up, unit)
        pixels = Cast<to=2>(level)"""
GRAPH = """<ir_version: {ir}, opset_import: ["" : {opset}]>
    whole_photo (uint8[height, width, 3] photo) => (uint8[1, {channels}, {height}, {width}] pixels) {{
        shape = Shape<start=0, end=2>(photo)
        planes = Transpose<perm=[2, 0, 1]>(photo)
        first = Constant<value_ints=[0]>()
        whole = Unsqueeze(planes, first)
        batch = Constant<value_ints=[1, 3]>()
{sizes}
        to = Concat<axis=0>(batch, sizes)
        resized = Resize<mode="linear", antialias=1>(image, , , to)
{cut}
{last}
    }}"""


def preprocessing_graph(p: "Predictor", ir: int, opset: int) -> "ModelProto":
    """The model photo [h, w, 3] -> pixels [1, c, height, width], uint8 both, as a Predictor makes them: bilinear
    resizing with antialiasing and the middle, grey beside it, or all of it
    """
    import onnx.parser
    kind = "plain" if is_plain(p.frame) else p.frame.fit
    width, height = p.frame.sides
    margin = p.frame.resize / p.frame.size
    wide, high = (max(o, round(margin * o)) for o in p.frame.sides)
    channels = len(p.meta["mean"])
    cut = {"pad": PAD, "squish": "        rgb = Identity(resized)"}.get(kind, CROP)
    last = LUMA if channels == 1 else "        pixels = Identity(rgb)"
    facts = {"resize": p.frame.resize, "width": width, "height": height, "wide": wide, "high": high,
             "grey": BORDER_GREY}
    parts = {"sizes": SIZES[kind].format(**facts), "cut": cut.format(**facts), "last": last.format()}
    model = onnx.parser.parse_model(GRAPH.format(ir=ir, opset=opset, channels=channels, **parts, **facts))
    onnx.checker.check_model(model)
    return model


def with_whole_photo(p: "Predictor", net: "ModelProto") -> "ModelProto":
    "A network of pixels [n, c, h, w] with that before it: input `photo`, the outputs as they were, of one image"
    from onnx.compose import add_prefix, merge_models
    opset = next(o.version for o in net.opset_import if not o.domain)
    before = preprocessing_graph(p, net.ir_version, opset)
    own = add_prefix(before, "photo/", rename_inputs=False, rename_outputs=False)  # no name is the network's too
    return merge_models(own, net, io_map=[("pixels", "images")])
