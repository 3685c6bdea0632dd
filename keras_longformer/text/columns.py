"""Columns of texts and numbers, from whatever people keep them in.

Lists, tuples, NumPy arrays, and anything that can be turned into one of them:
columns of pandas, Polars and Arrow, tensors. What cannot be read is refused
with the rows that it is in, counted from 0.
"""

import typing
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_longformer.text.coercion import TOKEN_IDS

MOST_ROWS_NAMED = 5


class Nested(typing.NamedTuple):
    """Rows of unequal lengths.

    Attributes:
        flat: NumPy array `(values,)`, of all rows.
        lengths: int64 `(b,)`.
    """

    flat: np.ndarray
    lengths: np.ndarray

    def ragged(self, dtype: tf.DType) -> tf.RaggedTensor:
        """Returns them as a tensor, ragged `(b, None)`."""
        flat = self.flat.tolist() if dtype == tf.string else self.flat
        if not self.flat.size:
            flat = []
        return tf.RaggedTensor.from_row_lengths(
            tf.constant(flat, dtype), self.lengths, validate=False
        )

    def rows(self, places) -> list[int]:
        """Returns the rows of the values that stand at `places` in `flat`."""
        ends = np.cumsum(self.lengths)
        rows = np.searchsorted(ends, np.asarray(places), side="right")
        return list(dict.fromkeys(rows.tolist()))


def is_text(value) -> bool:
    """Whether a value is one text."""
    if isinstance(value, np.ndarray | tf.Tensor):
        kind = getattr(value.dtype, "kind", None)
        is_string = value.dtype == tf.string or kind in ("U", "S")
        return is_string and len(value.shape) == 0
    return isinstance(value, str | bytes)


def is_frame(x) -> bool:
    """Whether `x` is a data frame, of pandas or Polars."""
    return hasattr(x, "columns") and hasattr(x, "__getitem__")


def frame_columns(x) -> dict:
    """Returns a data frame's columns by name."""
    return {str(name): x[name] for name in x.columns}


def rows_of(values, name: str):
    """Returns a column as a list, a NumPy array or a tensor.

    Raises:
        TypeError: it has no rows.
    """
    if isinstance(values, list | np.ndarray | tf.Tensor | tf.RaggedTensor):
        return values
    if isinstance(values, tf.Variable):
        return tf.convert_to_tensor(values)
    if hasattr(values, "to_pylist"):  # Arrow
        return values.to_pylist()
    if hasattr(values, "to_numpy"):  # pandas, Polars
        return np.asarray(values.to_numpy())
    if hasattr(values, "__array__"):  # JAX, PyTorch
        return np.asarray(values)
    if isinstance(values, Sequence) and not isinstance(values, str | bytes):
        return list(values)
    hint = ""
    if isinstance(values, Iterable) and not isinstance(values, Mapping):
        hint = f" Write `list(...)` around the {type(values).__name__}."
    raise TypeError(
        f"{name} must be a list, an array, a column or a tensor. Received: "
        f"{type(values).__name__}.{hint}"
    )


