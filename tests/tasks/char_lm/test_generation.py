"""Generation with a rolling cache, against running the whole model."""

import keras_hub
import numpy as np
import pytest
import tensorflow as tf

from tests.tasks.char_lm.small import make
from tests.tasks.char_lm.small import text_of


def slow(value):
    return pytest.param(value, marks=pytest.mark.slow)


@pytest.fixture(scope="module")
def task():
    task = make()
    task.compile(sampler="greedy")
    return task


def greedily(task, prompt, length):
    """The whole model once more for each character."""
    run = tf.function(lambda ids: task({"token_ids": ids}))
    ids = task.preprocessor.tokenizer.tokenize(prompt).numpy().tolist()
    while len(ids) < length:
        # One shape: what stands behind changes nothing.
        padded = np.array([ids + [0] * (length - len(ids))], np.int32)
        logits = run(padded)
        ids.append(int(np.argmax(logits[0, len(ids) - 1])))
    return ids


@pytest.mark.parametrize("size", [slow(1), 45])
def test_step_gives_what_the_whole_model_gives(task, size):
    """Prompts shorter and longer than any window, dilated heads included."""
    ids = np.random.default_rng(1).integers(0, 8, (2, size + 20), np.int32)
    want = task({"token_ids": ids})
    cache = task.build_cache(ids[:, :size])
    run = tf.function(task.call_with_cache)
    for i in range(size, size + 20):
        logits, _, cache = run(ids[:, i : i + 1], cache, tf.constant(i))
        np.testing.assert_allclose(logits[:, 0], want[:, i], atol=1e-5)


def test_cache_does_not_grow(task):
    def size(n):
        cache = task.build_cache(np.zeros((1, n), np.int32))
        return sum(tf.size(x).numpy() for x in tf.nest.flatten(cache))

    assert size(2) == size(300)


def test_greedy_token_for_token(task):
    prompts = ["a", text_of(5), text_of(29, 1)]
    # Rows of a batch whose prompts differ in length, and each alone.
    together = task.generate(prompts, max_length=48, stop_token_ids=None)
    for prompt, text in zip(prompts, together, strict=True):
        ids = greedily(task, prompt, 48)
        want = task.preprocessor.tokenizer.detokenize(ids).numpy().decode()
        assert text == want
    alone = task.generate(prompts[0], max_length=48, stop_token_ids=None)
    assert alone == together[0]


@pytest.mark.parametrize(
    "sampler",
    [
        slow(keras_hub.samplers.TopPSampler(p=0.8, k=5, seed=1)),
        slow(keras_hub.samplers.TopKSampler(k=3, seed=1)),
        slow(keras_hub.samplers.RandomSampler(temperature=0.7, seed=1)),
        slow(keras_hub.samplers.BeamSampler(num_beams=2)),
    ],
)
def test_samplers(task, sampler):
    task.compile(sampler=sampler)
    prompts = ["abc", "hg"]
    texts = task.generate(prompts, max_length=12, stop_token_ids=None)
    assert [x[:2] for x in texts] == [x[:2] for x in prompts]
    task.compile(sampler="greedy")


@pytest.mark.slow
def test_stops(task):
    """At a token that ends, as KerasHub's models do."""
    whole = task.generate("abc", max_length=30, stop_token_ids=None)
    stop = task.preprocessor.tokenizer.token_to_id(whole[5])
    text = task.generate("abc", max_length=30, stop_token_ids=[stop])
    first = whole.index(whole[5], 3)
    assert text == whole[: first + 1]
    rest = task.generate("abc", max_length=9, strip_prompt=True)
    assert whole[3:9].startswith(rest)


def test_prompts_that_cannot_be(task):
    with pytest.raises(tf.errors.InvalidArgumentError, match="is empty"):
        task.generate("", max_length=9)
    with pytest.raises(tf.errors.InvalidArgumentError, match="10 tokens.*: 9"):
        task.generate("a" * 10, max_length=9)
