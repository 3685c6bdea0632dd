"""Batches by length: what is in them, and that nothing is lost."""

import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.tasks.by_length import padded_shapes
from keras_longformer.tasks.by_length import shuffled_batches
from keras_longformer.tasks.by_length import shuffled_order
from keras_longformer.tasks.by_length import token_batches
from keras_longformer.tasks.by_length import widths_of
from keras_longformer.tasks.examples import Examples
from tests.tasks import small
from tests.tasks import table

WIDTHS = np.array([300, 256, 1024, 256, 512, 256, 300, 256, 1024, 256, 256])
SHAPES = np.stack([np.ones_like(WIDTHS), WIDTHS], -1)[:, None]
WORDS = ["good", "bad " * 60, "a text", "Ada " * 20, "", "bad " * 200]


def epochs(dataset, count=2):
    return [
        [b.tolist() for b in dataset.as_numpy_iterator()] for _ in range(count)
    ]


@pytest.mark.parametrize("shuffle", [True, False])
def test_each_text_once_and_no_batch_above_the_limit(shuffle):
    dataset = token_batches(SHAPES, 1100, shuffle)
    for batches in epochs(dataset):
        assert sorted(sum(batches, [])) == [*range(len(WIDTHS))]
        assert len(batches) == dataset.cardinality()
        for batch in batches:
            assert len(batch) * WIDTHS[batch].max() <= 1100


def test_batches_are_as_full_as_can_be():
    for batches in epochs(token_batches(SHAPES, 1100, True)):
        # 4 x 256, 3 x 300, 2 x 512, and twice 1,024.
        assert sorted(map(len, batches)) == [1, 1, 2, 3, 4]


def test_epochs_differ_and_what_is_not_shuffled_comes_longest_first():
    first, second = epochs(token_batches(SHAPES, 1100, True))
    assert first != second
    first, second = epochs(token_batches(SHAPES, 1100, False))
    assert first == second
    assert first[0] == [2] and first[1] == [8]


def test_a_text_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match="padded to 1024 tokens"):
        token_batches(SHAPES, 1000, True)


def test_batches_of_a_fixed_size_are_of_like_length():
    lengths = np.random.default_rng(0).permutation(np.arange(800) * 20)
    dataset = shuffled_batches(800, 8, lengths)
    for batches in epochs(dataset):
        assert sorted(sum(batches, [])) == [*range(800)]
        spread = [np.ptp(lengths[batch]) for batch in batches]
        assert np.median(spread) < 4000  # of 16,000


def make_classifier(**options):
    classifier = small.make_classifier(**options)
    classifier.preprocessor.pad_to = [16, 32, 64]
    return classifier


def test_predict_gives_the_same_in_the_same_order():
    classifier = make_classifier()
    expected = classifier.predict(WORDS, batch_size=1, verbose=0)
    y = classifier.predict(WORDS, tokens_per_batch=128, verbose=0)
    np.testing.assert_allclose(y, expected, atol=1e-5)


def test_fit_and_evaluate_keep_to_the_limit():
    classifier = make_classifier()
    seen = []
    build = classifier.preprocessor.call

    def call(x, y=None, sample_weight=None):
        outputs = build(x, y, sample_weight)
        if y is not None:
            tf.py_function(
                lambda m: seen.append(m.shape),
                [outputs[0]["padding_mask"]],
                [],
            )
        return outputs

    classifier.preprocessor.call = call
    labels = [0, 1, 0, 1, 0, 1]
    history = classifier.fit(
        WORDS,
        labels,
        tokens_per_batch=128,
        validation_data=(WORDS, labels),
        epochs=2,
        verbose=0,
    )
    assert len(history.history["val_loss"]) == 2
    assert sum(b for b, _ in seen) == 4 * len(WORDS)
    assert all(b * n <= 128 for b, n in seen)
    assert max(b for b, _ in seen) > 1
    expected = classifier.evaluate(WORDS, labels, verbose=0)
    loss = classifier.evaluate(WORDS, labels, tokens_per_batch=128, verbose=0)
    np.testing.assert_allclose(loss, expected, rtol=1e-4)


