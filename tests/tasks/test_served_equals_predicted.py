"""An exported model answers what the task's own `predict` says, or is refused.

Two layers at least: with one, only the first token is read, and no difference
in what the others see can be found.
"""

import json
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf
from keras_longformer.serving import probe
from tests.serving import exports
from tests.tasks import small
from tests.tasks.table import BY_NAME
from tests.tasks.table import KINDS
from tests.tasks.table import make

WAYS = [
    (kind, over_long)
    for kind in KINDS
    if kind.name != "summarization"  # Has its own tests.
    for over_long in ("truncate", "head_tail", "windows")
]


def assert_served(task, folder, **options):
    """Exports, which compares with `predict` of raw texts, and returns the
    export with its outputs for them."""
    exported = exports.export(task, folder, batch_sizes=[1], **options)
    manifest = json.loads(
        pathlib.Path(exported.folder, "manifest.json").read_text("utf-8")
    )
    assert manifest["probe"]["largest_difference"] <= 1e-5
    with np.load(pathlib.Path(exported.folder, probe.PROBE_FILE)) as file:
        outputs = {
            name.removeprefix("serving_default/outputs/"): file[name]
            for name in file.files
            if name.startswith("serving_default/outputs/")
        }
    return exported, outputs, manifest


@pytest.mark.parametrize(
    ("kind", "over_long"), WAYS, ids=[f"{k}-{o}" for k, o in WAYS]
)
def test_every_task_in_every_way(kind, over_long, tmp_path):
    task = kind.scaled()
    if over_long not in task.preprocessor.over_long_choices:
        with pytest.raises(ValueError, match="Take one of"):
            exports.export(task, tmp_path, over_long=over_long)
        return
    _, outputs, _ = assert_served(task, tmp_path, over_long=over_long)
    # The texts differ, so that rows in another order would be seen.
    numbers = [x for x in outputs.values() if x.dtype.kind == "f"]
    assert any(np.ptp(x[:, ...], axis=0).max() > 1e-3 for x in numbers)


@keras.saving.register_keras_serializable(package="tests")
class AllGlobal(klf.LongformerTextClassifierPreprocessor):
    """A user's own: all tokens are global."""

    def model_inputs(self, token_ids, padding_mask):
        inputs = super().model_inputs(token_ids, padding_mask)
        return {**inputs, "global_mask": padding_mask}


@keras.saving.register_keras_serializable(package="tests")
class LowerCase(klf.LongformerTextClassifierPreprocessor):
    """A user's own: another reading of texts."""

    def rows(self, x, **options):
        return super().rows(tf.strings.lower(x), **options)


def classifier(preprocessor, **config):
    task = BY_NAME["text_classification"].scaled(**config)
    task.preprocessor = preprocessor
    return task


def test_a_subclass_that_marks_other_tokens(tmp_path):
    task = classifier(
        AllGlobal(small.shared_tokenizer(), sequence_length=64),
        max_global_tokens=None,
    )
    exported, *_ = assert_served(task, tmp_path)
    call = exported.signature("serving_default")
    got = call(text=tf.constant(small.TEXTS))["logits"]
    task.preprocessor = klf.LongformerTextClassifierPreprocessor(
        small.shared_tokenizer(), sequence_length=64
    )
    task.predict_function = None
    plain = task.predict(small.TEXTS, verbose=0)
    assert not np.allclose(got, plain, atol=1e-3)


@pytest.mark.parametrize("over_long", ["truncate", "head_tail", "windows"])
def test_a_subclass_that_reads_otherwise(over_long, tmp_path):
    reader = LowerCase(small.shared_tokenizer(), sequence_length=64)
    task = classifier(reader)
    exported, *_ = assert_served(task, tmp_path, over_long=over_long)
    call = exported.signature("serving_default")
    upper, lower = (call(text=tf.constant([t])) for t in ("BAD", "bad"))
    np.testing.assert_array_equal(upper["logits"], lower["logits"])
    embed = exported.signature("embed")
    upper, lower = (embed(text=tf.constant([t])) for t in ("BAD", "bad"))
    np.testing.assert_array_equal(
        upper["mean_embedding"], lower["mean_embedding"]
    )


@pytest.mark.parametrize("over_long", ["truncate", "windows"])
def test_special_tokens_in_texts(over_long, tmp_path):
    tokenizer = small.make_tokenizer(special_tokens_in_text=True)
    task = classifier(
        klf.LongformerTextClassifierPreprocessor(tokenizer, sequence_length=64)
    )
    exported, _, manifest = assert_served(task, tmp_path, over_long=over_long)
    assert "'<mask>'" in manifest["text"]["special_tokens"]
    text = "bad <mask> text </s> good"
    served = exported.signature("serving_default")(text=tf.constant([text]))
    want = task.predict([text], verbose=0)
    np.testing.assert_allclose(served["logits"], want, atol=1e-5)
    task.preprocessor = klf.LongformerTextClassifierPreprocessor(
        small.shared_tokenizer(), sequence_length=64
    )
    task.predict_function = None
    ordinary = task.predict([text], verbose=0)
    assert not np.allclose(ordinary, want, atol=1e-3)


