"""Phases of a pretraining, and the character language model in them."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_longformer as klf
from keras_longformer.cli.main import main
from keras_longformer.pretrain import char_lm
from keras_longformer.pretrain.run import OBJECTIVES
from keras_longformer.pretrain.run import run
from keras_longformer.pretrain.settings import Settings
from keras_longformer.tasks.char_lm.evaluation import Evaluation
from keras_longformer.training.resume import TrainingStates
from tests.paths import ROOT

TEXT = b"to be or not to be, that is the question. " * 40


class OfAnyModel(char_lm.CharLM):
    """The objective, of a model whose windows are only written down."""

    def open(self):
        task = klf.LongformerCharLM.from_configuration(
            "char_small",
            phase=0,
            num_layers=1,
            num_heads=1,
            hidden_dim=4,
            intermediate_dim=4,
            dilation=1,
            window_size=[4],
        )
        self.tokenizer = task.preprocessor.tokenizer
        self._windows, self._length = [4], 8
        return None

    def in_phase(self, model, phase):
        ids = keras.Input((None,), dtype="int32", name="token_ids")
        x = keras.layers.Embedding(258, 6)(ids)
        x = keras.layers.Dropout(0.3)(x)
        model = keras.Model({"token_ids": ids}, keras.layers.Dense(258)(x))
        model.windows = phase.window_size
        model.bits_per_character = lambda *_, **__: Evaluation(1.0, 2)
        return model

    def finished(self, model):
        return klf.LongformerByteTokenizer()

    def said(self, model):
        yield f"windows {model.windows}"


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text"
    path.write_bytes(TEXT)
    return str(path)


def settings_of(text, output, **more):
    return Settings(
        **{
            "train": text,
            "output": str(output),
            "task": "char_lm",
            "max_sequence_length": 8,
            "updates": (2, 2),
            "batch_size": (2, 1),
            "peak": 1e-2,
            "save_minutes": 0.0,
            **more,
        }
    )


def state(output):
    newest = TrainingStates(str(output / "state")).newest()
    reader = tf.train.load_checkpoint(str(newest / "variables"))
    names = reader.get_variable_to_shape_map()
    names.pop("_CHECKPOINTABLE_OBJECT_GRAPH")
    return {name: reader.get_tensor(name) for name in names}


def test_interrupted_in_each_phase(text, tmp_path, monkeypatch, capsys):
    """Weights, optimizer and dropout are equal to the last bit."""
    monkeypatch.setitem(OBJECTIVES, "char_lm", OfAnyModel)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(settings_of(text, whole))
    # After each batch: two are an update in the first phase, one in the second.
    for update in (0, 1, 1, 3):
        run(settings_of(text, parts, minutes=1e-9))
        history = json.loads((parts / "metrics.json").read_text())
        assert history["updates"] == update and history["paused"]
    run(settings_of(text, parts))
    assert "Going on after update 3 of 4" in capsys.readouterr().out
    metrics = [
        json.loads((folder / "metrics.json").read_text())["history"]
        for folder in (whole, parts)
    ]
    assert [(x["phase"], x["update"]) for x in metrics[0]] == [
        *((1, 0), (1, 2), (2, 2), (2, 4))
    ]
    assert "windows 8" in (whole / "report.md").read_text()
    want, got = state(whole), state(parts)
    assert want.keys() == got.keys()
    for name, value in want.items():
        np.testing.assert_array_equal(got[name], value, err_msg=name)
    with pytest.raises(ValueError, match="updates: it was .2, 2., now"):
        run(settings_of(text, parts, updates=(2, 3)))


def arguments(text, output, *more):
    return [
        *("pretrain", "--task", "char_lm", "--train", text),
        *("--max-sequence-length", "16", "--output", str(output)),
        *("--updates", "30", "10", "--batch-size", "8", "4", "--rows", "4"),
        *("--learning-rate", "1e-2", "--validation-share", "0.1"),
        *more,
    ]


NEW = [
    *("--num-layers", "2", "--num-heads", "2", "--hidden-dim", "8"),
    *("--window-size", "4", "8", "--gaps", "0", "1"),
]


def test_from_a_text_to_one_that_goes_on(text, tmp_path, capsys):
    output = tmp_path / "output"
    assert main(arguments(text, output, *NEW, "--test")) == 0
    content = json.loads((output / "metrics.json").read_text())
    history = content["history"]
    bits = [one["bits_per_character"] for one in history]
    assert bits[-1] < 5 < bits[0]
    assert content["test"]["tokens"] == round(0.1 * len(TEXT)) - 1
    model = klf.LongformerCharLM.from_preset(str(output / "model"))
    assert model.backbone.window_size == [8, 16]
    assert model.backbone.dilation == [1, [2, 2]]
    assert model.preprocessor.sequence_length == 32
    found = model.bits_per_character(TEXT[-168:], 32257, stride=512)
    assert found.bits_per_character == pytest.approx(
        content["test"]["bits_per_character"], rel=1e-5
    )
    page = (output / "report.md").read_text()
    assert "phase 2: 10 updates of 4 rows of 32 tokens" in page
    assert "windows 8, 16" in page and "**Test: " in page
    assert "bits per token" not in capsys.readouterr().out.split("bits_per")[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "more", [["--dtype", "mixed_bfloat16"], ["--rematerialize"]], ids=str
)
def test_goes_on_from_a_preset(text, tmp_path, more):
    first, second = tmp_path / "first", tmp_path / "second"
    assert main(arguments(text, first, *NEW, *more)) == 0
    preset = ["--preset", str(first / "model"), *more]
    assert main(arguments(text, second, *preset)) == 0
    histories = [
        json.loads((folder / "metrics.json").read_text())["history"]
        for folder in (first, second)
    ]
    ends = [one[-1]["bits_per_character"] for one in histories]
    assert ends[1] < ends[0]


ON_DEVICES = """
import sys
import tensorflow as tf
count = int(sys.argv[1])
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * count,
)
from keras_longformer.cli.main import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.slow
def test_on_two_devices(text, tmp_path):
    ends = []
    for count in (1, 2):
        output = tmp_path / str(count)
        more = ["--dropout", "0"]
        if count > 1:
            more += ["--distribution", "mirrored"]
        process = subprocess.run(
            [sys.executable, "-c", ON_DEVICES, str(count)]
            + arguments(text, output, *NEW, *more),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == 0, process.stderr[-3000:]
        history = json.loads((output / "metrics.json").read_text())["history"]
        ends.append(history[-1]["bits_per_character"])
    assert ends[1] == pytest.approx(ends[0], rel=1e-5)


def test_the_papers_phases():
    objective = char_lm.CharLM(Settings("a", "b", task="char_lm"))
    objective._windows = [32, 512]
    phases = objective.phases()
    assert [x.updates for x in phases] == [
        430_000,
        50_000,
        50_000,
        35_000,
        5_000,
    ]
    assert [x.batch_size for x in phases] == [32, 32, 16, 16, 16]
    assert [x.max_sequence_length for x in phases] == [
        *(2_048, 4_096, 8_192, 16_384, 23_040)
    ]
    assert [x.window_size[1] for x in phases] == [512, 1024, 2048, 4096, 8192]
    assert phases[4].peak == 1.5625e-5 and phases[0].clip_norm == 0.25
    assert [x.warmup for x in phases] == [10_000, 5_000, 5_000, 3_500, 500]


def test_parts_of_enwik8():
    text = np.broadcast_to(np.uint8(7), char_lm.OFFICIAL)
    parts = char_lm.split(text)
    assert (len(parts.train), len(parts.validation)) == (90_000_000, 5_000_000)
    assert parts.test is None
    assert len(char_lm.split(text, wants_test=True).test) == 5_000_000
    other = np.arange(100)
    train, validation, test = char_lm.split(other, wants_test=True, share=0.1)
    np.testing.assert_array_equal([*train, *validation, *test], other)
    assert (len(validation), len(test)) == (10, 10)
    train, validation, test = char_lm.split(other, validation=other[:3])
    assert len(train) == 100 and len(validation) == 3 and test is None
    with pytest.raises(ValueError, match="Of 9 characters, 0 are left to mea"):
        char_lm.split(other[:9])


@pytest.mark.parametrize(
    "given, said",
    [
        ({"tokenizer": "a"}, "--tokenizer: of --task masked_lm"),
        ({"updates": (2, 3), "batch_size": (1, 2, 3)}, "more phases"),
        ({"rows": 4, "batch_size": (8, 6)}, "--rows must divide"),
        ({"num_layers": 2}, "need --num-heads, --hidden-dim"),
        ({"num_layers": 2, "preset": "p"}, "Received: --preset, --num-layers"),
        ({"preset": "p", "gaps": (1,)}, "--gaps: of a new model"),
        ({"test": (), "validation_share": 0.6}, "--validation-share"),
        ({"task": "masked_lm", "preset": "p", "gaps": (1,)}, "of --task char"),
        ({"task": "other"}, "There are: char_lm, masked_lm"),
    ],
    ids=str,
)
def test_settings_that_cannot_be(given, said):
    with pytest.raises(ValueError, match=said):
        Settings("a", "b", **{"task": "char_lm", **given})
