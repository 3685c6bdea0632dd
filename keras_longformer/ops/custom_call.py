"""XLA's custom calls inside TensorFlow: the StableHLO and the op that runs it.

`XlaCallModule` carries a module as text, so that the same op runs eagerly, in a
graph and inside XLA. It is private to TensorFlow, and the text's details are
undocumented: both stay within this file. Made for three tensors, and for two
kinds of device, such a module reads, shortened,

    func.func public @main(%pi: tensor<i32>, %a0: ..., %a1: ..., %a2: ...) {
      %c:2 = "stablehlo.case"(%pi) ({
        %v0:2 = stablehlo.custom_call @a_kernel(%a0, %a1, %a2) ...
        stablehlo.return %v0#0, %v0#1
      }, {
        %v0:2 = stablehlo.custom_call @another(%a0, %a1, %a2) ...
        stablehlo.return %v0#0, %v0#1
      })
      return %c#0, %c#1
    }

TensorFlow sets `%pi` to the place of its own device among `platforms`, and what
is written for other devices is gone before XLA compiles the rest.
"""

import re
from collections.abc import Callable
from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf
from tensorflow.compiler.tf2xla.ops import gen_xla_ops

_TYPES = {
    tf.float32: "f32",
    tf.bfloat16: "bf16",
    tf.float16: "f16",
    tf.bool: "i1",
    tf.int32: "i32",
}

# Written by TensorFlow 2.20's and read by 2.20's and 2.21's XlaCallModule.
_MODULE_VERSION = 9


class Value(NamedTuple):
    """A tensor of the module.

    Attributes:
        name: str, as the text has it, with its `%`.
        dtype: its dtype.
        shape: tuple of ints, `None` where a size is known only at run time.
    """

    name: str
    dtype: tf.DType
    shape: tuple[int | None, ...]

    @property
    def type(self) -> str:
        sizes = ["?" if size is None else str(size) for size in self.shape]
        return f"tensor<{'x'.join([*sizes, _TYPES[self.dtype]])}>"


class Axis(NamedTuple):
    """The size of one axis of a value, and a number more."""

    value: Value
    number: int
    more: int = 0


def known(size: int | Axis) -> int | Axis:
    """The number that a size is, where it is known."""
    if isinstance(size, Axis) and size.value.shape[size.number] is not None:
        return size.value.shape[size.number] + size.more
    return size


class Body:
    """Lines of StableHLO in the making: what runs on one kind of device.

    Attributes:
        lines: list of str.
    """

    def __init__(self):
        self.lines = []
        self._count = 0

    def call(
        self,
        target: str,
        attributes: str,
        operands: Sequence[Value],
        results: Sequence[tuple[tf.DType, Sequence[int | Axis]]],
    ) -> list[Value]:
        """Adds a custom call.

        Args:
            target: its registered name.
            attributes: its attributes, as StableHLO has them.
            operands: values.
            results: for each, its dtype and its sizes. A size that is not
                known is followed by XLA through further operands, which the
                kernel does not get.
        """
        name = self._name()
        shapes = [_shape(sizes) for _, sizes in results]
        values = [
            Value(f"{name}#{number}", dtype, shape)
            for number, ((dtype, _), shape) in enumerate(
                zip(results, shapes, strict=True)
            )
        ]
        shape_operands = []
        # XLA wants a shape for each result, or none.
        if any(None in shape for shape in shapes):
            shape_operands = [
                self.join([self.size(size) for size in sizes])
                for _, sizes in results
            ]
        first, count = len(operands), len(shape_operands)
        dynamic = ""
        if count:
            numbers = ", ".join(str(first + i) for i in range(count))
            dynamic = (
                f"indices_of_shape_operands = dense<[{numbers}]> : "
                f"tensor<{count}xi64>, "
            )
        everything = [*operands, *shape_operands]
        self.lines.append(
            f"{name}:{len(values)} = stablehlo.custom_call @{target}"
            f"({_names(everything)}) {{api_version = 4 : i32, "
            f"backend_config = {{{attributes}}}, {dynamic}"
            f"operand_layouts = {_layouts(everything)}, "
            f"result_layouts = {_layouts(values)}}} : "
            f"({_types(everything)}) -> ({_types(values)})"
        )
        return values

    def size(self, size: int | Axis) -> Value:
        """Adds a size as a tensor, int32 `(1,)`."""
        size = known(size)
        if not isinstance(size, Axis):
            return self.constant(tf.int32, [size])
        value = self._add(
            tf.int32,
            (),
            f"stablehlo.get_dimension_size {size.value.name}, "
            f"dim = {size.number}",
            [size.value],
        )
        value = self._add(
            tf.int32, (1,), f"stablehlo.reshape {value.name}", [value]
        )
        if not size.more:
            return value
        both = [value, self.constant(tf.int32, [size.more])]
        return self._add(tf.int32, (1,), f"stablehlo.add {_names(both)}", both)

    def join(self, parts: Sequence[Value]) -> Value:
        """Adds vectors one after another."""
        return self._add(
            parts[0].dtype,
            (sum(part.shape[0] for part in parts),),
            f"stablehlo.concatenate {_names(parts)}, dim = 0",
            parts,
        )

    def constant(self, dtype: tf.DType, numbers: Sequence[int | bool]) -> Value:
        """Adds a vector of these."""
        listed = ", ".join(str(number).lower() for number in numbers)
        return self._add(
            dtype, (len(numbers),), f"stablehlo.constant dense<[{listed}]>"
        )

    def sum_first(self, x: Value) -> Value:
        """Adds the sum over the first axis."""
        zero = self._add(x.dtype, (), "stablehlo.constant dense<0.0>")
        return self._add(
            x.dtype,
            x.shape[1:],
            f"stablehlo.reduce({x.name} init: {zero.name}) applies "
            "stablehlo.add across dimensions = [0]",
            [x, zero],
        )

    def cast(self, x: Value, dtype: tf.DType) -> Value:
        """Adds a conversion."""
        if x.dtype == dtype:
            return x
        return self._add(dtype, x.shape, f"stablehlo.convert {x.name}", [x])

    def _add(self, dtype, shape, operation, operands=()):
        value = Value(self._name(), dtype, tuple(shape))
        kind = f"({_types(operands)}) -> {value.type}"
        self.lines.append(
            f"{value.name} = {operation} : {kind if operands else value.type}"
        )
        return value

    def _name(self):
        self._count += 1
        return f"%v{self._count - 1}"


