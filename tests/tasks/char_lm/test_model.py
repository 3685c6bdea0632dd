import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf
from keras_longformer.tasks.char_lm.configurations import CONFIGURATIONS
from keras_longformer.tasks.char_lm.evaluation import windows_of
from tests.tasks.char_lm.small import make
from tests.tasks.char_lm.small import text_of


def test_inputs_and_targets():
    preprocessor = klf.LongformerCharLMPreprocessor(
        klf.LongformerByteTokenizer(), sequence_length=4
    )
    x, y, weights = preprocessor(["abc", "abcdef", ""])
    pad = 256
    np.testing.assert_array_equal(
        x["token_ids"],
        [[97, 98, 99, pad], [97, 98, 99, 100], [pad] * 4],
    )
    np.testing.assert_array_equal(
        y, [[98, 99, pad, pad], [98, 99, 100, 101], [pad] * 4]
    )
    np.testing.assert_array_equal(
        weights, [[1, 1, 0, 0], [1, 1, 1, 1], [0] * 4]
    )
    framed = klf.LongformerCharLMPreprocessor(
        klf.LongformerByteTokenizer(),
        sequence_length=4,
        add_start_token=True,
        add_end_token=True,
    )
    x, y, weights = framed("ab")
    np.testing.assert_array_equal(x["token_ids"], [257, 97, 98, 257])
    np.testing.assert_array_equal(y, [97, 98, 257, pad])
    np.testing.assert_array_equal(weights, [1, 1, 1, 0])
    with pytest.raises(ValueError, match="from texts alone"):
        preprocessor(["a"], [1])


def test_fits_texts_and_generates_what_it_learnt(tmp_path):
    task = make(scale=0.0, num_layers=1, window_size=8, dilation=1, dropout=0.0)
    assert isinstance(task, keras_hub.models.CausalLM)
    text = "abcdefgh" * 3
    task.compile(optimizer=keras.optimizers.AdamW(2e-2), sampler="greedy")
    history = task.fit([text] * 8, batch_size=4, epochs=25, verbose=0).history
    assert history["loss"][-1] < 0.1 * history["loss"][0]
    np.testing.assert_allclose(
        np.array(history["bits_per_character"]) * np.log(2),
        history["loss"],
        rtol=1e-4,
    )
    assert task.generate("abc", max_length=20) == text[:20]
    assert task.bits_per_character(text).bits_per_character < 0.5
    task.save_to_preset(str(tmp_path / "preset"))
    again = klf.LongformerCharLM.from_preset(str(tmp_path / "preset"))
    assert again.bits_per_character(text) == task.bits_per_character(text)
    task.save(str(tmp_path / "task.keras"))
    again = keras.saving.load_model(str(tmp_path / "task.keras"))
    x = {"token_ids": np.array([[0, 1, 2]], np.int32)}
    np.testing.assert_array_equal(again(x), task(x))
    assert type(again.sampler) is type(task.sampler)
    assert int(again.optimizer.iterations) == 50


@pytest.mark.parametrize(
    "count, length, stride", [(12, 6, 2), (12, 6, 6), (5, 9, 3), (2, 1, 1)]
)
def test_each_character_counts_once(count, length, stride):
    scored = []
    for window in windows_of(count, length, stride):
        assert 0 <= window.start and window.stop - window.start <= length
        last = window.stop + 1
        scored += range(last - window.scored, last)
    assert scored == list(range(1, count))


@pytest.mark.parametrize(
    "stride, batch_size",
    [(5, 3), pytest.param(16, 1, marks=pytest.mark.slow)],
)
def test_evaluation_equals_a_loop(stride, batch_size):
    task, text = make(), text_of(59)
    ids = task.preprocessor.tokenizer.tokenize(text).numpy()
    run = tf.function(
        lambda ids: task({"token_ids": ids}),
        input_signature=[tf.TensorSpec([None, None], tf.int32)],
    )
    bits = []
    for place in range(1, len(ids)):
        if place <= 16:
            start = 0
        else:  # The window that predicts it among its last.
            last = min(-(-(place - 16) // stride) * stride + 16, len(ids) - 1)
            start = last - 16
        logits = run(ids[None, start:place])[0, -1]
        logits = np.asarray(logits, np.float64)
        nats = np.log(np.exp(logits).sum()) - logits[ids[place]]
        bits.append(nats / np.log(2))
    got = task.bits_per_character(
        text, sequence_length=16, stride=stride, batch_size=batch_size
    )
    assert got.characters == 58
    np.testing.assert_allclose(got.bits_per_character, np.mean(bits), rtol=1e-5)
    whole = task.bits_per_character(text)
    logits = np.asarray(task({"token_ids": ids[None, :-1]})[0], np.float64)
    logits -= np.log(np.exp(logits).sum(-1, keepdims=True))
    want = -logits[np.arange(58), ids[1:]].mean() / np.log(2)
    np.testing.assert_allclose(whole.bits_per_character, want, rtol=1e-5)


def test_evaluation_refuses():
    task = make()
    with pytest.raises(ValueError, match="would be left out"):
        task.bits_per_character("abc", sequence_length=4, stride=5)
    with pytest.raises(ValueError, match="two characters"):
        task.bits_per_character("a")


@pytest.mark.parametrize(
    "name, millions, layers", [("char_small", 41, 12), ("char_large", 102, 30)]
)
def test_the_papers_sizes(name, millions, layers):
    configuration = CONFIGURATIONS[name]
    assert configuration.backbone["num_layers"] == layers
    assert [phase.rate for phase in configuration.phases][-1] == 1.5625e-5
    first, last = (configuration.phases[i].window_size for i in (0, -1))
    assert (first[0], first[-1], last[0], last[-1]) == (32, 512, 512, 8192)
    width, wide = 512, 2048
    a_layer = 4 * (width + 1) * width + 2 * width * wide + width + wide
    positions = width * width + 2 * width
    count = layers * (a_layer + positions + 4 * width)
    assert abs(count / 1e6 - millions) < 1