def test_pairs_have_two_inputs(tmp_path):
    task = BY_NAME["text_classification"].scaled(dropout=0.0)
    pairs = (small.TEXTS, small.TEXTS[::-1])
    task.compile(optimizer=keras.optimizers.SGD(0.0))
    task.fit(pairs, [0, 1, 2, 0, 1, 2], batch_size=6, verbose=0)
    assert task.preprocessor.num_texts == 2
    exported, *_ = assert_served(task, tmp_path)
    call = exported.signature("serving_default")
    assert set(call.structured_input_signature[1]) == {"text", "text_pair"}
    served = call(text=tf.constant(pairs[0]), text_pair=tf.constant(pairs[1]))
    want = task.predict(pairs, verbose=0)
    np.testing.assert_allclose(served["logits"], want, atol=1e-5)
    again = klf.LongformerTextClassifier
    task.save_to_preset(tmp_path / "preset")
    again = again.from_preset(str(tmp_path / "preset"))
    assert again.preprocessor.reads == ("text", "text_pair")
    with pytest.raises(ValueError, match="reads 2 texts.*Received: 1"):
        task.fit(small.TEXTS, [0] * 6, verbose=0)
    for over_long in ("head_tail", "windows"):
        with pytest.raises(ValueError, match="cannot read text and text_pair"):
            exports.export(task, tmp_path / "other", over_long=over_long)


def test_a_dataset_of_pairs():
    task = BY_NAME["text_classification"].make()
    pairs = (small.TEXTS, small.TEXTS[::-1])
    data = tf.data.Dataset.from_tensor_slices((pairs, [0, 1, 2, 0, 1, 2]))
    task.fit(data.batch(3), verbose=0)
    assert task.preprocessor.num_texts == 2


def test_head_tail_in_fit_and_predict(tmp_path):
    reader = klf.LongformerTextClassifierPreprocessor(
        small.shared_tokenizer(), sequence_length=16, over_long="head_tail"
    )
    task = classifier(reader)
    text = "good " * 30 + "bad " * 30
    same = "good " * 30 + "good " * 30
    ids = reader([text])["token_ids"].numpy()[0]
    tokens = small.shared_tokenizer().tokenize(text).numpy()
    assert ids.tolist() == [0, *tokens[:3], *tokens[-11:], 2]
    one, other = task.predict([text, same], verbose=0)
    assert not np.allclose(one, other, atol=1e-3)  # The end is read.
    # By default an export reads as `fit` did.
    exported, *_ = assert_served(task, tmp_path, buckets=[8, 16])
    served = exported.signature("serving_default")(text=tf.constant([text]))
    np.testing.assert_allclose(served["logits"], [one], atol=1e-5)
    again = type(reader).from_config(reader.get_config())
    assert again.over_long == "head_tail"
    with pytest.raises(ValueError, match="`over_long` must be one of"):
        type(reader)(small.shared_tokenizer(), over_long="windows")


class OwnCall(klf.LongformerTextClassifierPreprocessor):
    def call(self, x, y=None, sample_weight=None):
        return super().call(tf.strings.lower(x), y, sample_weight)


class OwnWindows(klf.LongformerTextClassifierPreprocessor):
    def windows(self, x, stride=None):
        return super().windows(tf.strings.lower(x), stride)


class InPython(klf.LongformerTextClassifierPreprocessor):
    def rows(self, x, **options):
        return super().rows([text.numpy().lower() for text in x], **options)


class InPyFunction(klf.LongformerTextClassifierPreprocessor):
    def rows(self, x, **options):
        lower = tf.numpy_function(lambda t: t, [x], tf.string)
        lower.set_shape(x.shape)
        return super().rows(lower, **options)


@pytest.mark.parametrize(
    ("kind", "match"),
    [
        (OwnCall, "OwnCall overrides `call`.*`rows` or `model_inputs`"),
        (OwnWindows, "OwnWindows overrides `windows`"),
        (InPython, "reading of .*InPython cannot become a graph"),
        (InPyFunction, "InPyFunction calls Python functions from the graph"),
    ],
)
def test_what_cannot_be_served_is_refused(kind, match, tmp_path):
    task = classifier(kind(small.shared_tokenizer(), sequence_length=64))
    with pytest.raises(ValueError, match=match):
        exports.export(task, tmp_path)
    assert not [p for p in tmp_path.rglob("*") if p.name != "preset"]


def test_a_task_that_predicts_otherwise_is_refused(tmp_path):
    class Shouting(klf.LongformerTextClassifier):
        def preprocess_samples(self, x, y=None, sample_weight=None):
            return super().preprocess_samples(tf.strings.upper(x), y)

    task = Shouting(
        small.make_backbone(num_layers=2),
        num_classes=2,
        preprocessor=small.make_classifier().preprocessor,
    )
    with pytest.raises(ValueError, match="Shouting overrides `preprocess_samp"):
        exports.export(task, tmp_path)


def test_other_preprocessors_are_refused(tmp_path):
    task = BY_NAME["text_classification"].make()
    task.preprocessor = lambda texts: texts
    with pytest.raises(TypeError, match="one of keras_longformer's.*function"):
        exports.export(task, tmp_path)


def test_a_difference_is_found(tmp_path, monkeypatch):
    """The probe asks `predict`, and exports nothing that it contradicts."""
    task = BY_NAME["text_classification"].scaled()
    answer = task.served_cls(task, task.preprocessor)
    real = type(answer).finish

    def wrong(self, outputs):
        outputs = real(self, outputs)
        return {**outputs, "logits": outputs["logits"] + 0.01}

    monkeypatch.setattr(type(answer), "finish", wrong)
    with pytest.raises(RuntimeError, match="`logits` differs by 0.01.*predict"):
        exports.export(task, tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_export_reads_no_other_kind_by_accident(tmp_path):
    """A backbone with a preprocessor of several texts reads single ones."""
    reader = make(klf.LongformerQuestionAnswering).preprocessor
    backbone = small.make_backbone(num_layers=2)
    exported = exports.export(
        backbone, tmp_path, preprocessor=reader, batch_sizes=[1]
    )
    embedded = exported.signature("embed")(text=tf.constant(small.TEXTS))
    assert embedded["mean_embedding"].shape == (6, 24)
