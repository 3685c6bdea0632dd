"""Reads what people give `fit`, `evaluate` and `predict`, of every task.

What an example is made of, a task's preprocessor says (`Takes`); what it may
come in, and what is said of what cannot be read, is here.
"""

import typing
from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from keras_longformer.tasks.examples import Examples
from keras_longformer.text.coercion import TOKEN_IDS
from keras_longformer.text.columns import any_column
from keras_longformer.text.columns import frame_columns
from keras_longformer.text.columns import is_frame
from keras_longformer.text.columns import is_missing
from keras_longformer.text.columns import is_text
from keras_longformer.text.columns import places
from keras_longformer.text.columns import text_column
from keras_longformer.text.columns import value_array


class Takes(typing.NamedTuple):
    """The texts that make an example, as `x` may name them.

    Attributes:
        write: str, what to write for `x`, for people.
        alone: bool, whether `x` may be one column of texts.
        tuples: the sizes that a tuple of columns may have; `None`: any from 2.
        names: the names that a dict of columns may have, each with the ranks
            that its column may have, as `text_column` takes them.
        required: those of them that must be there.
        ranks: those of a column that has no name.
        usual: int, how many texts an example has in this model, or `None`.
    """

    write: str
    alone: bool = True
    tuples: tuple[int, ...] | None = ()
    names: Mapping[str, tuple[int, ...]] = {}
    required: tuple[str, ...] = ()
    ranks: tuple[int, ...] = (1,)
    usual: int | None = None

    def allows(self, size: int) -> bool:
        """Whether a tuple of so many columns may be given."""
        return size >= 2 if self.tuples is None else size in self.tuples


TEXT_OR_PAIR = Takes(
    write="a list of texts, or `(texts, others)`, two lists, for pairs",
    tuples=(2,),
    names={"text": (1,), "text_pair": (1,)},
    required=("text",),
)


def read_examples(
    x, y, sample_weight, *, takes, labels, valid_utf8=True, one=True
) -> Examples:
    """Reads what is in memory.

    Args:
        x, y, sample_weight: columns, as `fit` takes them.
        takes: `Takes`, or `None` for a preprocessor that does not say.
        labels: the task's `Labels`.
        valid_utf8: as `text_column` takes it.
        one: bool, whether `x` may be one example without a batch axis.

    Raises:
        TypeError, ValueError: say what to write instead.
    """
    is_one = False
    if takes is None:
        x = any_columns(x)
    else:
        if one:
            x, is_one = with_batch(x, takes)
        x = read_texts(x, takes, valid_utf8)
    num = num_rows(x, "texts")
    if is_one:
        y = _in_list(y)
        sample_weight = None if sample_weight is None else [sample_weight]
    if y is not None:
        y = [*y] if isinstance(y, tuple) else y
        _check_count(y, num, labels.called)
        y = labels.read(y, x)
        _check_count(y, num, labels.called)
    if sample_weight is not None:
        sample_weight = _read_weights(sample_weight)
        _check_count(sample_weight, num, "sample weights")
    return Examples(x, y, sample_weight, num)


def read_texts(x, takes: Takes, valid_utf8: bool = True):
    """Returns `x`, a batch, as string tensors.

    Raises:
        TypeError, ValueError: say what to write instead.
    """
    if is_frame(x):
        x = frame_columns(x)
    parts = x.values() if isinstance(x, dict) else (x,)
    if any(map(is_text, parts)):
        raise ValueError(
            'Each element must be a batch, such as `(["a text", '
            '"another"], [0, 1])`: write `.batch(8)`, or yield lists. '
            "Received: one text."
        )
    if isinstance(x, dict):
        check_names(x, takes)
        return {
            name: text_column(
                column, f'"{name}"', takes.names[name], valid_utf8
            )
            for name, column in x.items()
        }
    if isinstance(x, tuple) and not _is_column(x, takes):
        if not takes.allows(len(x)):
            raise ValueError(
                f"Give {takes.write}. Received: a tuple of {len(x)}. In a "
                "dataset, whose elements are `(x, y)`, write `((a, b), y)` or "
                "`((a, b),)`, and not a lone tuple of texts."
            )
        return tuple(
            text_column(part, f"Texts {i} of the tuple", (1,), valid_utf8)
            for i, part in enumerate(x)
        )
    if not takes.alone:
        raise ValueError(
            f"Give {takes.write}: called with a lone tuple, or a dataset of "
            "them, Keras takes it for `(x, y)`. "
            f"Received: {type(x).__name__}."
        )
    return text_column(x, "Texts", takes.ranks, valid_utf8)


