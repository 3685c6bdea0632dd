"""Einsums as products of matrices say the same."""

import numpy as np
import onnx
import pytest
from onnx import helper

from keras_longformer.portable.onnx_products import write_products
from tests.portable import files

SIZES = dict(zip("bhcqkdmng", (2, 3, 5, 7, 11, 13, 4, 6, 8), strict=True))
EQUATIONS = {
    "bhcqd,bhckd->bhcqk": ["Transpose", "MatMul"],
    "bhcqk,bhckd->bhcqd": ["MatMul"],
    "bnm,mhd->bnhd": ["MatMul", "Reshape"],
    "bnhd,hdm->bnm": ["Reshape", "MatMul"],
    "qm,md->qd": ["MatMul"],
    # Products with something between, and of other orders: left alone.
    "bghd,mhd->bghm": ["Einsum"],
    "bghm,bnm->bghn": ["Einsum"],
    "bhcqd,bhckd->bhckq": ["Einsum"],
    "bhcqk,bhcdk->bhcdq": ["Einsum"],
    "bnm,hmd->bnhd": ["Einsum"],
}


@pytest.mark.parametrize("equation", EQUATIONS)
def test_same_numbers(tmp_path, equation):
    operands, _, result = equation.partition("->")
    first, second = operands.split(",")
    generator = np.random.default_rng(0)
    x, y = (
        generator.normal(size=[SIZES[i] for i in letters]).astype("float32")
        for letters in (first, second)
    )
    is_weight = first[:-2] != second[:-2] or len(first) < 4
    inputs = {"x": x} if is_weight else {"x": x, "y": y}
    graph = helper.make_graph(
        [helper.make_node("Einsum", ["x", "y"], ["z"], equation=equation)],
        "products",
        [
            # Sizes are unknown, but for those of weights.
            helper.make_tensor_value_info(
                name, onnx.TensorProto.FLOAT, [None] * array.ndim
            )
            for name, array in inputs.items()
        ],
        [
            helper.make_tensor_value_info(
                "z", onnx.TensorProto.FLOAT, [None] * len(result)
            )
        ],
        [onnx.numpy_helper.from_array(y, "y")] if is_weight else [],
    )
    write_products(graph)
    assert [node.op_type for node in graph.node] == EQUATIONS[equation]
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8
    )
    onnx.checker.check_model(model)
    path = str(tmp_path / "products.onnx")
    onnx.save(model, path)
    got = files.run(files.session(path), inputs)["z"]
    want = np.einsum(equation, x, y)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, atol=1e-4)
