"""The Triton kernels' custom calls: `native/gpu`, on GPUs.

`__gpu$xla.gpu.triton` is XLA's own call: it takes a kernel as Triton IR and
compiles it with the rest of the graph. Neither Triton nor a library of ours is
needed, now or where a SavedModel is loaded.

Nothing here has run on a GPU.
"""

import functools
from collections.abc import Sequence

import tensorflow as tf

from keras_longformer.native.gpu import ir
from keras_longformer.ops import custom_call
from keras_longformer.ops.custom_call import Axis
from keras_longformer.ops.custom_call import Body
from keras_longformer.ops.custom_call import Value

MAX_HEAD_SIZE = 256  # the largest of `head_sizes` in native/gpu/kernels.json

# XLA compiles Triton IR from compute capability 8.0 on, and fails below.
MIN_CAPABILITY = (8, 0)

_TARGET = "__gpu$xla.gpu.triton"

_DTYPES = (tf.float32, tf.bfloat16, tf.float16)

# A window of more is one of all tokens; the kernels' numbers end here.
_LARGEST_REACH = 2**30 - 1


def reason_against_devices() -> str | None:
    """Says why the GPUs of this process cannot run the kernels, or `None`."""
    return reason_against_gpus(tuple(tf.config.get_visible_devices("GPU")))


@functools.cache  # Devices do not change, and asking takes a driver's time.
def reason_against_gpus(
    gpus: tuple[tf.config.PhysicalDevice, ...],
) -> str | None:
    """Says why one of several GPUs cannot run the kernels, or `None`."""
    if not gpus:
        return "there is no GPU"
    for gpu in gpus:
        details = tf.config.experimental.get_device_details(gpu)
        capability = details.get("compute_capability")
        if capability is not None and tuple(capability) >= MIN_CAPABILITY:
            continue
        wants = ".".join(str(number) for number in MIN_CAPABILITY)
        has = "no compute capability that TensorFlow knows"
        if capability is not None:
            has = f"compute capability {capability[0]}.{capability[1]}"
        return (
            f"{details.get('device_name', gpu.name)} has {has}, and the "
            f"kernels want {wants} on every GPU that is visible"
        )
    return None


def reason_against(query: tf.Tensor | tf.TensorSpec) -> str | None:
    """Says why the kernels cannot take such queries, or `None`."""
    if query.dtype not in _DTYPES:
        names = [dtype.name for dtype in _DTYPES]
        return (
            f"on a GPU it computes {', '.join(names)}, not {query.dtype.name}"
        )
    if query.shape[-1] is None:
        return "on a GPU the size of a head must be known"
    if query.shape[-1] > MAX_HEAD_SIZE:
        return (
            f"its heads have at most {MAX_HEAD_SIZE} elements, not "
            f"{query.shape[-1]}"
        )
    return None


def forward(
    body: Body, operands: Sequence[Value], **options: object
) -> list[Value]:
    """Adds the forward call: operands and results as `native_cpu.forward`."""
    problem = _Problem(body, operands, **options)
    return problem.call("forward")


def backward(
    body: Body, operands: Sequence[Value], **options: object
) -> list[Value]:
    """Adds the backward calls: as `native_cpu.backward`.

    Three kernels: the queries' gradient, the keys' and values', and, in parts
    that XLA adds up, the global ones'.
    """
    problem = _Problem(body, operands, **options)
    query_gradient, problem.values["delta"] = problem.call("query_gradient")
    key_and_value = problem.call("key_gradient")
    global_key, global_value = operands[4:6]
    if problem.sizes["g"] == 0:
        return [query_gradient, *key_and_value, global_key, global_value]
    return [query_gradient, *key_and_value] + [
        body.cast(body.sum_first(parts), global_key.dtype)
        for parts in problem.call("global_gradient")
    ]


class _Problem:
    """What the kernels may ask for: buffers by name, sizes and numbers.

    Attributes:
        values: dict of operands by the kernels' names for them.
        sizes: dict of axes' sizes by their letters, each an int or, where it
            is known at run time only, an `Axis`.
    """

    def __init__(self, body, operands, *, reach, causal, threshold, dilations):
        # Without segments and dropout, which are never there:
        # `native.reason_against`.
        query, key, value, key_mask, *globals_ = operands[:7]
        global_key, global_value, global_key_mask = globals_
        sizes = {
            letter: custom_call.known(Axis(query, number))
            for number, letter in enumerate("bnhd")
        }
        sizes["g"] = custom_call.known(Axis(global_key, 1))
        has_key_mask = key_mask.shape != (0, 0)
        reach = min(reach, _LARGEST_REACH)
        self.body = body
        self.sizes = sizes
        self.numbers = {
            **sizes,
            "behind": reach,
            "ahead": 0 if causal else reach,
            "dilation": max(dilations),
            "has_key_mask": int(has_key_mask),
            "has_dilations": int(len(set(dilations)) > 1),
            "scale": sizes["d"] ** -0.5,
        }
        # In place of what is left out, and never read: anything with elements.
        if sizes["g"] == 0:
            global_key, global_value, global_key_mask = key, value, None
        dilations = body.constant(tf.int32, dilations)
        nothing = body.constant(tf.bool, [True])
        self.values = {
            "query": query,
            "key": key,
            "value": value,
            "key_mask": key_mask if has_key_mask else nothing,
            "global_key": global_key,
            "global_value": global_value,
            "global_key_mask": global_key_mask or nothing,
            "dilations": dilations,
        }
        names = ("output", "log_sum", "output_gradient")
        self.values.update(zip(names, operands[10:], strict=False))

    def call(self, kernel):
        """Adds a kernel's call and returns its results."""
        query = self.values["query"]
        which = kernel, query.dtype.name, query.shape[-1]
        variant = ir.find(*which)
        numbers = {"splits": variant.splits, **self.numbers}
        numbers = {name: numbers[name] for name in variant.scalars}
        read = [
            name for name, size in numbers.items() if isinstance(size, Axis)
        ]
        operands = [self.values[buffer.name] for buffer in variant.operands]
        if read:
            operands.append(
                self.body.join([self.body.size(numbers[name]) for name in read])
            )
        given = {
            name: size for name, size in numbers.items() if name not in read
        }
        return self.body.call(
            _TARGET,
            _attributes(which, tuple(given.items()), tuple(read)),
            operands,
            [
                (tf.as_dtype(buffer.dtype), self._shape(variant, buffer))
                for buffer in variant.results
            ],
        )

    def _shape(self, variant, buffer):
        # Gradients have their tensors' own sizes, known or not.
        like = "global_key" if "g" in buffer.shape else "query"
        axes = "bghd" if "g" in buffer.shape else "bnhd"
        return [
            variant.splits
            if letter == "splits"
            else Axis(self.values[like], axes.index(letter))
            for letter in buffer.shape
        ]


@functools.lru_cache
def _attributes(which, numbers, read):
    """The call's attributes as StableHLO has them, the kernel among them."""
    config = ir.find(*which).backend_config(dict(numbers), read)
    return ", ".join(
        f"{name} = {custom_call.quote(value)}"
        if isinstance(value, str)
        else f"{name} = {value} : i32"
        for name, value in config.items()
    )
