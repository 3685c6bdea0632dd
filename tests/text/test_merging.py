"""What a model says of windows, put together."""

import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.text.merging import mean_of_windows
from keras_longformer.text.merging import tokens_of_windows
from keras_longformer.text.template import RowTemplate
from keras_longformer.text.template import repeated
from keras_longformer.text.windows import cut_windows
from tests.tasks import small

LONG = "a long and good text about whales. " * 9
TEXTS = ["good", LONG, "", "x" * 100]

TEMPLATE = RowTemplate(start=(0,), between=(2, 2), end=(2,), pad=1)


def windows_of(lengths, longest, stride=None):
    texts = tf.RaggedTensor.from_row_lengths(
        tf.range(sum(lengths)), tf.constant(lengths, tf.int64)
    )
    prefix = tf.concat([repeated((0,), texts)] * 3, 1)
    return texts, cut_windows(
        texts, prefix, longest=longest, template=TEMPLATE, stride=stride
    )


@pytest.mark.parametrize("stride", [None, 1, 3, 7])
def test_tokens_come_from_the_window_with_most_context(stride):
    lengths = [0, 5, 31, 12, 7]
    texts, windows = windows_of(lengths, 11, stride)
    ids = windows.token_ids.to_tensor(-1)
    n = ids.shape[1]
    row = np.broadcast_to(np.arange(len(ids))[:, None], ids.shape)
    outputs = np.stack([ids, row], -1)
    got = tokens_of_windows(tf.constant(outputs), windows)
    assert got.row_lengths().numpy().tolist() == lengths
    np.testing.assert_array_equal(got.values[:, 0], texts.values)
    index, first, column, size = (x.numpy() for x in windows[1:5])
    assert n == 11 and set(column) == {3}
    for text, length in enumerate(lengths):
        for token in range(length):
            contexts = {}
            for i in np.flatnonzero(index == text):
                within = token - first[i]
                if not 0 <= within < size[i]:
                    continue
                left = np.inf if first[i] == 0 else within
                is_last = first[i] + size[i] == length
                right = np.inf if is_last else size[i] - 1 - within
                contexts[i] = min(left, right)
            best = max(contexts.values())
            chosen = got[text, token, 1].numpy()
            assert contexts[chosen] == best
            assert chosen == min(i for i, c in contexts.items() if c == best)


def test_mean():
    _, windows = windows_of([3, 17], 9)
    rows = windows.token_ids.nrows()
    outputs = tf.random.normal([rows, 3])
    got = mean_of_windows(outputs, windows)
    np.testing.assert_array_equal(got[0], outputs[0])
    np.testing.assert_allclose(got[1], outputs.numpy()[1:].mean(0), rtol=1e-5)


def test_predict_windows_of_a_classifier():
    classifier = small.make_classifier(pad_to=[16, 64])
    for weight in classifier.trainable_weights:  # So that texts differ.
        weight.assign(weight * 10)
    got = classifier.predict_windows(TEXTS, stride=11, verbose=0)
    # Short texts: as they are without windows.
    want = classifier.predict(TEXTS, verbose=0)
    np.testing.assert_allclose(got[[0, 2]], want[[0, 2]], atol=1e-4)
    inputs, windows = classifier.preprocessor.windows(TEXTS, stride=11)
    logits = classifier(inputs).numpy()
    of = windows.text_index.numpy()
    assert (of == 1).sum() > 5
    for i in (1, 3):
        np.testing.assert_allclose(got[i], logits[of == i].mean(0), atol=1e-4)
    assert np.abs(got[1] - want[1]).max() > 0.01


def test_models_without_windows():
    with pytest.raises(ValueError, match="LongformerMaskedLM.* Take `predict`"):
        small.make_masked_lm().predict_windows(TEXTS)
    classifier = small.make_classifier()
    classifier.preprocessor = None
    with pytest.raises(ValueError, match="preprocessor=NoneType"):
        classifier.predict_windows(TEXTS)
