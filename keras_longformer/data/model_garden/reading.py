"""Records as inputs, targets and weights of our tasks."""

import glob
import os
from collections.abc import Sequence

import tensorflow as tf

from keras_longformer.data.model_garden.features import IS_REAL
from keras_longformer.data.model_garden.features import KINDS
from keras_longformer.data.model_garden.features import OLD_NAMES
from keras_longformer.data.model_garden.features import TOKENS
from keras_longformer.data.model_garden.features import UNUSED
from keras_longformer.data.model_garden.features import check_kind


def read_records(
    paths: str | Sequence[str],
    kind: str = "masked_lm",
    *,
    pad_token_id: int,
    batch_size: int | None = None,
    sequence_length: int | None = None,
    token_types: bool = False,
    global_start: bool = False,
) -> tf.data.Dataset:
    """Reads records as inputs, targets and weights of our tasks.

    In the order of the files and records; `shuffle`, `repeat` and `prefetch`
    are `tf.data`'s. Padding at the end of rows is cut off and, in a batch,
    made anew, with the model's own id. `next_sentence_labels` and ids of
    examples are not read.

    Args:
        paths: str or list of str, files or patterns such as `"train-*"`.
        kind: `"masked_lm"`, `"classification"` or `"tagging"`.
        pad_token_id: int, the model's.
        batch_size: int, rows at once, or `None`: one row an element.
        sequence_length: int, to which rows are padded, or `None`: to the
            longest of the batch.
        token_types: bool, whether to give `"token_type_ids"`.
        global_start: bool, whether to give a `"global_mask"` with the first
            token of each row in it.

    Returns:
        A `tf.data.Dataset` of `(x, y, sample_weight)`. `x` is a dict of
        `"token_ids"` int32 `(b, n)`, `"padding_mask"` bool `(b, n)`, and those
        asked for. Then

        - masked_lm: `"mask_positions"` int32 `(b, k)` in `x`, `y` int32
          `(b, k)`, `sample_weight` float32 `(b, k)`, for `LongformerMaskedLM`;
        - classification: `y` int32 or float32 `(b,)`, `sample_weight` float32
          `(b,)`, 0 for examples that only fill up a batch;
        - tagging: `y` int32 `(b, n)`, `sample_weight` float32 `(b, n)`, 0
          where a token has no label.

    Raises:
        ValueError: no such files, or records of another kind, by the first.
        InvalidArgumentError: a row of more than `sequence_length` tokens, or
            of features that differ in length.

    Example:

    ```python
    from keras_longformer.data.model_garden import write_records

    preprocessor = LongformerMaskedLMPreprocessor(
        tokenizer, sequence_length=512)
    batches = tf.data.Dataset.from_tensor_slices(texts).batch(2)
    write_records(
        "train.tfrecord", batches.map(preprocessor), sequence_length=512,
        pad_token_id=tokenizer.pad_token_id, num_predictions=80)
    rows = read_records(
        "train.tfrecord", pad_token_id=tokenizer.pad_token_id, batch_size=8)
    ```
    """
    check_kind(kind)
    files = _find(paths)
    spec, renamed = _specification(files[0], kind)

    def parse(record):
        found = tf.io.parse_single_example(record, spec)
        with tf.control_dependencies(_number_checks(found, renamed)):
            found = tf.nest.map_structure(tf.identity, found)
        return {
            renamed.get(name, name): tf.cast(value, tf.int32)
            if value.dtype == tf.int64
            else value
            for name, value in found.items()
        }

    def to_row(record):
        features = parse(record)
        real = _real_length(features["input_mask"])
        checks = _checks(features, kind, sequence_length, real)
        with tf.control_dependencies(checks):
            mask = tf.cast(features["input_mask"][:real], tf.bool)
        ids = features["input_word_ids"][:real]
        x = {
            "token_ids": tf.where(mask, ids, pad_token_id),
            "padding_mask": mask,
        }
        if token_types:
            x["token_type_ids"] = features["input_type_ids"][:real]
        if global_start:
            x["global_mask"] = tf.range(real) < 1
        return TARGETS[kind](x, features, real)

    rows = tf.data.TFRecordDataset(files).map(
        to_row, num_parallel_calls=tf.data.AUTOTUNE
    )
    specs = rows.element_spec
    # Predictions are as many as the most of a batch has.
    lengths = tf.nest.map_structure(
        lambda spec: [sequence_length] * spec.shape.rank, specs
    )
    if kind == "masked_lm":
        lengths = (lengths[0] | {"mask_positions": [None]}, [None], [None])
    fillers = tf.nest.map_structure(
        lambda spec: tf.zeros([], spec.dtype), specs
    )
    fillers[0]["token_ids"] = tf.constant(pad_token_id, tf.int32)
    if batch_size is None:
        if sequence_length is None:
            return rows
        return rows.padded_batch(1, lengths, fillers).unbatch()
    return rows.padded_batch(batch_size, lengths, fillers)