@pytest.mark.parametrize("name", ["multiple_choice", "masked_lm", "embedding"])
def test_the_rows_of_every_task_are_counted(name):
    task = table.BY_NAME[name].make()
    task.preprocessor.pad_to = [16, 32, 64]
    x = tf.constant(WORDS)
    if name == "multiple_choice":
        x = {
            "question": tf.constant(WORDS),
            "choices": tf.constant([["a", "b"]] * len(WORDS)),
        }
    if name == "embedding":
        x = (x, x[::-1])
    examples = Examples(x, None, None, len(WORDS))
    widths = widths_of(padded_shapes(task.preprocessor, examples))
    for i in range(len(WORDS)):
        alone = tf.nest.map_structure(lambda t, i=i: t[i : i + 1], x)
        inputs = task.preprocessor(x=alone)
        inputs = inputs[0] if isinstance(inputs, tuple) else inputs
        cells = [
            mask.numpy().size
            for key, mask in inputs.items()
            if key.endswith("padding_mask")
        ]
        assert widths[i] == sum(cells)


def test_both_texts_of_pairs_are_counted():
    classifier = small.make_classifier(pad_to="longest")
    x = (tf.constant(["a"] * 3), tf.constant(WORDS[:3]))
    shapes = padded_shapes(classifier.preprocessor, Examples(x, None, None, 3))
    inputs = classifier.preprocessor(x=x)
    want = inputs["padding_mask"].numpy().sum(-1)
    assert widths_of(shapes).tolist() == want.tolist()


@pytest.mark.parametrize("shuffle", [True, False])
def test_the_largest_of_each_input_count(shuffle):
    # Rows of choices: many short ones, few long ones; and two inputs.
    kinds = [[[2, 40], [1, 5]], [[8, 10], [1, 5]], [[1, 4], [1, 81]]]
    shapes = np.array(kinds * 9, np.int64)
    assert {*widths_of(shapes)} == {85}
    for batches in epochs(token_batches(shapes, 800, shuffle)):
        assert sorted(sum(batches, [])) == [*range(27)]
        for batch in batches:
            largest = shapes[batch].max(0)
            assert len(batch) * largest.prod(-1).sum() <= 800


def test_choices_that_are_not_there_are_not_counted():
    task = table.BY_NAME["multiple_choice"].make()
    task.preprocessor.pad_to = "longest"
    x = {
        "question": tf.constant(["a", "b"]),
        "choices": tf.ragged.constant([["a "] * 7, ["a"]]),
    }
    shapes = padded_shapes(task.preprocessor, Examples(x, None, None, 2))
    assert shapes[:, 0, 0].tolist() == [7, 1]


def test_a_decoder_is_padded_to_lengths_of_its_own():
    task = table.make_summarizer()
    task.preprocessor.pad_to = [64]
    x = {
        "encoder_text": tf.constant(["a long text", "b"]),
        "decoder_text": tf.constant(["a", "b " * 30]),
    }
    shapes = padded_shapes(task.preprocessor, Examples(x, None, None, 2))
    assert sorted(shapes[0, :, 1].tolist()) == [24, 64]


def test_what_cannot_be_is_refused():
    classifier = make_classifier()
    labels = [0, 1, 0, 1, 0, 1]
    with pytest.raises(ValueError, match="not both"):
        classifier.fit(WORDS, labels, batch_size=2, tokens_per_batch=1024)
    with pytest.raises(TypeError, match="must be an integer"):
        classifier.fit(WORDS, labels, tokens_per_batch="1024")
    with pytest.raises(ValueError, match='shuffle="batch"'):
        classifier.fit(WORDS, labels, shuffle="batch", tokens_per_batch=1024)
    dataset = tf.data.Dataset.from_tensor_slices((WORDS, labels)).batch(2)
    with pytest.raises(ValueError, match="tokens_per_batch.* in memory"):
        classifier.fit(dataset, tokens_per_batch=1024)
    with pytest.raises(ValueError, match="by length, which `steps`"):
        classifier.predict(WORDS, steps=1, tokens_per_batch=1024)
    classifier.preprocessor = None
    with pytest.raises(ValueError, match="no preprocessor"):
        classifier.predict({}, tokens_per_batch=1024)


@pytest.mark.parametrize("num", [0, 1, 7, 1003])
def test_order_that_follows_from_a_seed(num):
    lengths = np.random.default_rng(0).integers(10, 20000, num)
    order = shuffled_order(lengths, 8, [3, 1])
    assert sorted(order) == [*range(num)]
    np.testing.assert_array_equal(order, shuffled_order(lengths, 8, [3, 1]))
    if num > 100:
        assert (order != shuffled_order(lengths, 8, [3, 2])).mean() > 0.9
        batches = lengths[order[: num // 8 * 8]].reshape(-1, 8)
        # Of what the batches are padded to, little is padding.
        assert batches.max(1).sum() * 8 < 1.1 * batches.sum()
        assert (
            np.abs(np.corrcoef(batches.max(1), range(len(batches)))[0, 1]) < 0.3
        )
