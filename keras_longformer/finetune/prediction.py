"""Answers about files of texts, by a task's preset or a SavedModel.

Both answer with the graph that TF Serving would run, so that the two cannot
differ: a preset's is made here, a SavedModel's is loaded.
"""

import dataclasses
import itertools
import json
import os
from collections.abc import Callable
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from keras_longformer.finetune.finding import task_classes
from keras_longformer.finetune.opening import open_task
from keras_longformer.finetune.rows import RowFile
from keras_longformer.finetune.texts import Source
from keras_longformer.finetune.texts import Text
from keras_longformer.finetune.texts import inputs_of
from keras_longformer.serving.manifest import MANIFEST
from keras_longformer.tasks import said
from keras_longformer.tasks.saying import text_answers
from keras_longformer.text.assertions import sentence_of
from keras_longformer.training.lock import owned
from keras_longformer.training.progress import Progress

SIGNATURE = "serving_default"


@dataclasses.dataclass(frozen=True)
class Predictor:
    """A model that answers.

    Attributes:
        inputs: tuple of str, the names of the texts that it takes.
        answer: function of lists of bytes by these names; returns arrays by
            the names of outputs.
        rows: function of such arrays; returns a dict for each text.
    """

    inputs: tuple[str, ...]
    answer: Callable[[dict], dict]
    rows: Callable[[dict], list[dict]]


def open_predictor(
    model: str, *, task: str | None = None, over_long: str | None = None
) -> Predictor:
    """Opens what answers.

    Args:
        model: str, a preset that a task wrote or whose head says which task
            it is; or a SavedModel's folder, or that of its versions, of which
            the highest is taken.
        task: str, the task of a preset that does not say it.
        over_long: str, what is read of texts longer than the model, as in
            `export_saved_model`. A SavedModel has its own way.

    Raises:
        ValueError: there is no such model, or options that it does not take.
    """
    folder = saved_model_folder(model)
    if folder is None:
        return _of_preset(model, task, over_long)
    if task is not None or over_long is not None:
        raise ValueError(
            f"'{folder}' is a SavedModel: its task, and what it reads of long "
            "texts, were chosen when it was exported. Leave out --task and "
            "--over-long."
        )
    return _of_saved_model(folder)


def saved_model_folder(path: str) -> str | None:
    """Returns the folder of the SavedModel that a path names, or `None`."""

    def is_one(folder):
        return os.path.isfile(os.path.join(folder, "saved_model.pb"))

    if is_one(path):
        return path
    if not os.path.isdir(path):
        return None
    versions = [
        name
        for name in os.listdir(path)
        if name.isdigit() and is_one(os.path.join(path, name))
    ]
    return os.path.join(path, max(versions, key=int)) if versions else None


def predict(
    model: str,
    texts: str,
    output: str,
    *,
    task: str | None = None,
    over_long: str | None = None,
    batch_size: int = 8,
    columns: dict[str, str] | None = None,
    fixed: dict[str, str] | None = None,
    resume: bool = False,
) -> tuple[int, int]:
    """Writes what a model says of each text.

    Args:
        model, task, over_long: as for `open_predictor`.
        texts: str, a folder of `.txt` files, or a table, as `texts.Source`.
        output: str, a `.jsonl` or `.csv` file, which grows as texts are
            answered. Its columns are `id`, those of the task, and `error`:
            why a text could not be answered.
        batch_size: int, texts that go through the model at once.
        columns: dict of a model's input to the column that it stands in.
        fixed: dict of a model's input to the text that it has in all rows.
        resume: bool, whether to go on after the rows of `output`.

    Returns:
        How many rows `output` has, and how many of them have an error.

    Raises:
        ValueError, OSError: the model, the texts or the output cannot be used,
            or another process writes there.
    """
    source = Source(texts)
    fixed = {name: text.encode() for name, text in (fixed or {}).items()}
    total = len(source)
    with owned(f"{output}.lock"), RowFile(output, resume) as file:
        rest = _after(source, file)
        if file.done == total:
            return file.done, file.bad
        predictor = open_predictor(model, task=task, over_long=over_long)
        free = tuple(name for name in predictor.inputs if name not in fixed)
        columns = dict(columns or {})
        if source.files is not None and len(free) == 1:
            columns[free[0]] = "text"  # What the files hold.
        unknown = (columns.keys() | fixed.keys()) - {*predictor.inputs}
        if unknown:
            raise ValueError(
                f"The model has no input {', '.join(sorted(unknown))}. It "
                f"has: {', '.join(predictor.inputs)}."
            )
        done, bad = file.done, file.bad
        with Progress("Answering", total, done) as progress:
            while batch := list(itertools.islice(rest, batch_size)):
                rows = _answer(batch, predictor, free, columns, fixed)
                file.write(rows)
                done += len(rows)
                bad += sum(row["error"] != "" for row in rows)
                progress(len(rows))
    return done, bad