def _find(paths):
    """Returns the files of patterns, in order."""
    patterns = [paths] if isinstance(paths, str | os.PathLike) else paths
    files = []
    for pattern in map(os.fspath, patterns):
        is_file = os.path.isfile(pattern)
        found = [pattern] if is_file else sorted(glob.glob(pattern))
        if not found:
            raise ValueError(f"There are no records at {pattern!r}.")
        files += found
    if not files:
        raise ValueError("`paths` must name a file. Received: none.")
    return files


def _specification(file, kind):
    """Returns what to parse, and how to rename it, by the first record."""
    try:
        first = next(iter(tf.data.TFRecordDataset(file).take(1)), None)
    except tf.errors.DataLossError as error:
        raise ValueError(f"'{file}' is no TFRecord file: {error}") from error
    if first is None:
        raise ValueError(f"'{file}' holds no records.")
    features = tf.train.Example.FromString(first.numpy()).features.feature
    wanted = list(KINDS[kind])
    wanted += [IS_REAL] if IS_REAL in features else []
    names = {
        name: name if name in features else OLD_NAMES.get(name, name)
        for name in wanted
    }
    missing = [name for name in names.values() if name not in features]
    unknown = sorted(set(features) - set(names.values()) - set(UNUSED))
    if missing or unknown:
        lines = [f"  missing   {name}" for name in missing]
        lines += [f"  unknown   {name}" for name in unknown]
        raise ValueError(
            f"'{file}' does not hold records of the kind {kind!r}, by its "
            "first.\n" + "\n".join(lines)
        )
    spec = {}
    for name in names.values():
        field = features[name].WhichOneof("kind")
        dtype = tf.float32 if field == "float_list" else tf.int64
        one = name == IS_REAL or (
            name == "label_ids" and kind == "classification"
        )
        spec[name] = (
            tf.io.FixedLenFeature([], dtype)
            if one
            # Any length: other loaders of theirs read rows not padded.
            else tf.io.FixedLenSequenceFeature([], dtype, allow_missing=True)
        )
    return spec, {theirs: ours for ours, theirs in names.items()}


def _real_length(mask):
    """Returns the number of columns up to the last real token."""
    columns = tf.range(1, tf.size(mask) + 1)
    return tf.reduce_max(
        tf.concat([[0], tf.where(mask > 0, columns, 0)], axis=0)
    )


def _number_checks(found, renamed):
    """Of int64: they become int32, and ids are not negative."""
    checks = []
    for name, value in found.items():
        if value.dtype == tf.int64:
            is_id = renamed.get(name, name) == "input_word_ids"
            least = 0 if is_id else tf.int32.min
            inside = (value >= least) & (value <= tf.int32.max)
            message = f"{name} has a number that is no int32, or no id."
            checks.append(tf.debugging.Assert(tf.reduce_all(inside), [message]))
    return checks


def _checks(features, kind, sequence_length, real):
    names = [*TOKENS] + (["label_ids"] if kind == "tagging" else [])
    sizes = [tf.size(features[name]) for name in names]
    checks = [
        tf.debugging.assert_equal(
            size, sizes[0], f"{name} and {names[0]} differ in length."
        )
        for name, size in zip(names[1:], sizes[1:], strict=True)
    ]
    if sequence_length is not None:
        checks.append(
            tf.debugging.assert_less_equal(
                real, sequence_length, "A row is longer than sequence_length."
            )
        )
    return [check for check in checks if check is not None]


def _masked_lm_targets(x, features, real):
    x["mask_positions"] = features["masked_lm_positions"]
    return x, features["masked_lm_ids"], features["masked_lm_weights"]


def _classification_targets(x, features, real):
    weight = tf.cast(features.get(IS_REAL, 1), tf.float32)
    return x, features["label_ids"], weight


def _tagging_targets(x, features, real):
    y = features["label_ids"][:real]
    return x, tf.maximum(y, 0), tf.cast(y >= 0, tf.float32)


TARGETS = {
    "masked_lm": _masked_lm_targets,
    "classification": _classification_targets,
    "tagging": _tagging_targets,
}
