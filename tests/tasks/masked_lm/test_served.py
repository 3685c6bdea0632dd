"""Exports of masked LMs: a global `<s>`, and as many masks as come."""

import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf
from tests.serving import exports
from tests.tasks import small

TEXTS = ["a <mask> text", "<mask> whales and <mask>. " * 2]
HOSTILE = "<mask>" * 10_000


@pytest.fixture(scope="module")
def masked_lm():
    """One that reads `<s>` as a global token."""
    return klf.LongformerMaskedLM(
        small.make_backbone(max_global_tokens=1),
        preprocessor=klf.LongformerMaskedLMPreprocessor(
            small.shared_tokenizer(), sequence_length=64, global_start=True
        ),
    )


@pytest.fixture(scope="module")
def exported(masked_lm, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "global_start"
    return exports.export(masked_lm, path, batch_sizes=[1], buckets=[32, 64])


def test_global_start(masked_lm, exported):
    inputs = masked_lm.preprocessor.fill_mask_preprocess(TEXTS)
    assert inputs["global_mask"].numpy().sum(1).tolist() == [1, 1]
    want = tf.math.top_k(tf.nn.softmax(masked_lm(inputs)), 5).values
    by_text = exported.signature("serving_default")(text=tf.constant(TEXTS))
    by_ids = exported.signature("tokens")(token_ids=inputs["token_ids"])
    for got in (by_text, by_ids):
        got = got["probabilities"]
        np.testing.assert_allclose(got[0, 0], want[0, 0], atol=1e-6)
        np.testing.assert_allclose(got[1, :4], want[1, :4], atol=1e-6)

    # The hidden states show it better: without it they are others.
    texts = [text.replace("<mask>", "good") for text in TEXTS]
    got = exported.signature("embed")(text=tf.constant(texts))
    inputs = masked_lm.preprocessor.fill_mask_preprocess(texts)
    del inputs["mask_positions"]
    for is_global in (True, False):
        inputs["global_mask"] = inputs["global_mask"] & is_global
        states = masked_lm.backbone(inputs, training=False).numpy()[:, 0]
        states /= np.linalg.norm(states, axis=-1, keepdims=True)
        difference = np.abs(got["start_embedding"] - states).max()
        assert difference < 1e-5 if is_global else difference > 1e-4


def test_hostile_masks(exported):
    """62 of 10,000 masks are read; others in the batch get their answers."""
    call = exported.signature("serving_default")
    together = call(text=tf.constant([TEXTS[0], HOSTILE]))
    alone = call(text=tf.constant([TEXTS[0]]))
    assert together["tokens"].shape == (2, 62, 5)
    assert (together["tokens"][1] != b"").numpy().all()
    np.testing.assert_allclose(
        together["probabilities"][0, 0], alone["probabilities"][0, 0], atol=1e-5
    )
    assert (together["probabilities"][0, 1:] == 0).numpy().all()
