"""`export_saved_model(native=True)`: signatures for GPUs beside stock ones."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import keras_longformer as klf
from keras_longformer.ops import native_cpu
from tests.native.kernel import compiler as compiler
from tests.native.kernel import kernel as kernel
from tests.serving import exports
from tests.tasks import small


def export(path):
    return exports.export(
        small.make_backbone(),
        path,
        preprocessor=exports.make_limited().preprocessor,
        buckets=[16],
        batch_sizes=[1],
        native=True,
    )


@pytest.fixture(scope="module")
def without_cpu(tmp_path_factory):
    """Exported where the C++ kernel is not built."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native_cpu, "available", lambda: False)
        return export(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def with_cpu(kernel, tmp_path_factory):
    """Exported where it is."""
    return export(tmp_path_factory.mktemp("models"))


def operations(exported):
    """The operations that each signature can reach, by its name."""
    saved = saved_model_pb2.SavedModel()
    path = pathlib.Path(exported.folder, "saved_model.pb")
    saved.ParseFromString(path.read_bytes())
    meta = saved.meta_graphs[0]
    functions = {f.signature.name: f for f in meta.graph_def.library.function}

    def named(node):
        for value in node.attr.values():
            yield value.func.name
            yield from (func.name for func in value.list.func)

    def reach(nodes, seen):
        for node in nodes:
            seen.add(node.op)
            for name in {*named(node), node.op} & functions.keys():
                if name not in seen:
                    seen.add(name)
                    reach(functions[name].node_def, seen)
        return seen

    nodes = {node.name: node for node in meta.graph_def.node}
    return {
        name: reach(
            [
                nodes[output.name.split(":")[0]]
                for output in signature.outputs.values()
            ],
            set(),
        )
        for name, signature in meta.signature_def.items()
        if signature.outputs and not name.startswith("__")
    }


def read_manifest(exported):
    path = pathlib.Path(exported.folder, "manifest.json")
    return json.loads(path.read_text("utf-8"))


def test_only_native_signatures_hold_the_call(without_cpu):
    reached = operations(without_cpu)
    assert reached.keys() == {
        "serving_default",
        "embed",
        "embed_tokens",
        "serving_native",
        "embed_tokens_native",
    }
    for name, ops in reached.items():
        assert "MatMul" in ops or "BatchMatMulV2" in ops or "Einsum" in ops
        assert ("XlaCallModule" in ops) == name.endswith("_native"), name


def test_manifest_says_what_a_server_needs(without_cpu):
    manifest = read_manifest(without_cpu)
    about = manifest["native"]
    assert about["platforms"] == ["CUDA"]
    assert about["signatures"] == ["serving_native", "embed_tokens_native"]
    assert set(about["signatures"]) < set(manifest["signatures"])
    assert "8.0" in about["needs"]["compute_capability"]
    assert "xla_gpu_compilation_enabled" in about["needs"]["server"]
    assert "never ran on a GPU" in about["needs"]["tested"]


def test_no_warmup_and_no_answers_in_the_probe(without_cpu):
    """So that a server, and `verify_saved_model`, can load it anywhere."""
    assert read_manifest(without_cpu)["warmup"]["requests"] == 3
    with np.load(os.path.join(without_cpu.folder, "probe.npz")) as probe:
        kinds = {tuple(key.split("/")[:2]) for key in probe.files}
    assert ("serving_default", "outputs") in kinds
    assert ("serving_native", "inputs") in kinds
    assert ("serving_native", "outputs") not in kinds


def test_elsewhere_other_signatures_work(without_cpu):
    texts = tf.constant(["a text"])
    without_cpu.signature("serving_default")(text=texts)
    with pytest.raises(tf.errors.NotFoundError, match="CUDA"):
        without_cpu.signature("serving_native")(text=texts)


@pytest.mark.native
def test_equal_on_the_cpu_of_a_process_with_the_kernel(with_cpu):
    assert read_manifest(with_cpu)["native"]["platforms"] == ["CPU", "CUDA"]
    inputs = {
        "serving_default": {"text": tf.constant(small.TEXTS)},
        "embed_tokens": {
            "token_ids": tf.constant([[0, 5, 6, 2], [0, 9, 2, 1]])
        },
    }
    for name, tensors in inputs.items():
        want = with_cpu.signature(name)(**tensors)
        native = name.replace("serving_default", "serving") + "_native"
        got = with_cpu.signature(native)(**tensors)
        assert got.keys() == want.keys()
        for key in want:
            np.testing.assert_allclose(got[key], want[key], atol=1e-5)


SERVE = """
import sys
import tensorflow as tf
signatures = tf.saved_model.load(sys.argv[1]).signatures
texts = tf.constant(["a text"])
print(signatures["serving_default"](text=texts)["mean_embedding"].shape)
signatures["serving_native"](text=texts)
"""


@pytest.mark.native
def test_error_without_the_kernel(with_cpu, tmp_path):
    """A process with TensorFlow alone, on a CPU."""
    result = subprocess.run(
        [sys.executable, "-c", SERVE, with_cpu.folder],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ""},
        check=False,
    )
    assert result.stdout.strip() == "(1, 24)"
    assert result.returncode
    assert "keras_longformer_window_attention" in result.stderr


def test_layers_keep_their_implementation(without_cpu):
    layer = without_cpu.model.transformer_layers[0].attention
    assert layer.implementation is None


@pytest.mark.parametrize(
    "config, match",
    [
        (dict(num_heads=1, hidden_dim=264), "at most 256 elements, not 264"),
        (dict(dtype="float64"), "not float64"),
    ],
    ids=["heads", "float64"],
)
def test_the_kernel_must_be_able_to(config, match, tmp_path):
    backbone = small.make_backbone(**config)
    with pytest.raises(ValueError, match=match) as info:
        klf.export_saved_model(
            backbone,
            str(tmp_path),
            preprocessor=exports.make_limited().preprocessor,
            native=True,
        )
    assert backbone.transformer_layers[0].attention.path in str(info.value)
    assert os.listdir(tmp_path) == []
