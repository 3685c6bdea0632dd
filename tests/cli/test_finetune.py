"""The arguments of `keras-longformer finetune`."""

import pytest

from keras_longformer.cli import finetune
from keras_longformer.cli import main


def settings(*arguments):
    arguments = ["finetune", *arguments]
    parser, _ = main._parser(arguments)
    given = vars(parser.parse_args(arguments))
    given.pop("command")
    return finetune.read_settings(given)


NEEDED = ("--train", "a.csv", "--preset", "p", "--output", "o")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--rows", "3"], "--rows must divide --batch-size"),
        (["--word-column", "1"], "--word-column is not for --task regression"),
        (["--join-paragraphs"], "--join-paragraphs is not for"),
        (["--epochs", "0"], "must be 1 or more"),
        (["--warmup", "1"], "must be from 0 to less than 1"),
        (["--task", "nonsense"], "no task 'nonsense'. There are: multi_label"),
    ],
)
def test_refuses_arguments_that_do_not_fit(capsys, arguments, message):
    with pytest.raises(SystemExit) as info:
        settings("--task", "regression", *NEEDED, *arguments)
    assert info.value.code == 2
    assert message in capsys.readouterr().err


def test_hands_options_to_the_reader():
    task = ("--task", "token_classification")
    chosen, resume = settings(
        *task, *NEEDED, "--documents", "--label-column", "-2", "--resume"
    )
    assert resume
    assert chosen.options == {"documents": True, "label_column": -2}
    assert settings(*task, *NEEDED)[0].options == {}


def test_the_papers_values_are_the_defaults():
    chosen, _ = settings("--task", "text_classification", *NEEDED)
    assert (chosen.peak, chosen.batch_size, chosen.warmup) == (3e-5, 32, 0.1)
    assert chosen.accumulation_steps == 32
    from keras_longformer.finetune import finding

    epochs = {
        name: run.epochs for name, (_, run) in finding.fine_tunings().items()
    }
    assert epochs.pop("question_answering") == 5
    assert epochs.pop("summarization") == 5
    assert set(epochs.values()) == {15}


def test_help_lists_the_options_of_a_task(capsys):
    for task in ([], ["--task", "multiple_choice"]):
        with pytest.raises(SystemExit) as info:
            main.main(["finetune", *task, "--help"])
        assert info.value.code == 0
        said = capsys.readouterr().out
        assert ("--choices-column" in said) == bool(task)