def check_names(x: dict, takes: Takes) -> None:
    """Raises `ValueError` where a dict's keys are not those of the texts."""
    unknown = [name for name in x if name not in takes.names]
    missing = [name for name in takes.required if name not in x]
    if "token_ids" in x and takes.names.keys().isdisjoint(x):
        raise TypeError(f"`x` is a dict of {[*x]}. {TOKEN_IDS}")
    if unknown or missing:
        names = ", ".join(f'"{name}"' for name in takes.names)
        keys = f" A dict of texts has the keys {names}." if names else ""
        raise ValueError(
            f"Give {takes.write}.{keys} Received: {sorted(map(str, x))}."
        )


def with_batch(x, takes: Takes):
    """Returns `x` as a batch, and whether it was one example without.

    Raises:
        ValueError: a tuple of strings that could be texts or one example.
    """
    if is_frame(x):
        return x, False
    if is_text(x) and takes.alone:
        return [x], True
    if isinstance(x, dict):
        check_names(x, takes)
        if any(is_text(column) for column in x.values()):
            return {name: [column] for name, column in x.items()}, True
    if isinstance(x, tuple) and x and all(map(is_text, x)):
        if not takes.allows(len(x)) or takes.usual == 1:
            return [*x] if takes.alone else x, False
        if not takes.alone or takes.usual == len(x):
            return tuple([text] for text in x), True
        raise ValueError(
            f"A tuple of {len(x)} strings may be {len(x)} examples, or one of "
            f"{len(x)} texts: write `[a, b]` for the first and `([a], [b])` "
            "for the second."
        )
    return x, False


def check_elements(spec, takes: Takes | None, labels) -> None:
    """Raises where the elements of a `tf.data.Dataset` are no batches.

    Args:
        spec: the `element_spec`.
        takes: `Takes`, or `None`.
        labels: the task's `Labels`.

    Raises:
        TypeError, ValueError: say what to write instead.
    """
    x, y, _ = keras.utils.unpack_x_y_sample_weight(spec)
    if takes is None:
        return
    columns = {"Texts": (x, takes.ranks)}
    if isinstance(x, dict):
        check_names(x, takes)
        columns = {f'"{n}"': (x[n], takes.names[n]) for n in x}
    elif isinstance(x, tuple) or not takes.alone:
        if not isinstance(x, tuple) or not takes.allows(len(x)):
            read_texts(x, takes)  # Says what is wrong.
        columns = {f"Texts {i}": (part, (1,)) for i, part in enumerate(x)}
    is_flat = not any(part.shape.rank for part in tf.nest.flatten(spec))
    batch = "dataset.batch(8)" if is_flat else "dataset.ragged_batch(8)"
    for name, (column, ranks) in columns.items():
        _check_spec(name, column, ranks, batch)
    for column in [] if y is None else tf.nest.flatten(y):
        _check_rank(labels.called.capitalize(), column, labels.rank, batch)


def any_columns(x):
    """Returns (nested) columns of anything as tensors."""
    if is_frame(x):
        x = frame_columns(x)
    if isinstance(x, dict):
        return {name: any_columns(part) for name, part in x.items()}
    if isinstance(x, tuple) and not all(map(is_text, x)):
        return tuple(any_columns(part) for part in x)
    return any_column([x] if is_text(x) else x)


