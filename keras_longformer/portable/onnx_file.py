"""A graph of TensorFlow's as an ONNX file, and ONNX Runtime, which runs it.

tf2onnx converts; what it lacks or takes otherwise than TensorFlow is here:

- `Erfc`, of exact GELU, by ONNX's `Erf`;
- a size of 0 in a `Reshape`, such as no global token in a batch, which ONNX
  takes for "as it was" where it is not told otherwise.
"""

import contextlib
import logging
import warnings
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from keras_longformer.portable.onnx_products import write_products

# The newest that tf2onnx 1.17 writes.
OPSET = 18
# What a protocol buffer can hold.
_MOST_BYTES = 2**31 - 1
_INSTALL = 'Install it with `pip install "keras_longformer[onnx]"`.'


def require() -> None:
    """Raises `ImportError` where a package is missing."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import tf2onnx  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f'`export(format="onnx")` needs {error.name}. {_INSTALL}'
        ) from error


def write(function: Callable, path: str, name: str, num_bytes: int) -> None:
    """Converts a function and writes it.

    Args:
        function: a `tf.function` with an `input_signature` of named specs,
            which returns a dict of tensors.
        path: str, the file.
        name: str, the model's, for messages.
        num_bytes: int, the size of its weights.

    Raises:
        ValueError: a model beyond 2 GiB, or with operations that ONNX lacks.
    """
    import onnx

    if num_bytes > _MOST_BYTES:
        raise ValueError(
            f"'{name}' has {num_bytes / 2**30:.1f} GiB of weights, and an "
            "ONNX file holds 2. Export a smaller model, or a SavedModel."
        )
    with _quietly():
        proto = _convert(function)
    _keep_zero_sizes(proto.graph)
    write_products(proto.graph)
    unknown = _unknown_operations(proto)
    if unknown:
        raise ValueError(
            f"'{name}' has operations that ONNX {OPSET} has none for: "
            f"{', '.join(unknown)}. Write them with others, or export a "
            "SavedModel."
        )
    onnx.checker.check_model(proto)
    proto.graph.name = name
    onnx.save(proto, path)


def add_metadata(path: str, content: Mapping[str, str]) -> None:
    """Adds entries to a file's `metadata_props`.

    They are appended: what was compared stays as it is, byte for byte, and a
    message that comes in two parts is read as one.
    """
    import onnx

    props = onnx.ModelProto()
    onnx.helper.set_model_props(props, dict(content))
    with open(path, "ab") as file:
        file.write(props.SerializeToString())


def runner(path: str, *, optimized: bool = True) -> Callable:
    """Returns a function of arrays by name that runs a file.

    Args:
        path: str.
        optimized: bool, whether with all of ONNX Runtime's optimizations, its
            default, or none.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # Errors.
    # Threads that wait for work must not take it from others.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if not optimized:
        options.graph_optimization_level = (
            onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        )
    session = onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]

    def run(inputs):
        return dict(zip(names, session.run(None, dict(inputs)), strict=True))

    return run


def _convert(function):
    """The graph of a function, as tf2onnx translates it."""
    from tf2onnx import optimizer
    from tf2onnx import tf_loader
    from tf2onnx import tfonnx
    from tf2onnx.optimizer import const_fold_optimizer
    from tf2onnx.optimizer import identity_optimizer
    from tf2onnx.optimizer import merge_duplicated_nodes_optimizer

    concrete = function.get_concrete_function()
    outputs = concrete.structured_outputs
    inputs = [x for x in concrete.inputs if x.dtype != tf.resource]
    names = {
        x.name: spec.name
        for x, spec in zip(inputs, function.input_signature, strict=True)
    }
    names |= {x.name: name for name, x in outputs.items()}
    input_names = [x.name for x in inputs]
    output_names = [x.name for x in outputs.values()]
    frozen = tf_loader.from_function(concrete, input_names, output_names)
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(frozen, name="")
        converted = tfonnx.process_tf_graph(
            graph,
            continue_on_error=True,  # `write` says all that it lacks.
            opset=OPSET,
            custom_op_handlers={"Erfc": (_erfc, [])},
            input_names=input_names,
            output_names=output_names,
            tensors_to_rename=names,
        )
        # Not all: with its rules for transpositions, some of axes of size 1
        # come out wrong where other sizes are unknown.
        optimized = optimizer.optimize_graph(
            converted,
            catch_errors=False,
            optimizers={
                "constants": const_fold_optimizer.ConstFoldOptimizer,
                "duplicates": (
                    merge_duplicated_nodes_optimizer.MergeDuplicatedNodesOptimizer
                ),
                "identities": identity_optimizer.IdentityOptimizer,
            },
        )
        return optimized.make_model("keras_longformer")


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Lets tf2onnx say nothing: what it lacks is said by `write`."""
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of NumPy's, in tf2onnx.
            yield
    finally:
        logger.setLevel(level)


def _erfc(context, node, name, args):
    """1 - erf(x); of GELU's -x / sqrt(2) as 1 + erf(x / sqrt(2)), which ONNX
    Runtime knows as a part of GELU and computes in one pass."""
    import tf2onnx

    (given,), (output,) = node.inputs, node.output
    x = node.input[0]
    dtype, shape = context.get_dtype(output), context.get_shape(output)
    context.remove_node(node.name)

    def constant(value):
        value = np.array(value, tf2onnx.utils.map_onnx_to_numpy_type(dtype))
        made = context.make_const(tf2onnx.utils.make_name("erfc"), value)
        return made.output[0]

    def make(kind, *inputs, **options):
        made = context.make_node(
            kind, list(inputs), dtypes=[dtype], shapes=[shape], **options
        )
        return made.output[0]

    if _is_of_gelu(given):
        x = make("Div", given.inputs[0].input[0], constant(np.sqrt(2)))
        make("Add", make("Erf", x), constant(1), outputs=[output])
    else:
        make("Sub", constant(1), make("Erf", x), outputs=[output])


def _is_of_gelu(node):
    """Whether a node is a negative number by the root of 2."""
    if node.type != "Mul" or node.inputs[0].type != "Neg":
        return False
    factor = node.inputs[1]
    return factor.is_const() and np.allclose(
        factor.get_tensor_value(as_list=False), np.sqrt(0.5), rtol=1e-6
    )


def _graphs(graph) -> Iterator:
    """A graph and those inside of its conditions."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)


def _keep_zero_sizes(graph):
    """Lets shapes that are computed have a size of 0, as TensorFlow's."""
    import onnx

    for part in _graphs(graph):
        constants = {tensor.name for tensor in part.initializer}
        for node in part.node:
            if node.op_type == "Constant":
                constants |= set(node.output)
            elif node.op_type == "Reshape" and node.input[1] not in constants:
                node.attribute.append(
                    onnx.helper.make_attribute("allowzero", 1)
                )


def _unknown_operations(proto):
    import onnx

    found = {
        node.op_type for part in _graphs(proto.graph) for node in part.node
    }
    return sorted(name for name in found if not onnx.defs.has(name, OPSET, ""))


def byte_size(variables) -> int:
    """The bytes of variables."""
    return sum(
        int(np.prod(v.shape, dtype=np.int64)) * tf.as_dtype(v.dtype).size
        for v in variables
    )
