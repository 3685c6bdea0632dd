"""A masked LM gives each document of a packed row what it gets alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.models.backbone import LongformerBackbone
from keras_longformer.tasks.masked_lm import LongformerMaskedLM
from keras_longformer.tokenizers import LongformerTokenizer
from keras_longformer.training.rows.batches import PretrainingBatches
from tests.native.kernel import compiler as compiler
from tests.native.kernel import kernel as kernel
from tests.training.rows.corpora import random_corpus

N, SIZE = 61, 50
LOSS = keras.losses.SparseCategoricalCrossentropy(
    from_logits=True, reduction="sum"
)


@pytest.fixture(scope="module")
def batch():
    tokens = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "Ġ"]
    tokens += [f"{i}" for i in range(SIZE - len(tokens))]
    batches = PretrainingBatches(
        random_corpus((30,), ids=np.arange(5, SIZE), longest=40),
        LongformerTokenizer({t: i for i, t in enumerate(tokens)}, []),
        sequence_length=N,
        batch_size=2,
        document_global=True,
        mask_selection_rate=0.3,
    )
    return next(iter(batches.dataset()))


def make_model(implementation):
    model = LongformerMaskedLM(
        LongformerBackbone(
            vocabulary_size=SIZE,
            num_layers=2,
            num_heads=3,
            hidden_dim=15,
            intermediate_dim=17,
            window_size=[4, 8],
            max_sequence_length=N,
            dropout=0.0,
            packed=True,
            pooler=False,
            implementation=implementation,
        )
    )
    for weight in model.weights:
        weight.assign(weight + 0.2 * tf.random.normal(weight.shape))
    return model


def alone(batch):
    """Each document of a batch as a row of its own, without segments."""
    x, y, weights = keras.tree.map_structure(np.asarray, batch)
    for row in range(len(y)):
        segments = x["segment_ids"][row]
        at, real = x["mask_positions"][row], weights[row] == 1
        for segment in range(segments.max() + 1):
            own = segments == segment
            mine = own[at] & real
            first = np.flatnonzero(own)[0]
            inputs = {
                name: x[name][row][own][None]
                for name in ("token_ids", "padding_mask", "global_mask")
                if name in x
            }
            inputs["mask_positions"] = (at[mine] - first)[None]
            yield row, mine, inputs, y[row][mine][None]


@pytest.mark.parametrize("document_global", [True, False])
@pytest.mark.parametrize(
    "implementation",
    ["chunked", pytest.param("native", marks=pytest.mark.native)],
)
def test_as_if_alone(batch, implementation, document_global, request):
    if implementation == "native":
        request.getfixturevalue("kernel")
    x, y, weights = batch
    if not document_global:
        x = {name: value for name, value in x.items() if name != "global_mask"}
    model = make_model(implementation)
    with tf.GradientTape() as tape:
        logits = model(x)
        loss = LOSS(y, logits, weights)
    gradients = tape.gradient(loss, model.trainable_variables)
    sums = [tf.zeros_like(v.value) for v in model.trainable_variables]
    total = count = 0
    for row, mine, inputs, targets in alone((x, y, weights)):
        with tf.GradientTape() as tape:
            own = model(inputs)
            own_loss = LOSS(targets, own)
        np.testing.assert_allclose(
            logits.numpy()[row, mine], own[0], rtol=1e-5, atol=1e-5
        )
        total, count = total + own_loss, count + mine.sum()
        own = tape.gradient(own_loss, model.trainable_variables)
        sums = [
            a if b is None else a + tf.convert_to_tensor(b)
            for a, b in zip(sums, own, strict=True)
        ]
    # Every masked token counts as much as it does alone.
    assert count == weights.numpy().sum()
    np.testing.assert_allclose(loss, total, rtol=1e-5)
    for a, b in zip(gradients, sums, strict=True):
        if a is not None:
            a = tf.convert_to_tensor(a).numpy()
            scale = np.abs(a).max()
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * scale + 1e-6)
