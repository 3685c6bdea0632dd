"""Tasks on raw strings: what is not the same for all of them."""

import h5py
import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf
from tests.tasks import small
from tests.tasks.small import LABELS
from tests.tasks.small import TEXTS


def fit(task, steps=1, jit_compile="auto", **options):
    """Two epochs of `steps` batches: their losses."""
    task.compile(
        optimizer=keras.optimizers.AdamW(1e-2),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=jit_compile,
    )
    is_classifier = isinstance(task, klf.LongformerTextClassifier)
    labels = [LABELS * steps] if is_classifier else []
    history = task.fit(
        TEXTS * steps, *labels, batch_size=6, epochs=2, verbose=0, **options
    )
    return history.history["loss"]


def test_fit_learns_and_predicts():
    classifier = small.make_classifier(pad_to=[16, 64], dropout=0.0)
    fit(classifier, steps=20)
    logits = classifier.predict(TEXTS, verbose=0)
    assert (logits.argmax(-1) == LABELS).all()
    # One text at a time pads to another length, and says the same.
    alone = [classifier.predict([text], verbose=0)[0] for text in TEXTS[:3]]
    np.testing.assert_allclose(alone, logits[:3], atol=1e-4)


def test_fit_with_any_number_of_global_tokens():
    classifier = small.make_classifier(max_global_tokens=None)
    inputs, y, _ = keras.utils.unpack_x_y_sample_weight(
        classifier.preprocessor(TEXTS, LABELS)
    )
    inputs["global_mask"] |= inputs["token_ids"] == 70
    data = tf.data.Dataset.from_tensor_slices((inputs, y)).batch(2)
    classifier.preprocessor = None
    history = classifier.fit(data, epochs=2, verbose=0).history["loss"]
    assert history[1] < history[0]


def test_rematerialized_fit():
    plain = small.make_classifier(dropout=0.0)
    again = small.make_classifier(dropout=0.0, rematerialize=True)
    again.set_weights(plain.get_weights())
    losses = [fit(task, shuffle=False) for task in (plain, again)]
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_saved_and_loaded_without_an_optimizer(tmp_path):
    task = small.make_classifier()
    task.compile(optimizer=None)
    task.save(tmp_path / "task.keras")
    again = keras.saving.load_model(tmp_path / "task.keras")
    assert again.compiled and again.optimizer is None


def test_preset_leaves_the_optimizer_out(tmp_path):
    """Its state is of the optimizer that trained, as no other can take it."""
    task = small.make_classifier()
    fit(task)
    task.save_to_preset(tmp_path)
    again = type(task).from_preset(tmp_path)  # Any warning fails the test.
    assert len(task.optimizer.variables) > len(again.optimizer.variables)
    with h5py.File(tmp_path / "task.weights.h5") as file:
        assert "optimizer" not in file


# What is loaded is compiled, and finds no optimizer in the file.
@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")
def test_saved_without_compiling(tmp_path):
    made = small.make_classifier()
    task = klf.LongformerTextClassifier(
        made.backbone,
        num_classes=2,
        preprocessor=made.preprocessor,
        compile=False,
    )
    task.save_to_preset(tmp_path / "preset")
    task.save(tmp_path / "task.keras")
    want = task(task.preprocessor(TEXTS))
    for again in (
        type(task).from_preset(str(tmp_path / "preset")),
        keras.saving.load_model(tmp_path / "task.keras"),
    ):
        got = again(again.preprocessor(TEXTS))
        np.testing.assert_array_equal(got, want)


def test_keras_hub_finds_our_classes(tmp_path):
    classifier = small.make_classifier()
    classifier.save_to_preset(tmp_path)
    again = keras_hub.models.TextClassifier.from_preset(str(tmp_path))
    assert type(again) is klf.LongformerTextClassifier
    tokenizer = keras_hub.tokenizers.Tokenizer.from_preset(str(tmp_path))
    assert type(tokenizer) is klf.LongformerTokenizer


def test_pretrained_then_made_long_then_classified(tmp_path):
    """A masked LM's preset opens as a classifier of longer texts."""
    masked_lm = small.make_masked_lm()
    masked_lm.save_to_preset(tmp_path)
    classifier = klf.LongformerTextClassifier.from_preset(
        tmp_path, num_classes=3, max_sequence_length=100, window_size=16
    )
    backbone = classifier.backbone
    assert backbone.max_global_tokens == 1
    assert backbone.max_sequence_length == 100
    assert classifier.preprocessor.sequence_length == 100
    assert classifier.predict(TEXTS, verbose=0).shape == (len(TEXTS), 3)
    attention = backbone.transformer_layers[0].attention
    np.testing.assert_array_equal(
        attention.global_value.kernel, attention.value.kernel
    )


def test_fills_masks():
    masked_lm = small.make_masked_lm()
    fit(masked_lm)
    inputs = masked_lm.preprocessor.fill_mask_preprocess(
        ["a <mask> text", "no mask", "<mask> and <mask>"]
    )
    logits = masked_lm(inputs)
    size = masked_lm.backbone.vocabulary_size
    assert logits.shape == (3, 2, size)


def test_tied_embeddings():
    masked_lm = small.make_masked_lm()
    size = masked_lm.backbone.vocabulary_size
    tables = [w.path for w in masked_lm.weights if size in w.shape]
    assert tables == [
        "embeddings/token_embedding/embeddings",
        "lm_head/output_bias",
    ]


def test_softmax_activation():
    classifier = klf.LongformerTextClassifier(
        small.make_backbone(),
        num_classes=2,
        preprocessor=small.make_classifier().preprocessor,
        activation="softmax",
    )
    assert not classifier.loss.from_logits
    assert small.make_classifier().loss.from_logits
    total = classifier.predict(TEXTS, verbose=0).sum(-1)
    np.testing.assert_allclose(total, 1, rtol=1e-5)
    again = type(classifier).from_config(classifier.get_config())
    assert again.get_config() == classifier.get_config()


def test_vocabularies_must_fit():
    preprocessor = small.make_classifier().preprocessor
    for config, match in (
        (dict(vocabulary_size=99), "embeddings for 99"),
        (dict(pad_token_id=0), "pads with 1.*pad_token_id=0"),
    ):
        with pytest.raises(ValueError, match=match):
            klf.LongformerTextClassifier(
                small.make_backbone(**config),
                num_classes=2,
                preprocessor=preprocessor,
            )


def test_sample_weights_and_datasets():
    classifier = small.make_classifier()
    data = tf.data.Dataset.from_tensor_slices(
        (TEXTS, LABELS, np.ones(len(TEXTS), "float32"))
    ).batch(3)
    history = classifier.fit(data, verbose=0).history
    assert np.isfinite(history["loss"]).all()


def test_a_step_is_traced_once():
    """Variables that are made within it would have it traced again."""
    traced = []

    def loss(y, logits):
        traced.append(logits)
        return keras.losses.sparse_categorical_crossentropy(
            y, logits, from_logits=True
        )

    classifier = small.make_classifier()
    classifier.compile("adam", loss, weighted_metrics=["accuracy"])
    classifier.fit(small.TEXTS, small.LABELS, verbose=0)
    assert len(traced) == 1
    classifier.evaluate(small.TEXTS, small.LABELS, verbose=0)
    assert len(traced) == 2
