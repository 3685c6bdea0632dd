"""OpenVINO's files, where it is installed."""

import os

import numpy as np
import pytest

from tests.portable import files

openvino = pytest.importorskip("openvino", reason="there is no openvino")


def test_equals_the_definition(tmp_path):
    model = files.backbone(
        dilation=[1, [2, 1, 3]], num_token_types=2, packed=True
    )
    path = files.export(model, tmp_path, "model.xml", "openvino")
    assert sorted(os.listdir(tmp_path)) == ["model.bin", "model.xml"]
    read = openvino.Core().read_model(path)
    found = float(
        read.get_rt_info(["keras_longformer", "largest_difference"]).value
    )
    assert found < 1e-5
    compiled = openvino.Core().compile_model(
        read, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    want = files.densely(model)
    for batch, length in ((2, 1), (3, 4), (2, 133), (1, 135), (3, 300)):
        inputs = model.example_inputs(
            batch, length, np.random.default_rng(length)
        )
        results = compiled(inputs)
        got = {one.any_name: results[one] for one in compiled.outputs}
        files.assert_same(got, want(inputs))
