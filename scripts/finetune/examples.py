"""The examples of a run: read, checked, parted."""

import dataclasses
import hashlib
import random

from finetune.settings import Settings
from keras_longformer.data.problems import DataError


@dataclasses.dataclass(frozen=True)
class Examples:
    """What a run trains on and is measured with.

    Attributes:
        train, validation: lists of examples.
        test: list of examples, or `None`.
        digest: str, follows from the training and validation examples.
    """

    train: list
    validation: list
    test: list | None
    digest: str


def read_examples(task, settings: Settings) -> Examples:
    """Reads and checks all files before anything is done with one.

    Raises:
        DataError: all problems of all files.
        ValueError, OSError: a file of another kind, or none.
    """
    problems = []

    def read(path, labels=None):
        if path is None:
            return None
        try:
            return task.read(path, labels)
        except DataError as error:
            problems.extend(error.problems)
            return None

    train = read(settings.train)
    labels = task.learn_labels(train) if train else None
    validation = read(settings.validation, labels)
    test = read(settings.test, labels)
    if problems:
        raise DataError(problems)
    if validation is None:
        train, validation = hold_out(
            train, task.group, settings.validation_share, settings.seed
        )
    train, validation, test = (
        part and part[: settings.limit] for part in (train, validation, test)
    )
    digest = hashlib.sha256(repr((train, validation)).encode()).hexdigest()
    return Examples(train, validation, test, digest)


def hold_out(examples: list, group, share: float, seed: int):
    """Parts examples in two, without parting those of one group.

    Args:
        examples: list.
        group: function of an example, to what groups it.
        share: float, the part of the groups to hold out; one at least.
        seed: int.

    Returns:
        The rest and those held out, both in their order.

    Raises:
        ValueError: all examples are of one group.
    """
    groups = list(dict.fromkeys(map(group, examples)))
    if len(groups) < 2:
        raise ValueError(
            "All examples are about one text, so that none can be held out. "
            "Name a file: --validation."
        )
    random.Random(seed).shuffle(groups)
    held = set(groups[: max(1, round(share * len(groups)))])
    return (
        [e for e in examples if group(e) not in held],
        [e for e in examples if group(e) in held],
    )
