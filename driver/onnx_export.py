"""The driver for a machine without Python: its network as two ONNX graphs, and the tables that what surrounds it needs.

One graph hears (features -> codes of the sound and how likely each frame is a p, b or m), one takes a step of the flow. Both
take any number of frames. Everything between them (features, windows, noise, projection) is small and is written anew where
the graphs run; `driver.window` and `driver.stream` say what it must do.
"""

import logging
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from avatar3d.errors import UserError
from avatar3d.head.model import HeadModel
from driver.channels import CHANNELS, NUM_CHANNELS, POSES, REGIONS, check_driven_head
from driver.conditions import NUM_CONDITIONS, USUAL, conditions
from driver.features import FPS, LOOKAHEAD, NUM_FEATURES, RATE, mel_tables
from driver.lips import lips_of
from driver.model import PAST, DriverNet
from driver.phones import VISEME_INDEX

FORMAT = "avatar3d web driver"
OPSET = 18
_LARGE, _HUGE = 2048, 65536
"""Numbers in a weight from which on it is stored as float16, and in the flow as int8. What every frame's sound goes through and what leaves as motion
is smaller: rounded to bytes it moves the lips by as much as another seed, the blocks hardly at all."""
_MOST_FRAMES = 4096


@dataclass(frozen=True, eq=False)
class Portable:
    """A driver as other programs read it."""

    header: dict
    """What it is, and its sizes."""
    arrays: dict[str, np.ndarray]
    """hear, flow: the graphs, bytes. mel_filters [257, MELS]. mean, std, gap [NUM_CHANNELS]: to whiten, and the lips' opening in
    millimetres for a channel's value 1. asked [NUM_CONDITIONS]: what a usual speaker is asked for."""


