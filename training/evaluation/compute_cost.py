"""How much a bundle computes: the multiply-adds of its LiteRT networks, counted layer by layer.

Counted are the multiplications of an input by a kernel or by another input: convolutions, dense
layers, matrix products. One multiply-add is two FLOPs. Biases, activations, pooling and gates are
left out, as is usual; they are under a few per cent.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ai_edge_litert.interpreter import Interpreter, OpResolverType

from har_stream.bundles.bundle import Bundle, Role
from har_stream.recognition.engines.litert import file_of
from har_stream.recognition.window_rows import WindowRows

Shape = list[int]


@dataclass(frozen=True, slots=True)
class ComputeCost:
    """Multiply-adds.

    Attributes:
        step: Of one sampled frame through the streaming engine, all open windows advanced; where a
            head reads a ring of features, its share per frame.
        window: Of one decision where the whole window is computed anew, as tutorials do.
    """

    step: int
    window: int


def count_compute(bundle: Bundle) -> ComputeCost:
    """Count what a bundle computes, deciding as often as its manifest says."""
    window_rows = WindowRows.from_manifest(bundle.manifest)
    encoder, head = _of_role(bundle, "encoder"), _of_role(bundle, "head")
    rows = _of_role(bundle, "advance", n_rows=window_rows.n_rows)
    return ComputeCost(
        step=encoder + rows + round(head / window_rows.hop_frames),
        window=window_rows.n_frames * (encoder + _of_role(bundle, "advance")) + head,
    )


def multiply_adds(path: Path, *, n_rows: int = 1) -> int:
    """Count a `.tflite` file's multiply-adds.

    Args:
        path: The file.
        n_rows: Open windows computed at once; what depends on the frame alone counts once.
    """
    # A delegate would hide the shapes between its layers.
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_path=str(path), experimental_op_resolver_type=plain)
    if n_rows > 1:
        for name, tensor in interpreter.get_signature_runner().get_input_details().items():
            if name != "features":
                shape = [n_rows, *tensor["shape"][1:].tolist()]
                interpreter.resize_tensor_input(tensor["index"], shape)
    interpreter.allocate_tensors()
    shapes = {int(t["index"]): t["shape"].tolist() for t in interpreter.get_tensor_details()}
    return sum(_count(op, shapes) for op in interpreter._get_ops_details())


def _of_role(bundle: Bundle, role: Role, *, n_rows: int = 1) -> int:
    path = file_of(bundle, role)
    return 0 if path is None else multiply_adds(path, n_rows=n_rows)


def _count(op: Mapping[str, Any], shapes: Mapping[int, Shape]) -> int:
    """Numbers in the output, times the inputs that each is a sum of."""
    name = op["op_name"]
    if name not in _SUMMED:
        return 0
    first, second = (shapes[int(n)] for n in op["inputs"][:2])
    output = shapes[int(op["outputs"][0])]
    return math.prod(output) * _SUMMED[name](first, second, output)


_SUMMED: dict[str, Callable[[Shape, Shape, Shape], int]] = {
    "CONV_2D": lambda _, kernel, __: math.prod(kernel[1:]),
    "DEPTHWISE_CONV_2D": lambda _, kernel, __: math.prod(kernel[1:3]),
    "CONV_3D": lambda _, kernel, __: math.prod(kernel[:4]),
    "FULLY_CONNECTED": lambda _, kernel, __: kernel[-1],
    "BATCH_MATMUL": lambda left, _, output: math.prod(left[-2:]) // output[-2],
}
"""How many products make one number of the output: from input, kernel (or right) and output."""
