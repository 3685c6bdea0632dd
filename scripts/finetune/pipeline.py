"""All steps of a run, one after the other."""

import os
import time

import keras
import tensorflow as tf

import keras_longformer
from finetune import report
from finetune.examples import read_examples
from finetune.outcomes import Outcome
from finetune.settings import Settings
from finetune.tasks import make_task
from finetune.training import Training
from finetune.training import check_resume
from keras_longformer.training.resume import TrainingStates


def run(settings: Settings, resume: bool = False) -> Outcome:
    """Reads, trains, measures, writes and exports.

    Raises:
        DataError: all that is wrong with the data, before anything else.
        ValueError, OSError: files, preset or folder cannot be used.
    """
    begin = time.monotonic()
    task = make_task(settings)
    examples = read_examples(task, settings)
    states = TrainingStates(os.path.join(settings.output, "state"))
    training = Training(task, settings, examples, states)
    check_resume(training, resume)
    print(
        f"{len(examples.train):,} examples to train on, "
        f"{len(examples.validation):,} for validation"
        + (f", {len(examples.test):,} to test" if examples.test else ""),
        flush=True,
    )
    keras.utils.set_random_seed(settings.seed)
    model = task.open(**_options(settings))
    os.makedirs(settings.output, exist_ok=True)
    training.compile(model)
    facts = training.run(model, resume)

    measured = settings.test or settings.validation or settings.train
    rows = examples.test if settings.test else examples.validation
    outcome = task.measure(model, rows)
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
    temporary = os.path.join(settings.output, "unfinished-model")
    tf.io.gfile.makedirs(temporary)
    model.save_to_preset(temporary)
    report.replace_folder(temporary, os.path.join(settings.output, "model"))
    if settings.export:
        folder = os.path.join(settings.output, "saved_model")
        version = keras_longformer.export_saved_model(model, folder)
        print(f"To serve: {version}", flush=True)
