"""The StableHLO of custom calls, without any kernel of ours."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.ops import custom_call
from keras_longformer.ops.custom_call import Axis


def add_sums(body, operands, factor=1):
    """Nothing but StableHLO: the sum over the first axis, in float32."""
    return [body.cast(body.sum_first(operands[0]), tf.float32)]


def add_call(target, body, operands):
    x = operands[0]
    sizes = [Axis(x, number) for number in range(len(x.shape))]
    return body.call(target, "x = 1 : i64", operands, [(x.dtype, sizes)])


@pytest.mark.parametrize("jit", [False, True], ids=["graph", "jit"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_other_devices_code_is_left_out(dtype, jit):
    """Where it runs, `case` has one way, and only that is compiled."""

    @functools.partial(tf.function, jit_compile=jit)
    def compute(x):
        branches = {"CPU": add_sums, "CUDA": add_sums}
        return custom_call.call([x], branches)[0]

    x = tf.reshape(tf.range(12, dtype=tf.float32), (3, 4))
    got = compute(tf.cast(x, dtype))
    assert got.dtype == tf.float32
    np.testing.assert_array_equal(got, x.numpy().sum(0))


def test_unknown_sizes_are_followed():
    """No other device's kernel need be there, whatever the shapes."""

    def call(body, operands):
        size = body.size(Axis(operands[0], 1))
        return add_call("elsewhere", body, [*operands, size])

    def same(body, operands):
        return [operands[0]]

    @tf.function(input_signature=[tf.TensorSpec([None, None, 3])])
    def compute(x):
        (y,) = custom_call.call([x], {"CPU": same, "CUDA": call})
        assert y.shape.as_list() == [None, None, 3]
        return y

    for shape in [(2, 5, 3), (1, 7, 3), (0, 2, 3)]:
        x = tf.random.normal(shape)
        np.testing.assert_array_equal(compute(x), x)


def test_hlo_of_one_device():
    """A call's operands, layouts and attributes as XLA gets them."""

    @functools.partial(tf.function, jit_compile=True)
    def compute(x):
        call = functools.partial(add_call, "here")
        return custom_call.call([x], {"CPU": call, "CUDA": add_sums})[0]

    x = tf.zeros((2, 3))
    with pytest.raises(ValueError, match="same dtypes and shapes"):
        compute(x)

    @functools.partial(tf.function, jit_compile=True)
    def compute(x):
        call = functools.partial(add_call, "here")
        other = functools.partial(add_call, "elsewhere")
        return custom_call.call([x], {"CPU": call, "CUDA": other})[0]

    hlo = compute.experimental_get_compiler_ir(x)(stage="hlo")
    assert "f32[2,3]{1,0} custom-call" in hlo
    assert 'custom_call_target="here"' in hlo
    assert "elsewhere" not in hlo
    with pytest.raises(tf.errors.NotFoundError, match="here"):
        compute(x)


def test_only_for_elsewhere():
    """A module without this device's code says so when it is run."""
    other = functools.partial(add_call, "elsewhere")
    with pytest.raises(tf.errors.NotFoundError, match="CUDA"):
        custom_call.call([tf.zeros((2, 3))], {"CUDA": other})


def test_quote():
    text = 'a "quoted" \\ line\nand ünïcode\t'
    quoted = custom_call.quote(text)
    assert quoted.isascii() and quoted.isprintable()
    back = bytes.fromhex(
        "".join(
            quoted[i + 1 : i + 3]
            if quoted[i] == "\\"
            else f"{ord(quoted[i]):02x}"
            for i in places(quoted[1:-1], 1)
        )
    ).decode()
    assert back == text


def places(escaped, first):
    at = 0
    while at < len(escaped):
        yield first + at
        at += 3 if escaped[at] == "\\" else 1
