"""Fitting, generating, keeping: of text, without transformers."""

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf
from keras_longformer.tasks.summarization.loss import SmoothedCrossEntropy
from tests.tasks import small
from tests.tasks.table import make_summarizer

# Of words that are tokens, so that little must be learned.
DOCUMENTS = ["a good text", "the bad text", "good good text a", "bad a"]
SUMMARIES = ["good", "bad", "good", "bad"]
PAIRS = {"encoder_text": DOCUMENTS, "decoder_text": SUMMARIES}


@pytest.fixture(scope="module")
def fitted():
    """A model that has learned which of two words a text has."""
    keras.utils.set_random_seed(3)
    task = make_summarizer(dropout=0.0)
    task.compile(optimizer=keras.optimizers.Adam(5e-3), jit_compile=False)
    many = {name: texts * 250 for name, texts in PAIRS.items()}
    task.fit(many, batch_size=4, shuffle=False, verbose=0)
    return task


def test_rows():
    """The decoder's inputs are the targets after </s>."""
    preprocessor = make_summarizer().preprocessor
    x, y, weights = preprocessor(PAIRS)
    ids = preprocessor.tokenizer.tokenize("good").numpy().tolist()
    assert ids == [preprocessor.tokenizer.token_to_id("good")]
    start, pad, end = 0, 1, 2
    size = [2, *x["decoder_token_ids"].shape[1:]]
    assert size == [2, 24]
    assert x["decoder_token_ids"][0, :4].numpy().tolist() == [
        *(end, start, ids[0]),
        pad,
    ]
    assert y[0, :4].numpy().tolist() == [start, ids[0], end, pad]
    assert weights[0].numpy().tolist() == [1.0] * 3 + [0.0] * 21
    assert x["encoder_global_mask"].numpy()[:, 0].all()
    assert x["encoder_global_mask"].numpy().sum() == 4


def test_lengths_and_global_tokens():
    preprocessor = klf.LongformerSeq2SeqLMPreprocessor(
        small.shared_tokenizer(),
        sequence_length=64,
        decoder_sequence_length=8,
        global_tokens="none",
        pad_to=[16, 32, 64],
    )
    texts = {"encoder_text": ["bad " * 9], "decoder_text": ["bad " * 50]}
    x, y, weights = preprocessor(texts, sample_weight=[0.5])
    assert x["encoder_token_ids"].shape == (1, 32)
    assert not x["encoder_global_mask"].numpy().any()
    assert y.shape == (1, 8) and y[0, -1] == 2  # Cut off, and ended.
    assert weights.numpy().tolist() == [[0.5] * 8]
    with pytest.raises(ValueError, match="beside the documents"):
        preprocessor(texts, [1])
    with pytest.raises(ValueError, match='"encoder_text" and "decoder_text"'):
        preprocessor({"encoder_text": ["a"]})


def test_learns_and_writes(fitted):
    assert fitted.generate(DOCUMENTS) == SUMMARIES
    fitted.compile(run_eagerly=True)
    assert fitted.generate("bad a") == "bad"
    # A beginning is kept, whatever the others' lengths.
    begun = fitted.generate(
        {"encoder_text": DOCUMENTS, "decoder_text": ["bad", "", "", ""]}
    )
    assert begun[0].startswith("bad") and begun[1:] == SUMMARIES[1:]
    with pytest.raises(ValueError, match="up to the decoder's positions, 32"):
        fitted.generate("bad a", max_length=33)


@pytest.mark.parametrize(
    "sampler",
    [
        klf.BeamSearch(num_beams=3),
        "greedy",
        keras_hub.samplers.BeamSampler(num_beams=2),
        keras_hub.samplers.TopKSampler(k=1, seed=1),
    ],
    ids=["beam search", "greedy", "KerasHub's beams", "top_k"],
)
def test_samplers(fitted, sampler):
    fitted.compile(sampler=sampler, run_eagerly=True)
    assert fitted.generate(DOCUMENTS[:2], max_length=8) == SUMMARIES[:2]


def test_no_beam_changes_another(fitted):
    """One document or several, alone or beside longer ones."""
    fitted.compile(
        sampler=klf.BeamSearch(num_beams=4, min_length=6), run_eagerly=True
    )
    together = fitted.generate(DOCUMENTS, max_length=8)
    assert together[2] == fitted.generate(DOCUMENTS[2], max_length=8)


