"""Raw text to model inputs."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.tasks.masked_lm.preprocessor import (
    LongformerMaskedLMPreprocessor,
)
from keras_longformer.tasks.text_classification.preprocessor import (
    LongformerTextClassifierPreprocessor,
)
from keras_longformer.tokenizers.byte_pair.tokenizer import LongformerTokenizer
from tests.vocabularies import tiny_vocabulary

TEXTS = ["hello", "", "l", "hello hello hello hello"]
LABELS = [1, 0, 0, 1]


@pytest.fixture
def classifier(tiny):
    return LongformerTextClassifierPreprocessor(tiny, sequence_length=10)


@pytest.fixture
def masked_lm(tiny):
    return LongformerMaskedLMPreprocessor(
        tiny, sequence_length=10, mask_selection_rate=0.5, seed=1
    )


def assert_same(got, wanted):
    keras.tree.assert_same_structure(got, wanted)
    for a, b in zip(
        keras.tree.flatten(got), keras.tree.flatten(wanted), strict=True
    ):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_classifier_inputs(classifier, tiny):
    x = classifier(TEXTS)
    ids, padding_mask = x["token_ids"].numpy(), x["padding_mask"].numpy()
    start, end, pad = 0, 2, 1
    assert ids.dtype == np.int32 and ids.shape == (4, 10)
    hello = tiny.tokenize("hello").numpy().tolist()
    assert ids[0].tolist() == [start, *hello, end, *[pad] * 5]
    assert ids[1].tolist() == [start, end, *[pad] * 8]
    assert ids[3, -1] == end and padding_mask[3].all()
    assert padding_mask.sum(1).tolist() == [5, 2, 3, 10]
    assert x["global_mask"].dtype == tf.bool
    assert x["global_mask"].numpy()[:, 0].all()
    assert x["global_mask"].numpy().sum() == 4


def test_one_text_has_no_batch_axis(classifier):
    one, batch = classifier("hello"), classifier(["hello"])
    assert_same(one, {name: value[0] for name, value in batch.items()})


def test_labels_and_weights_pass_through(classifier):
    x = classifier(TEXTS)
    labels, weights = np.array(LABELS), np.ones(4)
    for inputs in (TEXTS, np.array(TEXTS), tf.constant(TEXTS)):
        assert_same(classifier((inputs, labels)), (x, labels))
        assert_same(
            classifier(inputs, labels, sample_weight=weights),
            (x, labels, weights),
        )
    assert classifier(TEXTS, LABELS)[1].numpy().tolist() == LABELS


def test_pairs(classifier, tiny):
    x = classifier(x=(["l", "ell"], ["hello", ""]))
    hello = tiny.tokenize("hello").numpy().tolist()
    ell = tiny.token_to_id("l")
    ids = x["token_ids"].numpy()
    assert ids[0].tolist() == [0, ell, 2, 2, *hello, 2, 1, 1]
    assert ids[1].tolist() == [0, tiny.token_to_id("ell"), 2, 2, 2] + [1] * 5
    one = classifier(x=("l", "hello"))
    np.testing.assert_array_equal(one["token_ids"], ids[0])
    with pytest.raises(ValueError, match="tuple of 4"):
        classifier(x=("a", "b", "c", "d"))


def test_dynamic_lengths(tiny):
    longest = LongformerTextClassifierPreprocessor(tiny, sequence_length=None)
    assert longest(["l"])["token_ids"].shape == [1, 3]
    assert longest(TEXTS)["token_ids"].shape[1] > 10
    some = LongformerTextClassifierPreprocessor(
        tiny, sequence_length=12, pad_to=[4, 8, 12]
    )
    assert some(["l"])["token_ids"].shape == [1, 4]
    assert some(["hello"])["token_ids"].shape == [1, 8]
    assert some(TEXTS)["token_ids"].shape == [4, 12]


@pytest.mark.parametrize("name", ["classifier", "masked_lm"])
def test_data_pipeline(request, name):
    preprocessor = request.getfixturevalue(name)
    dataset = tf.data.Dataset.from_tensor_slices((TEXTS, LABELS))
    if name == "classifier":
        wanted = preprocessor(TEXTS, np.array(LABELS, np.int32))
        (got,) = dataset.batch(4).map(preprocessor)
        assert_same(got, wanted)
        singles = [x["token_ids"] for x, _ in dataset.map(preprocessor)]
        np.testing.assert_array_equal(tf.stack(singles), got[0]["token_ids"])
    else:
        texts = dataset.map(lambda text, label: text)
        ((x, y, weights),) = texts.batch(4).map(preprocessor)
        assert y.shape == weights.shape == x["mask_positions"].shape == [4, 6]
        assert weights.numpy().sum(1).tolist() == [2, 0, 1, 4]


def test_special_tokens_of_a_text_are_text(classifier):
    ids = classifier(["</s>"])["token_ids"].numpy()
    assert (ids == 2).sum() == 1


def test_masked_lm_inputs(masked_lm, tiny):
    x, y, weights = masked_lm(TEXTS)
    assert set(x) == {"token_ids", "padding_mask", "mask_positions"}
    plain = LongformerTextClassifierPreprocessor(tiny, sequence_length=10)
    originals = plain(TEXTS)["token_ids"].numpy()
    positions = x["mask_positions"].numpy()
    restored = x["token_ids"].numpy()
    for row in range(4):
        real = weights.numpy()[row] > 0
        at = positions[row, real]
        assert (originals[row, at] > 4).all()  # No special token.
        restored[row, at] = y.numpy()[row, real]
    np.testing.assert_array_equal(restored, originals)


def positions_of_epochs(tokenizer, seed):
    """Returns the mask positions of one text in three passes over it."""
    made = LongformerMaskedLMPreprocessor(
        tokenizer, sequence_length=40, mask_selection_rate=0.3, seed=seed
    )
    dataset = tf.data.Dataset.from_tensors(["hello " * 9]).map(made)
    return [
        x["mask_positions"].numpy().tolist()
        for _ in range(3)
        for x, *_ in dataset
    ]


def test_number_of_masks_follows_the_padded_length(tiny):
    made = LongformerMaskedLMPreprocessor(
        tiny, sequence_length=40, pad_to=[10, 40]
    )
    for texts, columns in ((["l"], 2), (["hello " * 9], 7)):
        _, y, weights = made(texts)
        assert y.shape == weights.shape == [1, columns]
        dataset = tf.data.Dataset.from_tensors(texts).map(made)
        assert [y.shape for _, y, _ in dataset] == [[1, columns]]


def test_masked_lm_whole_words(tiny):
    made = LongformerMaskedLMPreprocessor(
        tiny, sequence_length=60, whole_words=True, mask_selection_rate=0.3
    )
    assert made.get_config()["whole_words"]
    x, _, weights = made(["hello " * 9, "l hello"])
    for row, text in enumerate(("hello " * 9, "l hello")):
        ids = tiny.tokenize(text)
        word = np.cumsum(tiny.word_starts[ids.numpy()])
        at = x["mask_positions"][row][weights[row] > 0] - 1
        chosen = np.isin(np.arange(len(word)), at)
        for number in np.unique(word):
            assert len(set(chosen[word == number])) == 1


def test_masked_lm_seed(tiny):
    first = positions_of_epochs(tiny, 5)
    assert first == positions_of_epochs(tiny, 5)
    assert first[0] != first[1] != first[2]


def test_masked_lm_without_seed(tiny):
    keras.utils.set_random_seed(3)
    first = positions_of_epochs(tiny, None)
    assert first != positions_of_epochs(tiny, None)
    keras.utils.set_random_seed(3)
    assert first == positions_of_epochs(tiny, None)


def test_fill_mask(masked_lm, tiny):
    x = masked_lm.fill_mask_preprocess(["l <mask> l</s>", "hello"])
    ids, positions = x["token_ids"].numpy(), x["mask_positions"].numpy()
    assert ids[0, :3].tolist() == [0, tiny.token_to_id("l"), 4]
    assert (ids[0] == 2).sum() <= 1  # `</s>` in the text is text.
    assert positions.tolist() == [[2], [0]]
    one = masked_lm.fill_mask_preprocess("<mask>l<mask>")
    assert one["mask_positions"].numpy().tolist() == [1, 3]
    again = masked_lm.fill_mask_preprocess("<mask>l<mask>")
    assert_same(one, again)


def test_global_start(tiny):
    made = LongformerMaskedLMPreprocessor(
        tiny, sequence_length=None, global_start=True
    )
    x, *_ = made(TEXTS)
    assert x["global_mask"].numpy().sum(1).tolist() == [1] * 4
    assert "global_mask" in made.fill_mask_preprocess("l")


@pytest.mark.parametrize(
    ("cls", "options"),
    [
        (LongformerTextClassifierPreprocessor, {"pad_to": [8, 16]}),
        (
            LongformerMaskedLMPreprocessor,
            {
                "mask_selection_rate": 0.2,
                "mask_selection_length": 3,
                "mask_token_rate": 0.7,
                "random_token_rate": 0.2,
                "global_start": True,
                "pad_to": "longest",
                "seed": 9,
            },
        ),
    ],
)
def test_config_and_preset(tiny, cls, options, tmp_path):
    options = {"sequence_length": 16, "truncate": "waterfall", **options}
    made = cls(tiny, **options)
    made.save_to_preset(str(tmp_path))
    (path,) = tmp_path.glob("preprocessor.json")
    config = json.loads(path.read_text("utf-8"))
    copy = keras.saving.deserialize_keras_object(config)
    copy.load_preset_assets(str(tmp_path))
    assert type(copy) is cls
    assert {**copy.get_config(), **options} == copy.get_config()
    got = copy("hello hello")
    assert_same(got, cls(tiny, **options)("hello hello"))


def test_numpy_length(tiny):
    made = LongformerTextClassifierPreprocessor(
        tiny, sequence_length=np.int64(16)
    )
    assert made("hello")["token_ids"].shape == (16,)


def test_wrong_arguments(tiny):
    for length in (1, 16.0, "16"):
        with pytest.raises(ValueError, match="leaves room for `<s>`"):
            LongformerTextClassifierPreprocessor(tiny, sequence_length=length)
    with pytest.raises(ValueError, match=r"random_token_rate=1.05"):
        LongformerMaskedLMPreprocessor(tiny, mask_token_rate=0.95)
    padding = LongformerTokenizer(*tiny_vocabulary(), sequence_length=4)
    made = LongformerTextClassifierPreprocessor(padding)
    with pytest.raises(ValueError, match="its tokenizer must not"):
        made("hello")
    with pytest.raises(TypeError, match="tensor of string"):
        LongformerTextClassifierPreprocessor(tiny)(np.ones(3))
    with pytest.raises(TypeError, match="'token_ids'.*preprocessor = None"):
        LongformerTextClassifierPreprocessor(tiny)(
            {"token_ids": np.ones((1, 3), int)}
        )


def test_no_texts(tiny):
    assert len(tiny([])) == 0
    inputs = LongformerTextClassifierPreprocessor(tiny, pad_to="longest")([])
    assert inputs["token_ids"].shape == (0, 2)


def test_saved_model(classifier, tmp_path):
    module = tf.Module()
    module.preprocessor = classifier

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def serve(texts):
        return classifier(texts)

    module.serve = serve
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    assert_same(loaded.serve(tf.constant(TEXTS)), classifier(TEXTS))
