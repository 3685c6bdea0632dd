"""Classes of words: training, reading long texts, others' checkpoints."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf
from tests.golden.reading import GOLDEN
from tests.golden.reading import TOLERANCE
from tests.tasks import small

NAMES = ["O", "GOOD", "BAD"]
WORDS = [
    ["good", "a", "bad"],
    ["bad", "Ünïcödé"],
    ["good"],
    ["the", "bad", "good", "a"],
]
LABELS = [
    ["GOOD", "O", "BAD"],
    ["BAD", "O"],
    ["GOOD"],
    ["O", "BAD", "GOOD", "O"],
]


def make(preprocessor=None, class_names=NAMES, **config):
    preprocessor = {"sequence_length": 64, **(preprocessor or {})}
    return klf.LongformerTokenClassifier(
        small.make_backbone(
            **{"max_global_tokens": 0, "dropout": 0.0, **config}
        ),
        num_classes=3,
        preprocessor=klf.LongformerTokenClassifierPreprocessor(
            small.shared_tokenizer(), **preprocessor
        ),
        class_names=class_names,
    )


def fit(tagger, x, y, steps=12, jit_compile="auto"):
    tagger.compile(
        optimizer=keras.optimizers.AdamW(1e-2), jit_compile=jit_compile
    )
    history = tagger.fit(
        x * steps, y * steps, batch_size=4, epochs=2, verbose=0
    )
    return history.history


@pytest.mark.parametrize(
    "jit_compile, dtype",
    [(False, "float32"), (True, "float32"), (False, "mixed_bfloat16")],
)
def test_fit_and_decode(jit_compile, dtype):
    tagger = make(dtype=dtype)
    history = fit(tagger, WORDS, LABELS, jit_compile=jit_compile)
    assert history["loss"][1] < history["loss"][0]
    assert history["sparse_categorical_accuracy"][1] > 0.9
    outputs = tagger.predict_words(WORDS, verbose=0)
    assert [len(text) for text in outputs] == [3, 2, 1, 4]
    assert tagger.decode_predictions(outputs) == LABELS
    assert tagger.predict(WORDS, verbose=0).shape == (4, 64, 3)
    # Texts, and a dataset of ragged tensors.
    texts = [" ".join(words) for words in WORDS]
    outputs = tagger.predict_words(texts, verbose=0)
    assert tagger.decode_predictions(outputs) == LABELS
    data = tf.data.Dataset.from_tensor_slices(
        (tf.ragged.constant(WORDS), tf.ragged.constant(LABELS))
    ).batch(2)
    assert tagger.evaluate(data, verbose=0)[1] > 0.9


def test_the_loss_is_the_mean_over_words():
    tagger = make()
    loss = tagger.evaluate(WORDS, LABELS, verbose=0)[0]
    outputs = np.concatenate(tagger.predict_words(WORDS, verbose=0))
    labels = [NAMES.index(name) for text in LABELS for name in text]
    log_probabilities = tf.nn.log_softmax(outputs).numpy()
    want = -log_probabilities[np.arange(len(labels)), labels].mean()
    np.testing.assert_allclose(loss, want, rtol=1e-4)


def test_words_of_long_texts_come_from_windows():
    tagger = make()
    for weight in tagger.trainable_weights:  # So that words differ.
        weight.assign(weight * 10)
    words = ["good", "", "a", "x" * 9, "Ünïcödé", "bad"] * 11
    outputs = tagger.predict_words([words, ["good"], []], verbose=0)
    assert [len(text) for text in outputs] == [66, 1, 0]
    assert not outputs[0][1].any()  # An empty word has no token.
    tokens = tagger.preprocessor.tokenizer.tokenize(" ".join(["", *words[:1]]))
    assert len(tokens) == 2  # A blank and "good".
    # The first words are in the first window, with the same right context.
    inputs, windows = tagger.preprocessor.windows([words])
    want = tagger.predict_packed(inputs, verbose=0)
    assert windows.token_ids.nrows() > 3
    np.testing.assert_allclose(outputs[0][0], want[0, 1], atol=1e-5)
    np.testing.assert_allclose(outputs[0][2], want[0, 3], atol=1e-5)


def test_hugging_face_numbers():
    tagger = klf.LongformerTokenClassifier.from_preset(
        GOLDEN / "longformer-token_classifier", preprocessor=None
    )
    assert tagger.class_names == ["O", "B-PER", "I-PER"]
    assert tagger.backbone.max_global_tokens == 0
    with np.load(GOLDEN / "token_classifier.npz") as file:
        cases = {name.split("/")[0] for name in file.files} - {"versions"}
        assert len(cases) >= 5
        for case in cases:
            ids, mask, want = (
                file[f"{case}/{part}"]
                for part in ("token_ids", "padding_mask", "logits")
            )
            got = tagger(
                {
                    "token_ids": ids,
                    "padding_mask": mask,
                    "token_type_ids": np.zeros_like(ids),
                }
            )
            np.testing.assert_allclose(
                np.asarray(got)[mask], want[mask], rtol=0, atol=TOLERANCE
            )


def test_errors(tmp_path):
    with pytest.raises(ValueError, match="max_global_tokens=1"):
        make({"global_start": True})
    with pytest.raises(ValueError, match="must name each class once"):
        make(class_names=["O", "B"])
    tagger = make()
    with pytest.raises(ValueError, match="needs labels"):
        tagger.fit(WORDS)
    with pytest.raises(ValueError, match="3 words and 1 labels"):
        tagger.evaluate(WORDS[:1], [["O"]], verbose=0)
    klf.save_hugging_face(small.make_classifier(), tmp_path)
    with pytest.raises(ValueError, match="no classifier for a LongformerToken"):
        klf.LongformerTokenClassifier.from_preset(tmp_path)
    fresh = klf.LongformerTokenClassifier.from_preset(tmp_path, num_classes=4)
    assert fresh.predict(WORDS, verbose=0).shape[-1] == 4
