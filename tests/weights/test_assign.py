import keras
import numpy as np
import pytest

from keras_longformer.weights import assign
from keras_longformer.weights.assign import Assigned
from keras_longformer.weights.assign import without


def assert_assigned(model, arrays):
    for name, array in arrays.items():
        np.testing.assert_array_equal(model.value(name), array)


def test_assigns_everything(arrays, model_of):
    ours = arrays("classifier")
    model = model_of(ours)
    assert assign(model, ours) == Assigned(fresh=[], unused=[])
    assert_assigned(model, ours)


def test_paths_may_begin_with_names(arrays, model_of):
    ours = arrays()
    model = model_of({f"task/backbone/{n}": a for n, a in ours.items()})
    assign(model, ours)
    assert_assigned(model, {f"task/backbone/{n}": a for n, a in ours.items()})


def test_all_mismatches_in_one_error_and_nothing_assigned(arrays, model_of):
    ours = arrays()
    model = model_of(ours)
    found = without(ours, ["global_query/kernel"])
    found["embeddings/position_embedding/embeddings"] = np.ones((7, 15))
    found["lm_head/output_bias"] = np.zeros(19)
    with pytest.raises(ValueError) as error:
        assign(model, found, source="roberta.h5", hint="Ask for less.")
    name = "embeddings/position_embedding/embeddings"
    assert str(error.value).split("\n") == [
        "'roberta.h5' does not fit ModelOfVariables (2 layers, width 15).",
        f"  missing   {'layer_0/attention/global_query/kernel':<40}  "
        "(15, 3, 5)",
        f"  missing   {'layer_1/attention/global_query/kernel':<40}  "
        "(15, 3, 5)",
        f"  too many  {'lm_head/output_bias':<40}  (19,)",
        f"  misshapen {name:<40}  (7, 15), the model has (13, 15)",
        "RoBERTa has no global projections: `copy_global_projections` makes "
        "them from the local ones.",
        "Another number of positions: `make_long` gives the arrays "
        "`max_sequence_length` of them.",
        "Ask for less.",
    ]
    assert_assigned(model, {n: np.zeros_like(a) for n, a in ours.items()})


def test_what_may_be_fresh_or_unused_is_reported(arrays, model_of):
    ours = arrays("classifier")
    model = model_of(ours)
    found = without(arrays("masked_lm"), ["pooler/*"])
    got = assign(
        model,
        found,
        may_be_fresh=["pooled_dense/*", "logits/*", "pooler/*"],
        may_be_unused=["lm_head/*"],
    )
    assert got.fresh == sorted(n for n in ours if n not in found)
    assert got.unused == sorted(n for n in found if n.startswith("lm_head"))
    assert "logits/kernel" in got.fresh
    assert "pooler/bias" in got.fresh


def test_a_permitted_name_must_still_fit(arrays, model_of):
    ours = arrays("classifier")
    model = model_of(ours)
    ours["logits/bias"] = np.zeros(9)
    with pytest.raises(ValueError, match=r"misshapen .*\(9,\), .* \(7,\)"):
        assign(model, ours, may_be_fresh=["logits/*"])


def test_two_variables_of_one_name(model_of):
    model = model_of({"a/kernel": np.ones(2), "b/kernel": np.ones(2)})
    with pytest.raises(ValueError, match="ambiguous kernel.*a/kernel, b/k"):
        assign(model, {"kernel": np.ones(2)})


class Dropping(keras.layers.Layer):
    """A layer with a seed, under any policy."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(3, name="dense")
        self.dropout = keras.layers.Dropout(0.5)

    def build(self, shape):
        self.dense.build(shape)
        self.built = True

    def call(self, x, training=False):
        return self.dropout(self.dense(x), training=training)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "bfloat16"])
def test_seeds_and_optimizers_are_no_weights(dtype):
    inputs = keras.Input((2,))
    layer = Dropping(name="block", dtype=dtype)
    layer.dense.dtype_policy = keras.DTypePolicy(dtype)
    model = keras.Model(inputs, layer(inputs))
    model.compile("adam", "mse")
    model.fit(np.ones((2, 2)), np.ones((2, 3)), verbose=0)
    arrays = {
        "dense/kernel": np.float32([[1, 2, 3], [4, 5, 6]]) / 3,
        "dense/bias": np.float32([1, 2, 3]),
    }
    assert assign(model, arrays) == Assigned([], [])
    kernel = layer.dense.kernel
    assert kernel.dtype == ("bfloat16" if dtype == "bfloat16" else "float32")
    tolerance = 4e-3 if dtype == "bfloat16" else 0
    np.testing.assert_allclose(
        np.asarray(kernel.value, np.float32),
        arrays["dense/kernel"],
        rtol=tolerance,
    )
