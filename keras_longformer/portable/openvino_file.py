"""A graph of TensorFlow's as OpenVINO's files, and the runtime of these."""

import os
from collections.abc import Callable
from collections.abc import Mapping

# On CPUs that multiply bfloat16, OpenVINO would take it for float32.
_EXACT = {"INFERENCE_PRECISION_HINT": "f32"}


def require() -> None:
    """Raises `ImportError` where OpenVINO is missing."""
    try:
        import openvino  # noqa: F401
    except ImportError as error:
        raise ImportError(
            '`export(format="openvino")` needs OpenVINO. Install it with '
            "`pip install openvino`."
        ) from error


def write(function: Callable, path: str) -> None:
    """Converts a function and writes it.

    Args:
        function: a `tf.function` with an `input_signature` of named specs,
            which returns a dict of tensors.
        path: str, the file that ends in `.xml`; the weights' is beside it.
    """
    import openvino

    model = openvino.convert_model(function)
    specs = function.input_signature
    for given, spec in zip(model.inputs, specs, strict=True):
        given.get_node().set_friendly_name(spec.name)
        given.tensor.set_names({spec.name})
    openvino.save_model(model, path, compress_to_fp16=False)


def add_metadata(path: str, content: Mapping[str, str]) -> None:
    """Adds entries to a file's `rt_info`, under `keras_longformer`."""
    import openvino

    model = openvino.Core().read_model(path)
    for name, value in content.items():
        model.set_rt_info(value, ["keras_longformer", name])
    other = f"{path.removesuffix('.xml')}-described.xml"
    openvino.save_model(model, other, compress_to_fp16=False)
    del model  # It reads the weights where they are.
    for ending in (".xml", ".bin"):
        os.replace(
            other.removesuffix(".xml") + ending,
            path.removesuffix(".xml") + ending,
        )


def runner(path: str) -> Callable:
    """Returns a function of arrays by name that runs a file in float32."""
    import openvino

    compiled = openvino.Core().compile_model(path, "CPU", _EXACT)

    def run(inputs):
        results = compiled(dict(inputs))
        return {output.any_name: results[output] for output in compiled.outputs}

    return run
