"""The parts of a pretraining, without one."""

import math
import os
import signal
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.pretrain import held_out
from keras_longformer.pretrain import report
from keras_longformer.pretrain.masked_lm import MaskedLM
from keras_longformer.pretrain.measure import Measure
from keras_longformer.pretrain.measure import Measured
from keras_longformer.pretrain.settings import Settings
from keras_longformer.pretrain.training import MOST_SKIPPED
from keras_longformer.pretrain.training import NotFiniteError
from keras_longformer.pretrain.training import Place
from keras_longformer.pretrain.training import Training
from keras_longformer.pretrain.training import Watch
from keras_longformer.training.corpus.records import Corpus
from keras_longformer.training.resume import TrainingStates
from keras_longformer.training.stopping import StopRequest
from tests.pretrain import tiny


def documents(corpus):
    found = []
    for index in range(len(corpus.shards)):
        ids, offsets = corpus.read_shard(index)
        found += [tuple(x) for x in np.split(ids, offsets[1:-1])]
    return found


def test_holds_out_documents(tmp_path):
    corpus = Corpus.open(tiny.save_corpus(tmp_path / "corpus", (11, 1, 6, 2)))
    rest, held = held_out.hold_out(corpus, 0.2, seed=1)
    assert len(held.lengths) == 4 and len(rest.lengths) == 16
    together = documents(rest) + documents(held)
    assert sorted(together) == sorted(documents(corpus))
    for part in (rest, held):
        assert [len(x) for x in documents(part)] == list(part.lengths)
        counts = [(s.documents, s.first_document) for s in part.shards]
        assert sum(count for count, _ in counts) == len(part.lengths)
        assert [first for _, first in counts] == list(
            np.cumsum([0, *(count for count, _ in counts)])[:-1]
        )
        assert part.characters_per_token == 3.0
    assert held_out.whole(corpus).shards[2].first_document == 12
    single = Corpus.open(tiny.save_corpus(tmp_path / "single", (1,)))
    with pytest.raises(ValueError, match="--validation"):
        held_out.hold_out(single, 0.5, seed=1)


def test_says_which_shard_cannot_be_read(tmp_path):
    corpus = Corpus.open(tiny.save_corpus(tmp_path / "corpus"))
    part = held_out.whole(corpus)
    corpus.shards[1].path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="shard-00001"):
        part.read_shard(1)
    assert "shard-00001" in str(part.failure)


def test_measures_as_numpy_does():
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(6, 5, 7)).astype("float32")
    ids = generator.integers(0, 7, (6, 5))
    weights = generator.integers(0, 2, (6, 5)).astype("float32")
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    bits = -np.log2(np.take_along_axis(shares, ids[..., None], -1)[..., 0])
    want = (bits * weights).sum() / weights.sum()
    inputs = keras.Input((5, 7))
    model = keras.Model(inputs, keras.layers.Identity()(inputs))
    data = tf.data.Dataset.from_tensor_slices((logits, ids, weights))
    got = Measure(model, 2.5)(data.batch(2).repeat(), 3)
    assert got == pytest.approx(
        (want, want / 2.5, 2**want, weights.sum()), rel=1e-5
    )


@pytest.fixture
def watched(tmp_path):
    """A `Watch` of a model of one weight, of which update 2 is saved."""

    def make(scaled=False, **more):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        optimizer = keras.optimizers.SGD(0.1)
        if scaled:
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        model.compile(optimizer, "mse")
        settings = Settings(
            "a",
            str(tmp_path),
            preset="p",
            **{"updates": 9, "batch_size": 2, "save_minutes": 99, **more},
        )
        training = types.SimpleNamespace(
            settings=settings,
            model=model,
            objective=MaskedLM(settings),
            before=Place(),
            stop=StopRequest(),
            end=18,
            updates=9,
            states=TrainingStates(str(tmp_path / "state"), keep=2),
            data=types.SimpleNamespace(
                tokens_per_row=8, measure=lambda: Measured(2.0, 0.5, 4.0, 11)
            ),
        )
        watch = Watch(training, 4, {"history": [], "seconds": 7.0})
        watch.save()
        return watch

    return make


def test_stops_at_a_loss_that_is_not_a_number(watched):
    watch = watched()
    watch.on_train_batch_end(0, {"loss": 1.0})
    with pytest.raises(NotFiniteError) as info:
        watch.on_train_batch_end(1, {"loss": math.nan})
    said = str(info.value)
    assert "loss of update 3 is nan" in said
    assert "of update 2, is kept" in said and "state-000001" in said
    assert "--learning-rate" in said


