"""Opens a model from a folder or handle that does not say which task it is."""

import fnmatch
import json
import os

import keras

from keras_longformer import weights
from keras_longformer.finetune.finding import find_task
from keras_longformer.finetune.finding import task_classes
from keras_longformer.tasks.task import LongformerTask

TASK_FILE = "task.json"  # KerasHub's `save_to_preset` writes it.


def task_of(
    preset: str, window_size: int | list[int] | None = None
) -> type[LongformerTask] | None:
    """Returns the class of the task whose head a preset has.

    Args:
        preset: str, what `from_preset` opens.
        window_size: int or list of int, of a checkpoint that does not say any.

    Returns:
        The class that wrote a preset of ours; of other checkpoints, the one
        whose head is there; `None` where there is none.

    Raises:
        ValueError: a folder that cannot be read, or that a task wrote which
            was not imported.
    """
    if weights.preset_kind(preset) == "keras_hub":
        return _task_of_ours(preset)
    found = []
    families = weights.FAMILIES
    if weights.is_seq2seq(preset):
        families = weights.SEQ2SEQ_FAMILIES
    for cls in task_classes().values():
        if cls.families is not families:
            continue
        # Names only: arrays are read when they are asked for.
        arrays = cls.open_foreign(
            preset, head_modules=cls.head_modules, window_size=window_size
        ).arrays
        heads = [
            fnmatch.filter(arrays, pattern) for pattern in cls.head_weights
        ]
        if heads and all(heads):
            found.append((len(heads), cls))
    # One head may be a part of another: the whole of it counts.
    return max(found, key=lambda one: one[0])[1] if found else None


def open_task(preset: str, task: str | None = None, **options) -> keras.Model:
    """Returns a task's model.

    Args:
        preset: str, what `from_preset` opens.
        task: str, what `finding.find_task` takes; by default the task whose
            head the preset has.
        **options: those of `from_preset`.

    Raises:
        ValueError: there is no preset or no such task, or the preset has no
            head and no task is named.
    """
    windows = options.get("window_size")
    cls = find_task(task) if task is not None else task_of(preset, windows)
    if cls is None:
        raise ValueError(
            f"'{preset}' has an encoder and no task's head. Name the task: "
            f"--task, one of {', '.join(sorted(task_classes()))}."
        )
    return cls.from_preset(preset, **options)


def _task_of_ours(preset):
    path = os.path.join(preset, TASK_FILE)
    if not os.path.isfile(path):
        return None
    with open(path, encoding="utf-8") as file:
        name = json.load(file).get("class_name")
    known = task_classes()
    if name not in known:
        raise ValueError(
            f"'{preset}' was written by the task {name}, which is not one of "
            "this package. Name it: --task package.module:ClassName."
        )
    return known[name]
