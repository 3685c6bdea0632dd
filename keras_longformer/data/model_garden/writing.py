"""Inputs, targets and weights of our tasks as records."""

from collections.abc import Iterable
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from keras_longformer.data.model_garden.features import IS_REAL
from keras_longformer.data.model_garden.features import OLD_NAMES
from keras_longformer.data.model_garden.features import PREDICTIONS
from keras_longformer.data.model_garden.features import TOKENS
from keras_longformer.data.model_garden.features import check_kind
from keras_longformer.unfinished import whole_file


def write_records(
    path: str,
    batches: Iterable[tuple],
    kind: str = "masked_lm",
    *,
    sequence_length: int,
    pad_token_id: int,
    num_predictions: int | None = None,
    old_names: bool = True,
    next_sentence_label: int | None = None,
) -> int:
    """Writes inputs, targets and weights of our tasks as records.

    Rows are padded to the lengths that Model Garden's loaders are configured
    with, `seq_length` and `max_predictions_per_seq`.

    Args:
        path: str, the file, which is replaced.
        batches: iterable, such as a `tf.data.Dataset`, of `(x, y)` or
            `(x, y, sample_weight)`, batched, as `read_records` and our
            preprocessors and `PretrainingBatches` give them. A
            `"global_mask"` has no place in it.
        kind: `"masked_lm"`, `"classification"` or `"tagging"`.
        sequence_length: int, of all rows.
        pad_token_id: int, what they are padded with.
        num_predictions: int, for masked_lm: the masked tokens of a row, that
            those with fewer are filled up to.
        old_names: bool, whether to write `input_ids` and `segment_ids`, which
            its loaders expect unless `use_v2_feature_names` is set.
        next_sentence_label: int, for masked_lm: a label for all rows, which its
            loader wants unless `use_next_sentence_label` is false.

    Returns:
        int, the number of records.

    Raises:
        ValueError: a row that is longer, rows of packed documents, or
            classification rows with weights other than 0 and 1.

    Example: that of `read_records`.
    """
    check_kind(kind)
    if kind == "masked_lm" and num_predictions is None:
        raise ValueError("Records of masked_lm need `num_predictions`.")
    lengths = dict.fromkeys(TOKENS, sequence_length)
    lengths |= dict.fromkeys(PREDICTIONS, num_predictions)
    if kind == "tagging":
        lengths["label_ids"] = sequence_length
    fillers = {"input_word_ids": pad_token_id}
    if kind == "tagging":
        fillers["label_ids"] = -1
    count = 0
    with whole_file(path) as new, tf.io.TFRecordWriter(new) as writer:
        for batch in batches:
            for features in FEATURES[kind](*_as_numpy(batch)):
                if next_sentence_label is not None:
                    features["next_sentence_labels"] = np.array(
                        [next_sentence_label]
                    )
                for name, length in lengths.items():
                    if name in features:
                        features[name] = _filled(
                            features[name],
                            length,
                            fillers.get(name, 0),
                            f"row {count} for '{path}', {name}",
                        )
                if old_names:
                    features = {
                        OLD_NAMES.get(name, name): value
                        for name, value in features.items()
                    }
                writer.write(_example(features))
                count += 1
    return count


def _as_numpy(batch):
    x, y, *weight = tf.nest.map_structure(np.asarray, tuple(batch))
    if "segment_ids" in x:
        raise ValueError(
            "Records have no place for `segment_ids`: documents that share a "
            "row would see each other. Make the batches with "
            'packing="none" or "crossing".'
        )
    return x, y, weight[0] if weight else np.ones(y.shape, np.float32)


def _token_features(x: Mapping[str, np.ndarray]):
    """Yields each row's tokens as features, without the padding at the end."""
    types = x.get("token_type_ids", np.zeros_like(x["token_ids"]))
    for ids, mask, kinds in zip(
        x["token_ids"], x["padding_mask"], types, strict=True
    ):
        real = int(np.max(np.flatnonzero(mask) + 1, initial=0))
        rows = (ids, mask.astype("int64"), kinds)
        yield dict(zip(TOKENS, (row[:real] for row in rows), strict=True))


def _masked_lm_features(x, y, weight):
    found = zip(_token_features(x), x["mask_positions"], y, weight, strict=True)
    for tokens, *targets in found:
        # What only fills up a row is filled up anew.
        used = int(np.max(np.flatnonzero(targets[2]) + 1, initial=0))
        targets = [target[:used] for target in targets]
        yield tokens | dict(zip(PREDICTIONS, targets, strict=True))


def _classification_features(x, y, weight):
    if not np.isin(weight, (0, 1)).all():
        raise ValueError(
            "Records of classification have no weights but 0 and 1 "
            f"({IS_REAL}). Received: {np.unique(weight)[:5]}."
        )
    found = zip(_token_features(x), y, weight, strict=True)
    for tokens, label, is_real in found:
        yield tokens | {
            "label_ids": label.reshape(1),
            IS_REAL: np.array([int(is_real)]),
        }


def _tagging_features(x, y, weight):
    for tokens, labels, used in zip(_token_features(x), y, weight, strict=True):
        real = len(tokens["input_word_ids"])
        labels = np.where(used > 0, labels, -1)[:real]
        yield tokens | {"label_ids": labels}


FEATURES = {
    "masked_lm": _masked_lm_features,
    "classification": _classification_features,
    "tagging": _tagging_features,
}


def _filled(values, length, filler, where):
    if len(values) > length:
        raise ValueError(
            f"{where}: {len(values)} values, and records of {length}. Make "
            "the records longer or the rows shorter."
        )
    filled = np.full(length, filler, values.dtype)
    filled[: len(values)] = values
    return filled


def _example(features):
    def feature(values):
        if values.dtype.kind == "f":
            return tf.train.Feature(
                float_list=tf.train.FloatList(value=values.tolist())
            )
        return tf.train.Feature(
            int64_list=tf.train.Int64List(value=values.tolist())
        )

    return tf.train.Example(
        features=tf.train.Features(
            feature={name: feature(x) for name, x in features.items()}
        )
    ).SerializeToString(deterministic=True)