def text_column(
    values,
    name: str = "Texts",
    ranks: Sequence[int] = (1,),
    valid_utf8: bool = True,
) -> tf.Tensor | tf.RaggedTensor:
    """Returns a column of texts as a string tensor.

    Args:
        values: one text a row, or several.
        name: str, what errors call it.
        ranks: 1 for one text a row, string `(b,)`; 2 for several, ragged `(b,
            None)`, or `(b, w)` where it was a tensor or an array.
        valid_utf8: bool, whether bytes must be UTF-8.

    Raises:
        TypeError, ValueError: say which rows are no text, and what to write.
    """
    rows = rows_of(values, name)
    if isinstance(rows, tf.Tensor | tf.RaggedTensor):
        return _text_tensor(rows, name, ranks)
    if isinstance(rows, np.ndarray):
        if rows.ndim == 2 and 2 not in ranks and rows.shape[1] == 1:
            rows = rows[:, 0]
        if rows.dtype.kind not in "OUSTV" and rows.size:
            raise TypeError(_numbers(name, f"an array of {rows.dtype}"))
        if rows.ndim != 1 and rows.ndim not in ranks:
            raise ValueError(
                f"{name} must be one text a row. Received: an array of shape "
                f"{rows.shape}."
            )
        rows = rows.tolist()
    if not rows:
        raise ValueError(
            f"There are no {name.lower()}: received an empty list."
        )
    kinds = set(map(type, rows))
    if kinds <= {str}:
        if 1 not in ranks:
            raise ValueError(
                f"{name} must be lists of texts, one list a row. Received: "
                f"single texts, such as {rows[0]!r:.60}."
            )
        return _strings(rows, name, valid_utf8)
    is_list = [isinstance(row, list | tuple | np.ndarray) for row in rows]
    if 2 in ranks and any(is_list):
        _refuse(
            name,
            rows,
            [not yes for yes in is_list],
            "is no list, as others are",
        )
        flat = [text for row in rows for text in row]
        lengths = np.array([len(row) for row in rows], "int64")
        nested = Nested(np.empty(0), lengths)
        return tf.RaggedTensor.from_row_lengths(
            _strings(flat, name, valid_utf8, nested.rows),
            lengths,
            validate=False,
        )
    return _strings(rows, name, valid_utf8)


def value_array(values, name: str) -> np.ndarray | Nested:
    """Returns a column of numbers or names as an array of any rank.

    Rows that are lists of unequal lengths come back as `Nested`.
    """
    rows = values.to_numpy() if is_frame(values) else rows_of(values, name)
    if isinstance(rows, tf.RaggedTensor):
        flat = rows.flat_values.numpy()
        if rows.ragged_rank != 1 or flat.ndim != 1:
            raise ValueError(
                f"{name} must be one or several values a row. Received: a "
                f"ragged tensor of shape {rows.shape}."
            )
        return Nested(flat, rows.row_lengths().numpy())
    if isinstance(rows, tf.Tensor):
        return rows.numpy()
    if isinstance(rows, np.ndarray) and rows.dtype.kind != "O":
        return rows
    rows = rows.tolist() if isinstance(rows, np.ndarray) else rows
    is_list = [isinstance(row, list | tuple | np.ndarray) for row in rows]
    if not any(is_list):
        return _array(rows)
    _refuse(
        name, rows, [not yes for yes in is_list], "is no list, as others are"
    )
    rows = [np.asarray(row).tolist() for row in rows]
    lengths = np.array([len(row) for row in rows], "int64")
    if any(isinstance(value, list) for row in rows for value in row):
        return np.array(rows)
    flat = _array([value for row in rows for value in row])
    if len(set(lengths.tolist())) == 1 and lengths[0]:
        return flat.reshape(len(rows), -1)
    return Nested(flat, lengths)


def any_column(values, name: str = "x"):
    """Returns a column of anything as a tensor, ragged where it must be."""
    if isinstance(values, tf.Tensor | tf.RaggedTensor):
        return values
    array = value_array(values, name)
    if isinstance(array, Nested):
        is_text_ = array.flat.dtype.kind in "OUS"
        dtype = tf.string if is_text_ else tf.as_dtype(array.flat.dtype)
        return array.ragged(dtype)
    if array.dtype.kind in "OUS":
        return tf.convert_to_tensor(array.tolist(), tf.string)
    return tf.convert_to_tensor(array)


