"""Exports, and what ONNX Runtime says of them, apart from the package."""

import json

import numpy as np
import onnxruntime

import keras_longformer as klf

LEVELS = [
    onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,  # The default.
]


def export(model, folder, name="model.onnx", format="onnx"):
    path = str(folder / name)
    assert model.export(path, format=format) == path
    return path


def session(path, level=LEVELS[-1]):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"]
    )


def run(opened, inputs):
    """Dict of a session's outputs for a dict of arrays or tensors."""
    names = [output.name for output in opened.get_outputs()]
    wanted = {one.name for one in opened.get_inputs()}
    arrays = {k: np.asarray(x) for k, x in inputs.items() if k in wanted}
    return dict(zip(names, opened.run(None, arrays), strict=True))


def facts(path):
    """What a file says of itself."""
    found = session(path).get_modelmeta().custom_metadata_map
    texts = ("model", "name", "dtype_policy")
    return {k: v if k in texts else json.loads(v) for k, v in found.items()}


def backbone(**config):
    """A small encoder whose numbers are of the size of trained ones."""
    made = klf.LongformerBackbone(
        **{
            "vocabulary_size": 97,
            "num_layers": 2,
            "num_heads": 3,
            "hidden_dim": 15,
            "intermediate_dim": 19,
            "window_size": 6,
            "max_sequence_length": 300,
            "max_global_tokens": 3,
            **config,
        }
    )
    return stirred(made)


def stirred(model):
    """The model with weights that all matter."""
    generator = np.random.default_rng(7)
    for weight in model.weights:
        if "seed" not in weight.path:
            weight.assign(weight + generator.normal(0, 0.3, weight.shape))
    return model


def densely(model):
    """The model's outputs by the definition of attention, which has no
    chunks."""
    config = {**model.get_config(), "implementation": "reference"}
    other = type(model).from_config(config)
    other.set_weights(model.get_weights())

    def call(inputs):
        outputs = other(inputs)
        if not isinstance(outputs, dict):
            outputs = {"sequence_output": outputs}
        return {name: np.asarray(x) for name, x in outputs.items()}

    return call


def assert_same(got, want, tolerance=2e-5):
    assert set(got) == set(want)
    for name, x in want.items():
        x = np.asarray(x, "float32")
        assert got[name].shape == x.shape
        np.testing.assert_allclose(
            got[name], x, rtol=tolerance, atol=tolerance, err_msg=name
        )