def test_passes_over_losses_that_were_scaled_too_much(watched):
    watch = watched(scaled=True)
    for _ in range(3):
        for _ in range(3):
            watch.on_train_batch_end(0, {"loss": math.inf})
        watch.on_train_batch_end(0, {"loss": 1.0})
    watch.step = 4
    with pytest.raises(NotFiniteError, match=f"{MOST_SKIPPED} batches in a"):
        for _ in range(MOST_SKIPPED):
            watch.on_train_batch_end(0, {"loss": math.inf})


def test_keeps_no_state_with_a_weight_that_is_not_a_number(watched):
    watch = watched()
    watch.model.layers[0].bias.assign([math.nan])
    with pytest.raises(NotFiniteError, match="of update 2, is kept"):
        watch.save()
    assert len(watch.training.states.found()) == 1


def test_goes_on_where_the_disk_is_full(watched, monkeypatch, capsys):
    watch = watched(save_minutes=0.0)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("keras_longformer.training.resume.os.rename", full)
        watch.on_train_batch_end(0, {"loss": 1.0})
    said = capsys.readouterr().err
    assert "No space left" in said and "Training goes on" in said
    assert "state-000001' is the last one" in said
    watch.on_train_batch_end(1, {"loss": 1.0})
    assert watch.training.states.read_facts()["step"] == 6


def test_measures_saves_and_ends(watched, capsys):
    watch = watched(validate_every=4)
    while not watch.model.stop_training:
        watch.on_train_batch_end(0, {"loss": 2 * math.log(2)})
    assert [x["update"] for x in watch.facts["history"]] == [4, 8, 9]
    assert watch.facts["history"][0]["train_bits_per_token"] == 2.0
    facts = watch.training.states.read_facts()
    assert facts["step"] == 18 and facts["seconds"] >= 7.0
    assert "Update 9: held-out bits per token 2.0000" in capsys.readouterr().out


def test_saves_when_a_scheduler_asks_to_stop(watched):
    watch = watched()
    with watch.training.stop:
        os.kill(os.getpid(), signal.SIGTERM)
        watch.on_train_batch_end(0, {"loss": 1.0})
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert watch.model.stop_training
    assert watch.training.states.read_facts()["step"] == 5


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """The objective and its model, whose positions alone are trained."""
    folder = tmp_path_factory.mktemp("preset")
    settings = Settings(
        "a",
        str(folder / "output"),
        preset=tiny.save_preset(folder / "preset"),
        max_sequence_length=tiny.LENGTH,
        train_only="positions",
        rematerialize=True,
    )
    objective = MaskedLM(settings)
    return objective, objective.open()


def test_positions_alone_are_trained(opened):
    objective, model = opened
    Training(objective, objective.settings, model, None, None).compile()
    positions = model.backbone.embeddings.position_embedding.embeddings
    assert [x is positions for x in model.trainable_variables] == [True]
    # Of all others nothing is kept: two moments, a sum and a count.
    kept = sum(math.prod(x.shape) for x in model.optimizer.variables)
    assert kept == 3 * math.prod(positions.shape) + 1


def test_logits_are_of_masked_tokens_alone(opened):
    """And the embeddings are there once, for both ends."""
    _, model = opened
    n, k, v = tiny.LENGTH, 5, model.backbone.vocabulary_size
    inputs = {
        "token_ids": tf.zeros((2, n), tf.int32),
        "padding_mask": tf.ones((2, n), tf.bool),
        "segment_ids": tf.zeros((2, n), tf.int32),
        "mask_positions": tf.zeros((2, k), tf.int32),
    }
    graph = tf.function(lambda: model(inputs, training=True))
    outputs = [
        tuple(output.shape)
        for operation in graph.get_concrete_function().graph.get_operations()
        for output in operation.outputs
        if output.shape.rank is not None
    ]
    of_vocabulary = {shape for shape in outputs if shape[-1:] == (v,)}
    assert (2, k, v) in of_vocabulary
    assert not [shape for shape in of_vocabulary if n in shape]
    tables = [w for w in model.weights if v in w.shape and len(w.shape) > 1]
    assert len(tables) == 1


def test_report_of_a_training_that_pauses_at_once(tmp_path):
    settings = Settings("a", str(tmp_path), preset="p")
    measured = Measured(1500.0, 500.0, math.inf, 9)
    one = {"phase": 1, "update": 0, **measured._asdict()}
    one["train_bits_per_token"] = None
    facts = {"history": [one], "updates": 1, "seconds": 1.0, "paused": True}
    facts["taken"] = "Attention by nothing."
    objective = MaskedLM(settings)
    objective.said = lambda model: ["a line"]
    report.write(objective, None, facts, settings, measured)
    page = (tmp_path / "report.md").read_text()
    assert "after update 1; the same command goes on" in page
    assert "| 0 | 1500.0000 | 500.0000 | inf |  |" in page
    assert (tmp_path / "report.png").stat().st_size > 1000
