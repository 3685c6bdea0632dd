"""The exported model goes on with texts as `generate` does."""

import keras_hub
import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf
from tests.tasks.char_lm.small import make
from tests.tasks.char_lm.small import text_of


@pytest.fixture(scope="module")
def task():
    task = make(alphabet=None, num_layers=1, window_size=6, dilation=[[3, 1]])
    task.compile(sampler="greedy")
    return task


def test_goes_on_as_generate_does(task, tmp_path):
    folder = klf.export_saved_model(task, str(tmp_path), max_new_tokens=13)
    loaded = tf.saved_model.load(folder)
    graph = loaded.signatures["serving_default"].graph.as_graph_def()
    ops = {node.op for node in graph.node}
    for function in graph.library.function:
        ops |= {node.op for node in function.node_def}
    assert not {op for op in ops if op.startswith("Xla") or "PyFunc" in op}
    prompts = [text_of(31), "b", "naïve"]
    got = loaded.signatures["serving_default"](text=tf.constant(prompts))
    for i, prompt in enumerate(prompts):
        size = len(prompt.encode()) + 13
        want = task.generate(prompt, max_length=size)
        assert got["text"][i].numpy().decode() == want
        new = got["token_ids"][i].numpy()
        assert new.shape == (13,)
    with pytest.raises(tf.errors.InvalidArgumentError, match="is empty"):
        loaded.signatures["serving_default"](text=tf.constant([""]))


@pytest.mark.slow
def test_verified(task, tmp_path):
    klf.export_saved_model(task, str(tmp_path), max_new_tokens=5)
    report = klf.verify_saved_model(str(tmp_path))
    assert report["largest_difference"] < 1e-3


@pytest.mark.slow
def test_samples(task, tmp_path):
    sampler = keras_hub.samplers.TopPSampler(p=0.9, temperature=0.8, seed=3)
    task.compile(sampler=sampler)
    folder = klf.export_saved_model(task, str(tmp_path), max_new_tokens=9)
    served = tf.saved_model.load(folder).signatures["serving_default"]
    texts = {served(text=tf.constant(["abc"]))["text"][0].numpy()}
    for _ in range(4):
        texts.add(served(text=tf.constant(["abc"]))["text"][0].numpy())
    assert len(texts) > 1
    task.compile(sampler="greedy")


def test_refused(task, tmp_path):
    with pytest.raises(ValueError, match="without `buckets`, `xla`"):
        klf.export_saved_model(task, str(tmp_path), buckets=[8], xla=True)
    with pytest.raises(ValueError, match="1 or more"):
        klf.export_saved_model(task, str(tmp_path), max_new_tokens=0)
    task.compile(sampler="beam")
    with pytest.raises(ValueError, match="token by token.*BeamSampler"):
        klf.export_saved_model(task, str(tmp_path))
    task.compile(sampler="greedy")
    assert not np.any([*tmp_path.iterdir()])
