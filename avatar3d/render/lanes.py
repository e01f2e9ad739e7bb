"""Sixteen float32 at once inside numba kernels: vectors of LLVM spelt out, so that nothing hangs on what its loop vectoriser recognises.

`Lanes` values live in registers (one of AVX-512, two of AVX, four of SSE or NEON: LLVM splits them). They are made by `spread`, `steps` and `load`,
combined by + - * / with one another or with a float32, compared by < and >= into `Mask` values, which & joins and `select` reads.
numba's cache does not watch imports: after a change here, delete the __pycache__ beside the kernels.
"""

# Kernels call intrinsics without the typing context, which pyright takes for their first argument; llvmlite's builder is typed as returning None.
# pyright: reportCallIssue=false, reportArgumentType=false, reportReturnType=false

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

WIDTH = 16
_FLOAT = ir.FloatType()
_FLOATS = ir.VectorType(_FLOAT, WIDTH)
_BITS = ir.VectorType(ir.IntType(1), WIDTH)
_INDEX = ir.IntType(32)


class Lanes(types.Type):
    """numba's type of sixteen float32."""

    def __init__(self) -> None:
        super().__init__(name="float32x16")


class Mask(types.Type):
    """numba's type of sixteen booleans."""

    def __init__(self) -> None:
        super().__init__(name="boolx16")


lanes, mask = Lanes(), Mask()


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: types.Type) -> None:
        super().__init__(manager, kind, _FLOATS)


@register_model(Mask)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: types.Type) -> None:
        super().__init__(manager, kind, _BITS)


def _as_lanes(builder: ir.IRBuilder, kind: types.Type, value: ir.Value) -> ir.Value:
    if kind == lanes:
        return value
    nothing = ir.Constant(_FLOATS, ir.Undefined)
    first = builder.insert_element(nothing, value, ir.Constant(_INDEX, 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_INDEX, WIDTH), [0] * WIDTH))


def _fits(*kinds: types.Type) -> bool:
    """Whether these operands are lanes and float32; a float64 among them would be a slip of the kernel's author."""
    return lanes in kinds and all(kind in (lanes, types.float32) for kind in kinds)


def _define(symbol: Callable, result: types.Type, emit: Callable[[ir.IRBuilder, ir.Value, ir.Value], ir.Value]) -> None:
    """Let the operator `symbol` on lanes compile to `emit`."""

    @intrinsic
    def operate(typing_context: Any, a: types.Type, b: types.Type) -> Any:
        def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
            a, b = (_as_lanes(builder, kind, value) for kind, value in zip(signature.args, values, strict=True))
            return emit(builder, a, b)

        return result(a, b), generate

    @overload(symbol)
    def choose(a, b):
        return (lambda a, b: operate(a, b)) if _fits(a, b) else None  # noqa: PLW0108 - numba compiles this lambda


_define(operator.add, lanes, lambda builder, a, b: builder.fadd(a, b))
_define(operator.sub, lanes, lambda builder, a, b: builder.fsub(a, b))
_define(operator.mul, lanes, lambda builder, a, b: builder.fmul(a, b))
_define(operator.truediv, lanes, lambda builder, a, b: builder.fdiv(a, b))
_define(operator.lt, mask, lambda builder, a, b: builder.fcmp_ordered("<", a, b))
_define(operator.ge, mask, lambda builder, a, b: builder.fcmp_ordered(">=", a, b))


@intrinsic
def _both(typing_context: Any, a: types.Type, b: types.Type) -> Any:
    return mask(a, b), lambda context, builder, signature, values: builder.and_(*values)


@overload(operator.and_)
def _and(a, b):
    return (lambda a, b: _both(a, b)) if a == mask and b == mask else None  # noqa: PLW0108


@intrinsic
def select(typing_context: Any, chosen: types.Type, a: types.Type, b: types.Type) -> Any:
    """a where `chosen` (a Mask) holds, b elsewhere; lanes or float32."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        a, b = (_as_lanes(builder, kind, value) for kind, value in zip(signature.args[1:], values[1:], strict=True))
        return builder.select(values[0], a, b)

    return lanes(chosen, a, b), generate


@intrinsic
def spread(typing_context: Any, value: types.Type) -> Any:
    """The float32 `value` in every lane."""
    return lanes(types.float32), lambda context, builder, signature, values: _as_lanes(builder, types.float32, values[0])


@intrinsic
def steps(typing_context: Any) -> Any:
    """0, 1, ..., 15."""
    return lanes(), lambda context, builder, signature, values: ir.Constant(_FLOATS, [float(i) for i in range(WIDTH)])


def _address(context: Any, builder: ir.IRBuilder, kind: types.Array, array: ir.Value, index: ir.Value) -> ir.Value:
    return builder.bitcast(builder.gep(context.make_array(kind)(context, builder, array).data, [index]), _FLOATS.as_pointer())


@intrinsic
def load(typing_context: Any, array: types.Array, index: types.Type) -> Any:
    """array[index : index + 16] of a contiguous 1-D float32 array; bounds are not checked."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        return builder.load(_address(context, builder, signature.args[0], *values), align=4)

    return lanes(array, types.intp), generate


@intrinsic
def store(typing_context: Any, array: types.Array, index: types.Type, value: types.Type) -> Any:
    """array[index : index + 16] = value, likewise."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        builder.store(values[2], _address(context, builder, signature.args[0], *values[:2]), align=4)
        return context.get_dummy_value()

    return types.none(array, types.intp, lanes), generate


@intrinsic
def total(typing_context: Any, value: types.Type) -> Any:
    """The sum of all lanes, float32; always in the same order."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        kind = ir.FunctionType(_FLOAT, [_FLOAT, _FLOATS])
        function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.fadd.v{WIDTH}f32")
        return builder.call(function, [ir.Constant(_FLOAT, 0.0), values[0]], fastmath=("reassoc",))

    return types.float32(lanes), generate


@intrinsic
def largest(typing_context: Any, value: types.Type) -> Any:
    """The greatest lane, float32."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(_FLOAT, [_FLOATS]), f"llvm.vector.reduce.fmax.v{WIDTH}f32")
        return builder.call(function, [values[0]])

    return types.float32(lanes), generate