def is_missing(value) -> bool:
    """Whether a value stands for none: `None`, NaN, pandas' NA and NaT."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and value != value


def places(bad) -> str:
    """Returns "3, 17 and 4 more" for flags of bad rows, or their indices."""
    bad = list(bad)
    if bad and isinstance(bad[0], bool | np.bool_):
        bad = [i for i, is_bad in enumerate(bad) if is_bad]
    named = ", ".join(map(str, bad[:MOST_ROWS_NAMED]))
    more = len(bad) - MOST_ROWS_NAMED
    return f"{named} and {more} more" if more > 0 else named


def _array(rows):
    """A flat list as an array; of objects where it is not all of a kind."""
    kinds = set(map(type, rows))
    if len(kinds) == 1 or all(issubclass(k, int | float) for k in kinds):
        array = np.array(rows)
        if array.dtype == np.int64:
            return array.astype("int32") if _fits_int32(array) else array
        is_python = kinds <= {float, int, bool}
        if array.dtype == np.float64 and is_python:
            return array.astype("float32")  # As TensorFlow reads lists.
        return array
    array = np.empty(len(rows), object)
    array[:] = rows
    return array


def _fits_int32(array):
    limits = np.iinfo("int32")
    return not array.size or (
        array.min() >= limits.min and array.max() <= limits.max
    )


def _text_tensor(tensor, name, ranks):
    rank = tensor.shape.rank
    if tensor.dtype != tf.string:
        if tensor.shape.num_elements() == 0:
            raise ValueError(
                f"There are no {name.lower()}: received an empty tensor."
            )
        raise TypeError(_numbers(name, f"a tensor of {tensor.dtype.name}"))
    if rank == 2 and 2 not in ranks and tensor.shape[1] == 1:
        return tensor[:, 0]
    if rank not in ranks:
        wanted = " or ".join({1: "(b,)", 2: "(b, None)"}[r] for r in ranks)
        raise ValueError(
            f"{name} must be strings of shape {wanted}. Received: "
            f"shape={tensor.shape}."
        )
    return tensor


def _strings(rows, name, valid_utf8, rows_at=None):
    """A flat list as a string tensor, having checked each."""
    named = rows_at or (lambda found: found)

    def refuse(bad, error, said):
        at = [i for i, is_bad in enumerate(bad) if is_bad]
        if at:
            raise error(
                f"{name} must be strings; in row {places(named(at))} "
                + said.format(
                    value=rows[at[0]], kind=type(rows[at[0]]).__name__
                )
            )

    kinds = set(map(type, rows))
    if not kinds <= {str, np.str_}:
        refuse(
            map(is_missing, rows),
            ValueError,
            'there is none, but {value}. Leave these rows out, or write "" '
            'there: `column.fillna("")`.',
        )
        refuse(
            [isinstance(row, list | tuple | np.ndarray) for row in rows],
            TypeError,
            "there is a {kind}: {value!r:.60}. One text makes a row"
            + (
                "."
                if rows_at
                else "; the parts of pairs are given as `(texts, others)`, "
                "each a list."
            ),
        )
        refuse(
            [not isinstance(row, str | bytes) for row in rows],
            TypeError,
            "there is a {kind}: {value!r:.60}. Write "
            "`[str(x) for x in column]`, if these are texts. " + TOKEN_IDS,
        )
        if valid_utf8:
            refuse(
                [isinstance(r, bytes) and not _is_utf8(r) for r in rows],
                ValueError,
                "there are bytes that are not UTF-8: {value!r:.60}. Decode "
                'them: `value.decode("latin-1")`, or as they were encoded.',
            )
    try:
        return tf.constant(rows, tf.string, shape=[len(rows)])
    except ValueError:
        refuse(
            [isinstance(row, str) and not _is_unicode(row) for row in rows],
            ValueError,
            "there is half a surrogate pair, which is no character: "
            '{value!a:.60}. Write `text.encode("utf-8", "replace")`.',
        )
        raise


def _is_utf8(value):
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_unicode(value):
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse(name, rows, bad, what):
    at = [i for i, is_bad in enumerate(bad) if is_bad]
    if at:
        raise TypeError(
            f"{name} in row {places(at)} {what}: {rows[at[0]]!r:.60}."
        )


def _numbers(name, received):
    return f"{name} must be strings. Received: {received}. {TOKEN_IDS}"
