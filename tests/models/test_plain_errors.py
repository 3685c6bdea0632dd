"""An error inside a graph reaches the user as its sentence, and no more."""

import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf
from tests.tasks import small

ANSWERS = {"text": ["Zoe", "Ada"], "start": [3, 18]}
CONTEXTS = {
    "question": ["who?"] * 2,
    "context": ["a good text about Ada"] * 2,
}


def inputs(n=20, token=9, marked=1):
    return {
        "token_ids": np.full((2, n), token, "int32"),
        "padding_mask": np.ones((2, n), bool),
        "global_mask": np.arange(n)[None].repeat(2, 0) < marked,
    }


BAD = {
    "long": (inputs(n=70), "positions for max_sequence_length=64 tokens"),
    "marked": (inputs(marked=3), "at most max_global_tokens=1 .*: 3 3, 1.$"),
    "unknown": (inputs(token=10**6), "no row in its table.* = 1000000 is not"),
    "negative": (inputs(token=-3), "no row in its table.* = -3 is not in"),
}


@pytest.fixture(scope="module")
def classifier():
    model = klf.LongformerTextClassifier(
        small.make_backbone(), num_classes=2, preprocessor=None
    )
    model.compile()
    return model


@pytest.mark.parametrize("bad", BAD)
def test_of_a_model(classifier, bad):
    x, said = BAD[bad]
    y = np.zeros(2, "int32")
    for call in (
        lambda: classifier.fit(x, y, verbose=0),
        lambda: classifier.evaluate(x, y, verbose=0),
        lambda: classifier.predict(x, verbose=0),
        lambda: classifier.train_on_batch(x, y),
        lambda: classifier.backbone.predict(x, verbose=0),
    ):
        check(call, said)


def check(call, said):
    with pytest.raises(tf.errors.InvalidArgumentError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert "node" not in str(caught.value)


def test_of_a_label(classifier):
    x, y = inputs(), np.array([0, 7])
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(2)
    check(lambda: classifier.fit(data, verbose=0), "Labels must be from 0")


def test_of_an_answer():
    preprocessor = klf.LongformerQuestionAnsweringPreprocessor(
        small.shared_tokenizer(), sequence_length=64
    )
    model = klf.LongformerQuestionAnswering(
        small.make_backbone(max_global_tokens=17), preprocessor=preprocessor
    )
    model.compile()
    said = "^The answer 'Zoe' does not stand at character 3"
    for call in (
        lambda: model.fit(CONTEXTS, ANSWERS, verbose=0),
        lambda: model.train_on_batch(CONTEXTS, ANSWERS),
        lambda: preprocessor(CONTEXTS, ANSWERS),
    ):
        check(call, said)


@pytest.fixture(scope="module")
def masked_lm():
    model = klf.LongformerMaskedLM(small.make_backbone(), preprocessor=None)
    model.compile()
    return model


@pytest.mark.parametrize(
    "position, said", [(20, "number of tokens: 20, 20"), (-1, "least: -1, 0")]
)
def test_of_a_masked_position(masked_lm, position, said):
    x = inputs(marked=0)
    x["mask_positions"] = np.array([[3, 19], [position, 0]], "int32")
    y = np.zeros((2, 2), "int32")
    said = f"^'lm_head' predicts at `mask_positions`.* {said}.$"
    check(lambda: masked_lm.fit(x, y, verbose=0), said)
    check(lambda: masked_lm.predict(x, verbose=0), said)
    check(lambda: masked_lm.predict_on_batch(x), said)


def test_a_masked_position_is_nan_under_xla(masked_lm):
    head = tf.function(masked_lm.masked_lm_head, jit_compile=True)
    states = np.ones((2, 20, 24), "float32")
    logits = head(states, np.array([[3, 19], [20, -1]])).numpy()
    assert np.isfinite(logits[0]).all()
    assert np.isnan(logits[1]).all()
