"""What a pretraining may be told, and the arguments of the command."""

import pytest

from keras_longformer.cli import main
from keras_longformer.cli import pretrain
from keras_longformer.pretrain.settings import Settings


def settings(*arguments):
    arguments = ["pretrain", *arguments]
    parser, _ = main._parser(arguments)
    given = vars(parser.parse_args(arguments))
    given.pop("command")
    return pretrain.read_settings(given)


TEXT = ("--train", "a.txt", "b.txt", "--output", "o")
PRESET = ("--preset", "p")
NEW = ("--tokenizer", "t", "--num-layers", "1", "--num-heads", "1")


def test_the_papers_values_are_the_defaults():
    chosen = settings(*TEXT, *PRESET)
    assert chosen.train == ("a.txt", "b.txt")
    assert (chosen.updates, chosen.batch_size) == (65_000, 64)
    assert (chosen.peak, chosen.warmup_updates, chosen.power) == (3e-5, 500, 3)
    assert chosen.accumulation_steps == 64
    assert chosen == Settings(("a.txt", "b.txt"), "o", preset="p")


def test_warms_up_in_short_trainings_too():
    assert settings(*TEXT, *PRESET, "--updates", "99").warmup_updates == 9
    assert settings(*TEXT, *PRESET, "--updates", "1").warmup_updates == 0


@pytest.mark.parametrize(
    "arguments, messages",
    [
        ([*PRESET, "--rows", "3"], ["--rows must divide --batch-size"]),
        (
            [*PRESET, "--rows", "3", "--warmup", "9", "--updates", "9"],
            ["--rows must divide", "warmup=9, updates=9"],
        ),
        ([], ["--preset, a RoBERTa", "not given: --tokenizer, --num-layers"]),
        ([*NEW], ["not given: --hidden-dim."]),
        ([*PRESET, *NEW], ["both: --preset and --tokenizer, --num-layers"]),
        (
            [*NEW, "--hidden-dim", "8", "--train-only", "positions"],
            ["a new model's are random"],
        ),
        ([*PRESET, "--validation-share", "0"], ["text to measure with"]),
        ([*PRESET, "--updates", "0"], ["must be 1 or more"]),
        ([*PRESET, "--dtype", "float8"], ["invalid choice: 'float8'"]),
    ],
)
def test_refuses_what_does_not_fit(capsys, arguments, messages):
    with pytest.raises(SystemExit) as info:
        settings(*TEXT, *arguments)
    assert info.value.code == 2
    said = capsys.readouterr().err
    assert all(message in said for message in messages)


def test_what_may_change_when_it_goes_on():
    first = Settings("a", "o", preset="p")
    for name, value in (("output", "x"), ("minutes", 1.0), ("keep_states", 5)):
        other = Settings(**{**vars(first), name: value})
        assert other.fingerprint() == first.fingerprint()
    for name, value in (("updates", 9), ("seed", 1), ("train", ("b",))):
        other = Settings(**{**vars(first), name: value})
        assert other.fingerprint() != first.fingerprint()