# Given the lines to add to and the operands, a kind of device's results.
Branch = Callable[[Body, Sequence[Value]], list[Value]]


def call(
    operands: Sequence[tf.Tensor], branches: dict[str, Branch]
) -> list[tf.Tensor]:
    """Runs a module on whatever device TensorFlow puts it.

    Args:
        operands: tensors.
        branches: for each kind of device, `"CPU"` or `"CUDA"`, what adds its
            lines. All give results of the same dtypes and shapes.
    """
    module, results = module_text(operands, branches)
    return gen_xla_ops.xla_call_module(
        args=list(operands),
        version=_MODULE_VERSION,
        module=module,
        Sout=[tf.TensorShape(x.shape) for x in results],
        Tout=[x.dtype for x in results],
        platforms=list(branches),
        dim_args_spec=[],
        function_list=[],
        has_token_input_output=False,
        disabled_checks=[],
    )


def module_text(
    operands: Sequence[tf.Tensor], branches: dict[str, Branch]
) -> tuple[str, list[Value]]:
    """Returns the module of `call` and its results."""
    parameters = [
        Value(f"%a{number}", x.dtype, tuple(x.shape))
        for number, x in enumerate(operands)
    ]
    bodies = {name: Body() for name in branches}
    results = [
        branch(bodies[name], parameters) for name, branch in branches.items()
    ]
    if len({_types(values) for values in results}) > 1:
        raise ValueError(
            "All kinds of device must give results of the same dtypes and "
            f"shapes. Received: {[_types(values) for values in results]} "
            f"for {[*branches]}"
        )
    lines, first = _join([*bodies.values()], results)
    arguments = [f"{x.name}: {x.type}" for x in parameters]
    if len(branches) > 1:
        arguments.insert(0, "%pi: tensor<i32>")
    header = ""
    if any(None in x.shape for x in parameters):  # XLA fills them in.
        header = " attributes {jax.uses_shape_polymorphism = true}"
    text = "\n    ".join([*lines, f"return {_names(first)} : {_types(first)}"])
    return (
        f"module @window_attention{header} {{\n"
        f"  func.func public @main({', '.join(arguments)}) -> "
        f"({_types(first)}) {{\n    {text}\n  }}\n}}"
    ), first


def _join(bodies, results):
    """One body's lines as they are, several as the ways of a `case`."""
    if len(bodies) == 1:
        return bodies[0].lines, results[0]
    ways = []
    for body, values in zip(bodies, results, strict=True):
        end = f"stablehlo.return {_names(values)} : {_types(values)}"
        ways.append("{\n      " + "\n      ".join([*body.lines, end]))
    joined = [
        x._replace(name=f"%c#{number}") for number, x in enumerate(results[0])
    ]
    ways = "\n    }, ".join(ways)
    return [
        f'%c:{len(joined)} = "stablehlo.case"(%pi) ({ways}\n    }}) : '
        f"(tensor<i32>) -> ({_types(joined)})"
    ], joined


def quote(text: str) -> str:
    """A text as a string of StableHLO's."""
    escaped = re.sub(
        rb'[^ -~]|["\\]', lambda byte: b"\\%02X" % byte[0][0], text.encode()
    )
    return f'"{escaped.decode()}"'


def _shape(sizes):
    return tuple(
        None if isinstance(size, Axis) else size for size in map(known, sizes)
    )


def _names(values):
    return ", ".join(x.name for x in values)


def _types(values):
    return ", ".join(x.type for x in values)


def _layouts(values):
    """Row-major, the only layout that kernels read and write."""
    layouts = [
        f"dense<[{', '.join(str(a) for a in reversed(range(len(x.shape))))}]>"
        f" : tensor<{len(x.shape)}xindex>"
        for x in values
    ]
    return f"[{', '.join(layouts)}]"