class _Hear(nn.Module):
    """Features [1, PAST + T + LOOKAHEAD, NUM_FEATURES] -> sound codes [1, T, d] and the probability [1, T] of a p, b or m."""

    def __init__(self, net: DriverNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        sound = self.net.encode(features)
        return sound, self.net.viseme_head(sound).softmax(-1)[..., VISEME_INDEX["pbm"]]


def portable(net: DriverNet, head: HeadModel, *, bits: int = 16) -> Portable:
    """A driver and a head's lips as other programs read them.

    Args:
        net: the driver.
        head: one with the ARKit expressions.
        bits: of the weights in the flow's blocks: 16, as in the weights file, or 8, with one scale for each of their outputs.

    Raises:
        UserError: the head cannot be driven, the network hears by an encoder, or the packages that write ONNX are not here.
    """
    check_driven_head(head)
    if net.config.codes:
        raise UserError(f"speech in a page: this driver hears by {net.config.encoder}, which pages do not carry; use one trained without --encoder")
    lips = lips_of(head)
    header = {
        "format": FORMAT, "rate": RATE, "fps": FPS, "past": PAST, "lookahead": LOOKAHEAD, "features": NUM_FEATURES, "width": net.config.width,
        "channels": list(CHANNELS), "poses": POSES, "regions": {name: rows.tolist() for name, rows in REGIONS.items()},
        "jaw_open_angle": head.jaw_open_angle, "lips_apart": float(net.lips_apart), "flow": net.config.flow,
    }  # fmt: skip
    hear, flow = (np.frombuffer(graph, np.uint8) for graph in (hear_graph(net), flow_graph(net, bits)))
    usual = conditions(1, {**USUAL, "style": net.usual_style})[0]
    arrays = {"hear": hear, "flow": flow, "mel_filters": mel_tables()[1], "gap": lips.gap.numpy(), "asked": usual.numpy()}
    return Portable(header, arrays | {"mean": net.mean.numpy(), "std": net.std.numpy()})


def hear_graph(net: DriverNet) -> bytes:
    """ONNX: features [1, PAST + T + LOOKAHEAD, NUM_FEATURES] -> sound [1, T, d], pbm [1, T]."""
    frames = torch.export.Dim("frames", min=PAST + LOOKAHEAD + 1, max=_MOST_FRAMES)
    inputs = {"features": torch.zeros(1, PAST + LOOKAHEAD + 40, NUM_FEATURES + net.config.codes)}
    return _graph(_Hear(net).eval(), inputs, ["sound", "pbm"], {"features": {1: frames}}, 16)


def flow_graph(net: DriverNet, bits: int = 16) -> bytes:
    """ONNX: `DriverNet.forward` of one sample: noisy, known [1, T, NUM_CHANNELS], time [1], sound [1, T, d], asked [1, 1, NUM_CONDITIONS]."""
    frames = torch.export.Dim("frames", min=2, max=_MOST_FRAMES)
    shapes = {"noisy": (1, 40, NUM_CHANNELS), "known": (1, 40, NUM_CHANNELS), "time": (1,), "sound": (1, 40, net.config.width)}
    # Each a tensor of its own: of one that is given twice the graph would have one input.
    inputs = {name: torch.zeros(shape) for name, shape in (shapes | {"asked": (1, 1, NUM_CONDITIONS)}).items()}
    dynamic = {name: {1: frames} if name in ("noisy", "known", "sound") else None for name in inputs}
    return _graph(net, inputs, ["clean"], dynamic, bits)


def _graph(module: nn.Module, inputs: dict[str, Tensor], outputs: list[str], dynamic: dict, bits: int) -> bytes:
    try:
        import onnx
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError("speech in a page: needs the packages that write ONNX; install them with `pip install avatar3d[onnx]`") from error
    with warnings.catch_warnings():
        # The exporter speaks to those who write exporters.
        warnings.simplefilter("ignore")
        quiet = logging.getLogger("torch.onnx")
        level = quiet.level
        quiet.setLevel(logging.ERROR)
        try:
            program = torch.onnx.export(
                module, tuple(inputs.values()), dynamo=True, opset_version=OPSET, verbose=False, optimize=True,
                input_names=list(inputs), output_names=outputs, dynamic_shapes=tuple(dynamic.values()),
            )  # fmt: skip
        finally:
            quiet.setLevel(level)
    assert program is not None
    model = program.model_proto
    _bare(model)
    _shrink(model, bits)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def _bare(model) -> None:
    """Leave out what only tells how the graph was made, folders of this machine among it."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    del graph.value_info[:]


def _shrink(model, bits: int) -> None:
    """Store large weights as float16, or huge ones as int8 with a scale for each output; a runtime unfolds them once, when it loads them."""
    from onnx import helper, numpy_helper

    graph = model.graph
    made = []
    for weight in [each for each in graph.initializer if each.data_type == 1 and np.prod(each.dims) >= _LARGE]:
        values, name = numpy_helper.to_array(weight), weight.name
        graph.initializer.remove(weight)
        if bits == 16 or values.size < _HUGE:
            graph.initializer.append(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
            made.append(helper.make_node("Cast", [f"{name}.half"], [name], to=1))
            continue
        axes = _inputs_of(graph, name, values.ndim)
        scale = np.maximum(np.abs(values).max(axis=axes, keepdims=True), 1e-12) / np.float32(127)
        graph.initializer.append(numpy_helper.from_array(np.rint(values / scale).astype(np.int8), f"{name}.byte"))
        graph.initializer.append(numpy_helper.from_array(scale.astype(np.float32), f"{name}.scale"))
        made += [
            helper.make_node("Cast", [f"{name}.byte"], [f"{name}.whole"], to=1),
            helper.make_node("Mul", [f"{name}.whole", f"{name}.scale"], [name]),
        ]
    whole = [*made, *graph.node]
    del graph.node[:]
    graph.node.extend(whole)


def _inputs_of(graph, name: str, ndim: int) -> tuple[int, ...]:
    """The axes of a weight that are summed over, so that each of its outputs has a scale of its own."""
    operator = next(node.op_type for node in graph.node if name in node.input)
    return (0,) if operator == "MatMul" else tuple(range(1, ndim))