def num_rows(columns, name: str) -> int:
    """Returns the rows of (nested) tensors.

    Raises:
        ValueError: they have different numbers, or none.
    """
    named = dict(_leaves(columns, name))
    counts = {name: _count(column) for name, column in named.items()}
    if len(set(counts.values())) > 1:
        told = " and ".join(f"{n} in {name}" for name, n in counts.items())
        raise ValueError(
            f"There must be as many rows in all. There are {told}."
        )
    num = next(iter(counts.values()))
    if num == 0:
        raise ValueError(f"There are no {name}.")
    return num


def _check_count(values, num, called):
    for name, column in _leaves(values, called):
        count = _count(column)
        if count != num:
            raise ValueError(
                f"There must be as many {name} as texts. Received: {num} "
                f"texts and {count} {name}."
            )


def _count(column):
    if isinstance(column, tf.RaggedTensor):
        return int(column.nrows())
    if hasattr(column, "shape"):
        if len(column.shape) == 0:
            raise ValueError(
                "Give a list, one value a text. Received: a single value."
            )
        return int(column.shape[0])
    if hasattr(column, "__len__") and not isinstance(column, str | bytes):
        return len(column)
    raise ValueError(
        f"Give a list, one value a text. Received: {column!r:.60}."
    )


def _leaves(columns, name):
    """Yields names and columns."""
    if is_frame(columns):
        yield name, columns
    elif isinstance(columns, dict):
        for key, column in columns.items():
            yield f'"{key}"', column
    elif isinstance(columns, tuple) and not all(
        isinstance(part, int | float | str | bytes) for part in columns
    ):
        for i, column in enumerate(columns):
            yield f"{name} {i} of the tuple", column
    else:
        yield name, columns


def _is_column(x, takes):
    """Whether a tuple is one column of texts, and not several columns."""
    if not takes.alone:
        return False
    return takes.tuples == () or (bool(x) and all(map(is_text, x)))


def _in_list(y):
    if isinstance(y, dict):
        return {name: [value] for name, value in y.items()}
    if y is None or isinstance(y, np.ndarray | tf.Tensor) and len(y.shape):
        return y
    return y if isinstance(y, list) and len(y) == 1 else [y]


def _read_weights(values):
    array = value_array(values, "Sample weights")
    flat = array if isinstance(array, np.ndarray) else array.flat
    try:
        numbers = flat.astype("float32")
    except (TypeError, ValueError):
        numbers = np.array([np.nan if is_missing(v) else 1 for v in flat.flat])
        if not np.isnan(numbers).any():
            raise TypeError(
                "Sample weights must be numbers. Received: "
                f"{flat.ravel()[0]!r:.60}, for example."
            ) from None
    bad = ~np.isfinite(numbers)
    if bad.any():
        at = np.argwhere(bad)[:, 0]
        at = at.tolist() if flat is array else array.rows(at)
        raise ValueError(
            "Sample weights must be finite numbers. There is "
            f"{flat[bad].ravel()[0]} in row {places(dict.fromkeys(at))}."
        )
    if flat is array:
        return tf.constant(numbers)
    return array._replace(flat=numbers).ragged(tf.float32)


def _check_spec(name, column, ranks, batch):
    if column.dtype != tf.string:
        raise TypeError(
            f"{name} of the dataset must be strings. Received: "
            f"{column.dtype.name}. {TOKEN_IDS}"
        )
    _check_rank(name, column, min(ranks), batch)
    rank = column.shape.rank
    if rank not in ranks and not (rank == 2 and column.shape[1] == 1):
        raise ValueError(
            f"{name} of the dataset must be one text a row. Received: strings "
            f"of shape {column.shape}."
        )


def _check_rank(name, column, least, batch):
    rank = column.shape.rank
    if rank is None:
        raise ValueError(_unknown_shape(name))
    if rank < least:
        raise ValueError(
            f"{name} of the dataset have shape {column.shape}, without a batch "
            f"axis: write `{batch}`."
        )


def _unknown_shape(name):
    return (
        f"{name} of the dataset have a shape that is not known, as those of "
        "`tf.py_function` and of generators without a signature. Write "
        "`dataset.map(lambda x, y: (tf.ensure_shape(x, [None]), "
        "tf.ensure_shape(y, [None])))`, with the shapes that they have."
    )