@pytest.mark.parametrize("num_beams", [1, 3])
def test_time_is_up(fitted, num_beams):
    """What is there is the text; with time enough, nothing changes."""
    want, limited = [], []
    for seconds in (None, 1e4, 1e-9):
        fitted.compile(
            sampler=klf.BeamSearch(
                num_beams=num_beams, min_length=6, max_seconds=seconds
            )
        )
        inputs = fitted.preprocessor.generate_preprocess(
            DOCUMENTS, sequence_length=8
        )
        ids = fitted.generate_step(inputs, [2])["decoder_token_ids"].numpy()
        (limited if seconds == 1e-9 else want).append(ids)
    np.testing.assert_array_equal(*want)
    assert (want[0][:, 1:5] != 1).all()
    np.testing.assert_array_equal(limited[0][:, 1], want[0][:, 1])
    np.testing.assert_array_equal(limited[0][:, 2:], 1)  # <pad>


def test_kept_as_it_searches(tmp_path):
    task = make_summarizer()
    task.compile(
        sampler=klf.BeamSearch(num_beams=3, length_penalty=2.0, max_seconds=9.0)
    )
    task.save(tmp_path / "task.keras")
    again = keras.saving.load_model(tmp_path / "task.keras")
    assert again.sampler.get_config() == task.sampler.get_config()
    made = klf.LongformerSeq2SeqLM(
        task.backbone, task.preprocessor, generation={"num_beams": 2}
    )
    assert made.sampler.num_beams == 2


def test_opened_longer(tmp_path):
    task = make_summarizer()
    task.save_to_preset(tmp_path)
    again = klf.LongformerSeq2SeqLM.from_preset(
        tmp_path, max_sequence_length=150, window_size=16
    )
    assert again.preprocessor.sequence_length == 150
    table = again.backbone.encoder_embeddings.position_embedding.embeddings
    np.testing.assert_array_equal(table[:64], table[64:128])


def test_smoothed():
    """As the formula says, over all tokens of the vocabulary."""
    logits = np.random.default_rng(0).normal(size=(2, 3, 7)).astype("float32")
    labels = np.array([[1, 2, 3], [4, 5, 6]])
    likely = tf.nn.log_softmax(logits).numpy()
    of_labels = np.take_along_axis(likely, labels[..., None], -1)[..., 0]
    weights = np.array([[1.0, 1, 0], [1, 0, 0]])
    for e in (0.0, 0.1):
        each = -(1 - e) * of_labels - e * likely.mean(-1)
        got = SmoothedCrossEntropy(e)(labels, logits, weights)
        assert float(got) == pytest.approx((each * weights).sum() / 3, rel=1e-5)
    with pytest.raises(ValueError, match="label_smoothing=1"):
        make_summarizer_with(label_smoothing=1)


def make_summarizer_with(**options):
    task = make_summarizer()
    return klf.LongformerSeq2SeqLM(task.backbone, task.preprocessor, **options)


@pytest.mark.parametrize(
    "options, match",
    [
        ({"num_beams": 0}, "num_beams=0"),
        ({"early_stopping": "soon"}, "early_stopping='soon'"),
        ({"min_length": -1}, "min_length=-1"),
        ({"max_seconds": 0}, "max_seconds=0"),
    ],
    ids=str,
)
def test_searches_that_cannot_be(options, match):
    with pytest.raises(ValueError, match=match):
        klf.BeamSearch(**options)


def test_too_many_tokens():
    task = make_summarizer()
    ids = np.ones((1, 65), "int32")
    with pytest.raises(tf.errors.InvalidArgumentError, match="=64 tokens"):
        task({"encoder_token_ids": ids, "decoder_token_ids": ids[:, :2]})
    with pytest.raises(tf.errors.InvalidArgumentError, match="=32 tokens"):
        task({"encoder_token_ids": ids[:, :9], "decoder_token_ids": ids})


def test_rematerialized_gradients():
    """The same numbers, dropout included."""
    gradients = []
    for rematerialize in (False, True):
        keras.utils.set_random_seed(7)
        task = make_summarizer(dropout=0.3, rematerialize=rematerialize)
        x, y, weights = task.preprocessor(PAIRS)
        with tf.GradientTape() as tape:
            loss = task.loss(y, task(x, training=True), weights)
        gradients.append(tape.gradient(loss, task.trainable_variables))
    for one, other in zip(*gradients, strict=True):
        one, other = map(tf.convert_to_tensor, (one, other))
        np.testing.assert_allclose(one, other, atol=1e-6)