def _after(source, file) -> Iterator[Text]:
    """The texts after those that were answered before."""
    rest = iter(source)
    before = list(itertools.islice(rest, file.done))[-1:]
    if len(before) and before[0].id != str(file.last):
        raise ValueError(
            f"'{file.path}' is of other texts: its row {file.done:,} is "
            f"{file.last!r}, and there '{source.path}' has {before[0].id!r}. "
            "Name another --output."
        )
    return rest


def _answer(batch, predictor, free, columns, fixed):
    """Rows of a batch, those that cannot be answered with their reason."""
    rows, good, inputs = [], [], []
    for text in batch:
        row = {"id": text.id}
        try:
            values = inputs_of(text, free, columns)
        except ValueError as error:
            row["error"] = str(error)
        else:
            good.append(row)
            inputs.append(fixed | values)
        rows.append(row)
    for row, (answer, error) in zip(good, answers_of(predictor, inputs)):
        row |= answer
        row["error"] = error
    return rows


def answers_of(
    predictor: Predictor, inputs: list[dict]
) -> list[tuple[dict, str]]:
    """Returns a row and "" for each text, or `{}` and why there is none.

    Args:
        predictor: what answers.
        inputs: for each text a dict of bytes by the predictor's inputs.
    """
    if not inputs:
        return []
    together = {
        name: [one[name] for one in inputs] for name in predictor.inputs
    }
    try:
        outputs = dict(predictor.answer(together))
    except tf.errors.InvalidArgumentError as error:
        if len(inputs) == 1:
            return [({}, sentence_of(error.message) or _first_line(error))]
        # One bad text fails its batch: find out which one it is.
        return [answers_of(predictor, [one])[0] for one in inputs]
    errors = outputs.pop("error", np.full(len(inputs), b""))
    errors = [error.decode("utf-8", "replace") for error in errors]
    return [
        ({} if error else row, error)
        for row, error in zip(predictor.rows(outputs), errors)
    ]


def _first_line(error):
    return error.message.strip().partition("\n")[0] or "the model refuses it"


def _of_preset(preset, task, over_long):
    model = open_task(preset, task)
    answers = text_answers(model, over_long)
    names = getattr(model, "class_names", None)
    return _predictor(
        answers.function, answers.inputs, type(model), names, keep=answers.keep
    )


def _of_saved_model(folder):
    loaded = tf.saved_model.load(folder)
    function = loaded.signatures[SIGNATURE]
    about = {}
    path = os.path.join(folder, MANIFEST)
    if os.path.isfile(path):
        with open(path, encoding="utf-8") as file:
            about = json.load(file)
    cls = task_classes().get(about.get("model"))
    inputs = tuple(function.structured_input_signature[1])
    names = about.get("class_names")
    return _predictor(function, inputs, cls, names, keep=loaded)


def _predictor(function, inputs, cls, class_names, keep):
    # `keep` holds the variables, which a function only borrows.
    rows = getattr(cls, "said", said.rows)

    def answer(texts):
        outputs = function(**{k: tf.constant(v) for k, v in texts.items()})
        return {name: x.numpy() for name, x in outputs.items()}

    answer.keep = keep
    return Predictor(inputs, answer, lambda outputs: rows(outputs, class_names))
