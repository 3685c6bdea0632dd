"""What a task must say to be fine-tuned: the contract of a run."""

import abc
import dataclasses
import typing
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

import keras

AT_ONCE = 64  # Examples; what a model says of them is in memory together.


@dataclasses.dataclass(frozen=True)
class Option:
    """An argument of a task's reader, and an option of the command line.

    Attributes:
        name: str, such as `"text_column"`, which is `--text-column`.
        help: str.
        kind: `str` or `int`, what makes a value of the option's text; or
            `bool` for an option without a value, false unless it is given.
    """

    name: str
    help: str
    kind: type = str


class Tensors(typing.NamedTuple):
    """Examples for `fit`.

    Attributes:
        x, y: (nested) tensors, the examples along axis 0; `y` is `None` where
            the task makes its own labels.
        shared: what `look_up` needs besides.
    """

    x: object
    y: object
    shared: object = None


@dataclasses.dataclass
class Outcome:
    """A measurement on one file.

    Attributes:
        metrics: dict of name to number.
        predictions: list of dicts for JSON, one an example.
        draw: function that draws the picture on a Matplotlib figure.
    """

    metrics: dict[str, float]
    predictions: list[dict]
    draw: Callable


class FineTuning(abc.ABC):
    """One kind of run: how a task's data is read, trained on and measured.

    A subclass stands in a task's folder, and the task's class names it in its
    attribute `finetuning`. It holds what its files are like, and nothing of
    them: what one method finds in the examples, the caller passes to the next.

    Args:
        task_cls: the task's class, whose `from_preset` makes the model.
        **options: values of `options`; those that are left out have the
            reader's default.

    Attributes:
        metric: str, the metric that the best epoch has most of.
        epochs: int, how many epochs the paper uses.
        options: tuple of `Option`.
        files: str, which files `read` reads, for people.

    Example:
    ```python
    class Spam(FineTuning):
        metric = "accuracy"
        files = "one message a line"
        ...

    class SpamFilter(LongformerTextClassifier):
        finetuning = {"spam": Spam}
    ```
    ```
    keras-longformer finetune --task my_package.spam:SpamFilter ...
    ```
    """

    metric: str
    # Beltagy et al., 2020, appendix: WikiHop, IMDB, Hyperpartisan.
    epochs = 15
    options: tuple[Option, ...] = ()
    files = ""

    def __init__(self, task_cls, **options):
        known = {option.name for option in self.options}
        unknown = sorted(options.keys() - known)
        if unknown:
            raise TypeError(
                f"{type(self).__name__} has no option {', '.join(unknown)}. "
                f"It has: {', '.join(sorted(known)) or 'none'}."
            )
        self.task_cls = task_cls
        self.given = options

    @abc.abstractmethod
    def read(self, path: str, labels: Sequence[str] | None = None) -> list:
        """Returns the examples of a file, all of them checked.

        Args:
            path: str.
            labels: those that there may be, from `learn_labels` or
                `labels_of`; `None` for any.

        Raises:
            DataError: everything that is wrong with the file.
            ValueError, OSError: a file of another kind, or none.
        """

    def learn_labels(self, examples: list) -> Sequence[str] | None:
        """Returns the labels of the training examples, in their order.

        They fix what `read` allows in other files, and how `open` makes the
        model. `None`: the task has none.

        Raises:
            ValueError: labels that nothing can be learned from.
        """
        return None

    def labels_of(self, model: keras.Model) -> Sequence[str] | None:
        """Returns the labels of a model that was fine-tuned."""
        return getattr(model, "class_names", None)

    @abc.abstractmethod
    def group(self, example):
        """Returns what an example shares with those that must be held out
        together with it, such as its text; it can be hashed."""

    @abc.abstractmethod
    def open(
        self, preset: str, labels: Sequence[str] | None, **options
    ) -> keras.Model:
        """Returns the model to train, or a fine-tuned one.

        Args:
            preset: str, what `from_preset` opens.
            labels: what `learn_labels` returned; `None` where the preset
                knows its own.
            **options: those of `from_preset`.
        """

    @abc.abstractmethod
    def tensors(self, examples: list, model: keras.Model) -> Tensors:
        """Returns examples as tensors, of which a run takes batches."""

    def look_up(self, x, y, shared):
        """Returns a batch of `tensors` as the model's `fit` takes it.

        Args:
            x, y: a batch, gathered from those of `Tensors`.
            shared: that of `Tensors`.
        """
        return x, y

    @abc.abstractmethod
    def measure(
        self,
        model: keras.Model,
        examples: list,
        batch_size: int = 8,
        progress: Callable[[int], None] | None = None,
    ) -> Outcome:
        """Returns what a model says of examples, and how good it is.

        Args:
            model: what `open` returned.
            examples: list, one at least.
            batch_size: int, rows that go through the model at once.
            progress: is called with a number of examples when so many more
                are done.
        """


def in_parts(
    examples: list,
    progress: Callable[[int], None] | None = None,
    size: int = AT_ONCE,
) -> Iterator[list]:
    """Yields examples, `size` at a time, and tells `progress` of each part."""
    for begin in range(0, len(examples), size):
        part = examples[begin : begin + size]
        yield part
        if progress is not None:
            progress(len(part))
