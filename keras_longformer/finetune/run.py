"""All steps of a run, one after the other."""

import dataclasses
import os
import time

import keras

from keras_longformer.finetune import report
from keras_longformer.finetune.examples import read_examples
from keras_longformer.finetune.finding import find_fine_tuning
from keras_longformer.finetune.settings import Settings
from keras_longformer.finetune.training import Training
from keras_longformer.finetune.training import check_resume
from keras_longformer.ops import settle_default
from keras_longformer.ops import taken
from keras_longformer.serving.export import export_saved_model
from keras_longformer.tasks.finetuning import Outcome
from keras_longformer.training.lock import owned
from keras_longformer.training.progress import Progress
from keras_longformer.training.resume import TrainingStates
from keras_longformer.unfinished import whole_folder

LOCK = "running.json"


def run(settings: Settings, resume: bool = False) -> Outcome:
    """Reads, trains, measures, writes and exports.

    Args:
        settings: the run's.
        resume: bool, whether to go on with the training in the output folder.

    Returns:
        What was measured at the end.

    Raises:
        DataError: all that is wrong with the data, before anything else.
        ValueError, OSError: task, files, preset or folder cannot be used, or
            another process is writing to the folder.
        ImportError: a package that is needed is missing.
    """
    task_cls, fine_tuning = find_fine_tuning(settings.task)
    task = fine_tuning(task_cls, **settings.options)
    if settings.epochs is None:
        settings = dataclasses.replace(settings, epochs=task.epochs)
    examples = read_examples(task, settings)
    with owned(os.path.join(settings.output, LOCK)):
        return _train(task, settings, examples, resume)


def _train(task, settings, examples, resume):
    begin = time.monotonic()
    states = TrainingStates(os.path.join(settings.output, "state"))
    training = Training(task, settings, examples, states)
    check_resume(training, resume)
    print(
        f"{len(examples.train):,} examples to train on, "
        f"{len(examples.validation):,} for validation"
        + (f", {len(examples.test):,} to test" if examples.test else ""),
        flush=True,
    )
    attention = settle_default((states.read_facts() or {}).get("attention"))
    taken_before = taken.now()
    keras.utils.set_random_seed(settings.seed)
    model = task.open(settings.preset, examples.labels, **_options(settings))
    training.compile(model)
    facts = training.run(model, resume, attention)

    measured = settings.test or settings.validation or settings.train
    rows = examples.test if settings.test else examples.validation
    outcome = training.measure(model, rows)
    facts["taken"] = taken.sentence(taken_before)
    report.write(
        outcome,
        measured,
        len(rows),
        facts,
        settings,
        task.metric,
        time.monotonic() - begin,
    )
    _save(model, settings)
    return outcome


def evaluate(
    task: str,
    preset: str,
    data: str,
    *,
    output: str | None = None,
    batch_size: int = 8,
    limit: int | None = None,
    options: dict | None = None,
    **keywords,
) -> Outcome:
    """Measures a fine-tuned model on a file.

    Args:
        task: str, what `finding.find_fine_tuning` takes.
        preset: str, the model: a folder that `save_to_preset` wrote, or a
            checkpoint with the task's head.
        data: str, the file.
        output: str, a folder for `metrics.json`, `predictions.jsonl` and
            `report.png`, or `None`.
        batch_size: int, rows that go through the model at once.
        limit: int, examples to measure with, or `None` for all.
        options: dict, those of the task's reader.
        **keywords: those of `from_preset`, such as `max_sequence_length`.

    Raises:
        DataError: all that is wrong with the data.
        ValueError, OSError: task, file, preset or folder cannot be used.
    """
    task_cls, fine_tuning = find_fine_tuning(task)
    contract = fine_tuning(task_cls, **(options or {}))
    if not os.path.exists(data):
        raise FileNotFoundError(f"There is no file '{data}'.")
    model = contract.open(preset, None, **keywords)
    examples = contract.read(data, contract.labels_of(model))[:limit]
    with Progress("Measuring", len(examples)) as progress:
        outcome = contract.measure(model, examples, batch_size, progress)
    if output is not None:
        with owned(os.path.join(output, LOCK)):
            report.write_outcome(
                outcome,
                output,
                title=report.title(task, data, len(examples)),
                facts={
                    "task": task,
                    "preset": str(preset),
                    "measured_on": data,
                    "examples": len(examples),
                },
            )
    return outcome


def _options(settings):
    given = {
        "max_sequence_length": settings.max_sequence_length,
        "window_size": settings.window_size,
        "dropout": settings.dropout,
    }
    options = {name: x for name, x in given.items() if x is not None}
    if settings.rematerialize:
        options["rematerialize"] = True
    return options


def _save(model, settings):
    """Writes the model as a preset, and what a server loads."""
    folder = os.path.join(settings.output, "model")
    with whole_folder(folder, others="dropped") as new:
        model.save_to_preset(new)
    if settings.export:
        folder = os.path.join(settings.output, "saved_model")
        version = export_saved_model(model, folder)
        print(f"To serve: {version}", flush=True)
