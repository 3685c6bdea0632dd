"""The examples of a run: read, checked, parted."""

import dataclasses
import hashlib
import random
from collections.abc import Callable
from collections.abc import Sequence

from keras_longformer.data.problems import DataError
from keras_longformer.finetune.settings import Settings
from keras_longformer.tasks.finetuning import FineTuning


@dataclasses.dataclass(frozen=True)
class Examples:
    """What a run trains on and is measured with.

    Attributes:
        train, validation: lists of examples.
        test: list of examples, or `None`.
        labels: what the task's `learn_labels` found in those to train on.
        digest: str, follows from the training and validation examples.
    """

    train: list
    validation: list
    test: list | None
    labels: Sequence[str] | None
    digest: str


def read_examples(task: FineTuning, settings: Settings) -> Examples:
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
    return Examples(
        train, validation, test, labels, digest_of(train, validation)
    )


def digest_of(*parts: list) -> str:
    """Returns a hash of lists of examples.

    One example after the other: written all at once, they would be in memory
    twice.
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)} examples\n".encode())
        for example in part:
            digest.update(repr(example).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def hold_out(
    examples: list, group: Callable, share: float, seed: int
) -> tuple[list, list]:
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
