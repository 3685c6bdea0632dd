import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.data.model_garden import read_records
from keras_longformer.data.model_garden import write_records

PAD = 1


def masked_lm_batch():
    """Two rows of five and three tokens, with two masks and one."""
    x = {
        "token_ids": np.array([[0, 7, 4, 9, 2], [0, 4, 2, PAD, PAD]]),
        "padding_mask": np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], bool),
        "token_type_ids": np.array([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]]),
        "mask_positions": np.array([[1, 2], [1, 0]]),
    }
    y = np.array([[7, 5], [6, 0]])
    return x, y, np.array([[1, 0.5], [1, 0]], "float32")


def tagging_batch():
    x = masked_lm_batch()[0]
    del x["mask_positions"]
    y = np.array([[0, 2, 1, 0, 0], [0, 3, 0, 0, 0]])
    return x, y, np.array([[0, 1, 1, 1, 0], [0, 1, 0, 0, 0]], "float32")


def classification_batch():
    return tagging_batch()[0], np.array([2, 0]), np.array([1, 0], "float32")


BATCHES = {
    "masked_lm": masked_lm_batch,
    "tagging": tagging_batch,
    "classification": classification_batch,
}


def write(path, kind="masked_lm", **options):
    options = {"sequence_length": 8, "pad_token_id": PAD} | options
    if kind == "masked_lm":
        options.setdefault("num_predictions", 3)
    return write_records(str(path), [BATCHES[kind]()], kind, **options)


def first_example(path):
    record = next(iter(tf.data.TFRecordDataset(str(path))))
    features = tf.train.Example.FromString(record.numpy()).features.feature
    return {
        name: list(x.int64_list.value or x.float_list.value)
        for name, x in features.items()
    }


@pytest.mark.parametrize("kind", BATCHES)
@pytest.mark.parametrize("old_names", [True, False], ids=["old", "new"])
def test_read_is_what_was_written(tmp_path, kind, old_names):
    assert write(tmp_path / "x", kind, old_names=old_names) == 2
    rows = read_records(
        str(tmp_path / "*"),
        kind,
        pad_token_id=PAD,
        batch_size=2,
        token_types=True,
    )
    (got,) = rows
    want = BATCHES[kind]()
    if kind == "masked_lm":  # Records have three columns of them.
        positions = np.pad(want[0]["mask_positions"], ((0, 0), (0, 1)))
        want[0]["mask_positions"] = positions
        want = (want[0], *(np.pad(a, ((0, 0), (0, 1))) for a in want[1:]))
    if kind == "tagging":
        want = (want[0], np.where(want[2] > 0, want[1], 0), want[2])
    tf.nest.map_structure(
        np.testing.assert_array_equal, tuple(got), tuple(want)
    )
    assert got[0]["token_ids"].dtype == tf.int32


def test_records_are_as_model_garden_has_them(tmp_path):
    write(tmp_path / "x", next_sentence_label=0)
    assert first_example(tmp_path / "x") == {
        "input_ids": [0, 7, 4, 9, 2, PAD, PAD, PAD],
        "input_mask": [1, 1, 1, 1, 1, 0, 0, 0],
        "segment_ids": [0, 0, 0, 1, 1, 0, 0, 0],
        "masked_lm_positions": [1, 2, 0],
        "masked_lm_ids": [7, 5, 0],
        "masked_lm_weights": [1.0, 0.5, 0.0],
        "next_sentence_labels": [0],
    }


def test_padding_gets_the_models_id_and_the_asked_length(tmp_path):
    write(tmp_path / "x", pad_token_id=0)
    rows = read_records(
        str(tmp_path / "x"),
        pad_token_id=PAD,
        sequence_length=6,
        global_start=True,
    )
    x, _, _ = list(rows)[1]
    assert x["token_ids"].numpy().tolist() == [0, 4, 2, PAD, PAD, PAD]
    assert x["padding_mask"].numpy().tolist() == [True] * 3 + [False] * 3
    assert x["global_mask"].numpy().tolist() == [True] + [False] * 5


def test_rows_of_many_lengths_are_padded_anew(tmp_path):
    write(tmp_path / "a", sequence_length=5)
    write(tmp_path / "b", sequence_length=7)
    paths = [str(tmp_path / name) for name in "ab"]
    (batch,) = read_records(paths, pad_token_id=PAD, batch_size=4)
    assert batch[0]["token_ids"].shape == (4, 5)


def test_floats_are_targets_of_a_regression(tmp_path):
    x, _, weight = classification_batch()
    y = np.array([0.5, 2.5], "float32")
    write_records(
        str(tmp_path / "x"),
        [(x, y, weight)],
        "classification",
        sequence_length=5,
        pad_token_id=PAD,
    )
    (got,) = read_records(
        str(tmp_path / "x"), "classification", pad_token_id=PAD, batch_size=2
    )
    np.testing.assert_array_equal(got[1], y)


def test_another_kind_is_refused_by_what_lacks(tmp_path):
    write(tmp_path / "x", "tagging")
    with pytest.raises(ValueError, match="missing   masked_lm_positions"):
        read_records(str(tmp_path / "x"), pad_token_id=PAD)
    write(tmp_path / "y")
    with pytest.raises(ValueError, match="unknown   masked_lm_ids"):
        read_records(str(tmp_path / "y"), "classification", pad_token_id=PAD)


def test_bad_calls_say_what_is_wrong(tmp_path):
    write(tmp_path / "x")
    with pytest.raises(ValueError, match="must be one of .'masked_lm'"):
        read_records(str(tmp_path / "x"), "squad", pad_token_id=PAD)
    with pytest.raises(ValueError, match="no records at"):
        read_records(str(tmp_path / "nothing-*"), pad_token_id=PAD)
    (tmp_path / "text").write_text("no records, but a text")
    with pytest.raises(ValueError, match="is no TFRecord file"):
        read_records(str(tmp_path / "text"), pad_token_id=PAD)
    with pytest.raises(ValueError, match="5 values, and records of 4"):
        write(tmp_path / "x", sequence_length=4)
    with pytest.raises(ValueError, match="need `num_predictions`"):
        write(tmp_path / "x", num_predictions=None)
    write(tmp_path / "x")
    with pytest.raises(tf.errors.InvalidArgumentError, match="is longer than"):
        list(
            read_records(
                str(tmp_path / "x"), pad_token_id=PAD, sequence_length=4
            )
        )
