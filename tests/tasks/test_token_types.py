"""Token types from the tokenizer's rows to the model's embeddings."""

import logging
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf
from tests.tasks import small
from tests.tasks import table
from tests.tolerances import assert_close

PAIRS = (["a good text", "bad " * 60, ""], ["and another", "b", "🙂"])


@keras.saving.register_keras_serializable(package="tests")
class TypedTokenizer(klf.LongformerTokenizer):
    """Rows of two types, as BERT's are."""

    @property
    def row_template(self):
        return replace(super().row_template, token_types=(0, 1))


@pytest.fixture(scope="module")
def typed():
    plain = small.shared_tokenizer()
    return TypedTokenizer(plain.vocabulary, plain.merges)


def make(name, tokenizer, **config):
    """A task whose token types differ visibly."""
    task = table.BY_NAME[name].make(**config)
    if tokenizer is not None:
        task.preprocessor = type(task.preprocessor).from_config(
            {**task.preprocessor.get_config(), "tokenizer": tokenizer}
        )
    generator = np.random.default_rng(1)
    for weight in task.weights:
        if "seed" not in weight.name:
            weight.assign(generator.normal(0, 0.4, weight.shape))
    return task


# LED has no token types.
@pytest.mark.parametrize(
    "name", [name for name in table.BY_NAME if name != "summarization"]
)
def test_a_model_of_two_types_predicts_without_them(name):
    """What a checkpoint with `type_vocab_size` 2 is opened as."""
    task = make(name, None, num_token_types=2)
    types = task.backbone.embeddings.token_type_embedding.weights[0]
    types.assign([np.ones(24), np.full(24, np.nan)])  # Type 0 alone is read.
    assert np.isfinite(table.BY_NAME[name].predict(task)).all()


def test_a_model_of_one_type_drops_them_and_says_so(typed, caplog):
    task = make("text_classification", typed)
    inputs = task.preprocessor(x=PAIRS)
    data = tf.data.Dataset.from_tensors((PAIRS,))
    with caplog.at_level(logging.WARNING, "keras_longformer"):
        got = task.predict(data, verbose=0)
        assert_close(task(inputs), got)
    assert "token_type_ids" in inputs
    del inputs["token_type_ids"]
    assert_close(task(inputs), got)
    assert caplog.text.count("`token_type_ids` are not used") == 1


def test_types_of_pairs_reach_the_model(typed):
    task = make("text_classification", typed, num_token_types=2)
    inputs = task.preprocessor(x=PAIRS)
    types = inputs["token_type_ids"].numpy()
    for ids, row in zip(inputs["token_ids"].numpy(), types, strict=True):
        first_end = np.flatnonzero(ids == 2)[0] + 2
        last = np.flatnonzero(ids == 2)[-1]
        want = np.zeros(64, int)
        want[first_end : last + 1] = 1
        np.testing.assert_array_equal(row, want)
    got = task.predict(tf.data.Dataset.from_tensors((PAIRS,)), verbose=0)
    assert_close(got, task(inputs))
    without = {k: x for k, x in inputs.items() if k != "token_type_ids"}
    assert np.abs(got - task(without)).max() > 1e-2
    zeros = tf.zeros_like(inputs["token_ids"])
    assert_close(task(without), task({**without, "token_type_ids": zeros}))
    task.fit(PAIRS, [0, 1, 2], batch_size=3, verbose=0)


def test_they_are_served_and_kept(typed, tmp_path):
    """`export_saved_model` compares what it has written with `predict`."""
    task = make("text_classification", typed, num_token_types=2)
    task.preprocessor.num_texts = 2
    folder = klf.export_saved_model(
        task,
        str(tmp_path / "model"),
        buckets=[32, 64],
        batch_sizes=[1],
        xla=True,
    )
    want = task.predict(tf.data.Dataset.from_tensors((PAIRS,)), verbose=0)
    ids = task.preprocessor(x=PAIRS)["token_ids"]
    served = tf.saved_model.load(folder).signatures
    texts = dict(zip(("text", "text_pair"), map(tf.constant, PAIRS)))
    for signature, inputs in (
        ("serving_default", texts),
        ("tokens", {"token_ids": ids}),
        ("tokens_xla", {"token_ids": ids}),
    ):
        assert_close(served[signature](**inputs)["logits"], want)
    task.save_to_preset(tmp_path / "preset")
    again = klf.LongformerTextClassifier.from_preset(str(tmp_path / "preset"))
    got = again.predict(tf.data.Dataset.from_tensors((PAIRS,)), verbose=0)
    assert_close(got, want)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_an_unknown_type(jit_compile):
    backbone = small.make_backbone(num_token_types=2)
    ids = np.full((2, 5), 7, "int32")
    inputs = {"token_ids": ids, "padding_mask": ids > 0}
    call = tf.function(backbone, jit_compile=jit_compile)
    for wrong in (2, -1):
        inputs["token_type_ids"] = np.array([[0, 1, 0, 0, 0]] * 2, "int32")
        assert np.isfinite(call(inputs)).all()
        inputs["token_type_ids"][1, 3] = wrong
        if jit_compile:
            assert np.isnan(call(inputs)).all()
        else:
            with pytest.raises(
                tf.errors.InvalidArgumentError,
                match="knows the token types 0 to 1",
            ):
                call(inputs)


def test_symbols_without_types():
    backbone = small.make_backbone(num_token_types=2)
    symbols = {
        "token_ids": keras.Input((None,), dtype="int32", name="token_ids"),
        "padding_mask": keras.Input((None,), dtype="bool", name="padding_mask"),
    }
    model = keras.Model(symbols, backbone(symbols))
    ids = np.full((2, 5), 7, "int32")
    inputs = {"token_ids": ids, "padding_mask": ids > 0}
    assert_close(model(inputs), backbone(inputs))
