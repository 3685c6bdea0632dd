"""Whole pretrainings: precisions, and what can go wrong on the way."""

import json
import os
import resource
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_longformer as klf
from keras_longformer.cli.main import main
from keras_longformer.training.resume import TrainingStates
from tests.paths import ROOT
from tests.pretrain import tiny

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A preset and a corpus."""
    keras.utils.set_random_seed(5)
    folder = tmp_path_factory.mktemp("inputs")
    return (
        tiny.save_preset(folder / "preset"),
        tiny.save_corpus(folder / "corpus"),
    )


def bits(output):
    metrics = json.loads((output / "metrics.json").read_text())
    return [one["bits_per_token"] for one in metrics["history"]]


@pytest.mark.parametrize(
    "more",
    [
        {"dtype": "mixed_float16", "rows": 2, "rematerialize": True},
        {"dtype": "mixed_bfloat16"},
        {"dtype": "bfloat16"},
        {"packing": "crossing"},
        {"packing": "none", "rows": 1},
        {"document_global": True, "whole_words": True},
        {"train_only": "positions", "learning_rate": 1.0},
    ],
    ids=str,
)
def test_learns(inputs, tmp_path, more):
    arguments = tiny.command(tmp_path, *inputs, **{"updates": 20, **more})
    assert main(arguments) == 0
    before, after = bits(tmp_path)
    assert after < before - 0.05
    masked_lm = klf.LongformerMaskedLM.from_preset(str(tmp_path / "model"))
    assert not masked_lm.backbone.packed
    assert masked_lm.backbone.max_sequence_length == tiny.LENGTH
    assert masked_lm.preprocessor.sequence_length == tiny.LENGTH
    if more.get("train_only"):
        first = klf.LongformerMaskedLM.from_preset(
            inputs[0], max_sequence_length=tiny.LENGTH
        )
        for one, other in zip(first.weights, masked_lm.weights):
            same = np.array_equal(one.numpy(), other.numpy())
            assert same != ("position_embedding" in one.path)


def test_a_new_model(inputs, tmp_path):
    sizes = {"num_layers": 2, "num_heads": 3, "hidden_dim": 12}
    arguments = tiny.command(
        tmp_path,
        None,
        inputs[1],
        tokenizer=inputs[0],
        updates=20,
        window_size=8,
        **sizes,
    )
    assert main(arguments) == 0
    before, after = bits(tmp_path)
    assert after < before - 0.05


def test_pauses_and_goes_on(inputs, tmp_path, capsys):
    arguments = tiny.command(tmp_path, *inputs)
    assert main([*arguments, "--minutes", "1e-9"]) == 0
    assert "the same command goes on" in (tmp_path / "report.md").read_text()
    assert main(arguments) == 0
    assert "Going on after update 1 of 4" in capsys.readouterr().out
    assert len(bits(tmp_path)) == 2
    # All is done: the report is written again, and nothing trained.
    assert main(arguments) == 0
    assert "Going on after update 4 of 4" in capsys.readouterr().out


def test_a_loss_that_is_not_a_number(inputs, tmp_path, capsys):
    more = {"learning_rate": 1e30, "clip_norm": 0, "updates": 20}
    assert main(tiny.command(tmp_path, *inputs, **more)) == 1
    said = capsys.readouterr().err
    assert "not a number" in said or "is nan" in said
    assert "is kept" in said and "model', for --preset" in said
    newest = TrainingStates(str(tmp_path / "state")).newest()
    assert newest is not None and str(newest) in said
    model = klf.LongformerMaskedLM.from_preset(str(tmp_path / "model"))
    assert all(np.isfinite(w.numpy()).all() for w in model.weights)


def test_a_shard_that_cannot_be_read(inputs, tmp_path, capsys, monkeypatch):
    from keras_longformer.training.corpus.records import Corpus

    read = Corpus.read_shard

    def broken(self, index):
        if index == 1:
            raise ValueError("The shard 'shard-00001' is broken.")
        return read(self, index)

    held = tiny.save_corpus(tmp_path / "held", (9,))
    monkeypatch.setattr(Corpus, "read_shard", broken)
    output = tmp_path / "output"
    arguments = tiny.command(
        output, *inputs, validation=held, validation_share=None
    )
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert "cannot be read on: The shard 'shard-00001' is broken." in said
    assert "Traceback" not in said


def test_a_disk_that_is_full(inputs, tmp_path):
    """Files may have 20,000 bytes, and the variables of a state need more."""
    limit = 20_000
    process = subprocess.run(
        [sys.executable, "-m", "keras_longformer"]
        + tiny.command(tmp_path / "output", *inputs),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
        preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_FSIZE, (limit, limit)
        ),
    )
    assert process.returncode == 1, process.stderr[-3000:]
    assert "No state could be saved after batch 1 " in process.stderr
    assert "Training goes on" in process.stderr
    last = process.stderr.strip().splitlines()[-1]
    assert last.startswith("keras-longformer pretrain: No state could be saved")
    assert not list((tmp_path / "output" / "state").iterdir())
