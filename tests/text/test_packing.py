"""Rows of tokens packed into dense batches."""

import pytest
import tensorflow as tf

from keras_longformer.text.packing import check_packing
from keras_longformer.text.packing import length_buckets
from keras_longformer.text.packing import pack
from keras_longformer.text.template import RowTemplate

S, E, P = 100, 102, 101  # `<s>`, `</s>` and padding.
IDS = {"template": RowTemplate((S,), (E, E), (E,), P)}


def ragged(*rows):
    return tf.ragged.constant(rows, tf.int32)


def packed(*segments, **options):
    """Packs, and checks that the mask is `True` at all that is no padding."""
    result = pack(*segments, **IDS, **options)
    ids = result.token_ids.numpy()
    assert (result.padding_mask.numpy() == (ids != P)).all()
    return ids.tolist()


def test_one_segment():
    rows = ragged([1, 2, 3], [], [4])
    assert packed(rows) == [[S, 1, 2, 3, E], [S, E, P, P, P], [S, 4, E, P, P]]
    assert packed(rows, sequence_length=4) == [
        [S, 1, 2, E],
        [S, E, P, P],
        [S, 4, E, P],
    ]
    assert packed(rows, sequence_length=6)[2] == [S, 4, E, P, P, P]


def test_padded_length():
    rows = ragged([1, 2], [3])
    longest = packed(rows, sequence_length=9, pad_to="longest")
    assert longest == [[S, 1, 2, E], [S, 3, E, P]]
    cut = packed(rows, sequence_length=3, pad_to="longest")
    assert cut == [[S, 1, E], [S, 3, E]]
    for lengths, wanted in (((3, 4, 9), 4), ((5, 9), 5), ((9,), 9)):
        ids = packed(rows, sequence_length=9, pad_to=lengths)
        assert [len(row) for row in ids] == [wanted] * 2
    assert pack(ragged([1])[:0], **IDS).token_ids.shape[0] == 0


@pytest.mark.parametrize(
    ("longest", "buckets"),
    [
        (1500, [256, 512, 1024, 1500]),
        (1024, [256, 512, 1024]),
        (256, [256]),
        (100, [100]),
    ],
)
def test_length_buckets(longest, buckets):
    assert length_buckets(longest) == buckets
    check_packing(longest, buckets, "waterfall")


def test_two_segments():
    first, second = ragged([1, 2], []), ragged([5, 6, 7], [8])
    assert packed(first, second) == [
        [S, 1, 2, E, E, 5, 6, 7, E],
        [S, E, E, 8, E, P, P, P, P],
    ]
    result = pack(first, second, **IDS)
    assert result.second_start.numpy().tolist() == [5, 3]
    alone = pack(first, **IDS)
    assert alone.second_start.numpy().tolist() == [4, 2]


@pytest.mark.parametrize(
    ("truncate", "sizes", "room", "left"),
    [
        ("round_robin", (9, 9), 6, (3, 3)),
        ("round_robin", (9, 9), 7, (4, 3)),
        ("round_robin", (2, 9), 7, (2, 5)),
        ("round_robin", (9, 1), 7, (6, 1)),
        ("round_robin", (0, 9), 7, (0, 7)),
        ("waterfall", (9, 9), 7, (7, 0)),
        ("waterfall", (3, 9), 7, (3, 4)),
        ("waterfall", (3, 2), 7, (3, 2)),
    ],
)
def test_truncation_of_pairs(truncate, sizes, room, left):
    first = ragged([*range(1, 1 + sizes[0])])
    second = ragged([*range(11, 11 + sizes[1])])
    (row,) = packed(first, second, sequence_length=room + 4, truncate=truncate)
    a = [*range(1, 1 + left[0])]
    b = [*range(11, 11 + left[1])]
    wanted = [S, *a, E, E, *b, E]
    assert row == wanted + [P] * (room + 4 - len(wanted))


def test_graph_has_static_length_where_it_can():
    spec = tf.RaggedTensorSpec([None, None], tf.int32)

    @tf.function(input_signature=[spec])
    def fixed(rows):
        return pack(rows, **IDS, sequence_length=7).token_ids

    @tf.function(input_signature=[spec])
    def buckets(rows):
        options = {"sequence_length": 8, "pad_to": (4, 8)}
        return pack(rows, **IDS, **options).token_ids

    rows = ragged([1, 2, 3], [4])
    assert fixed.get_concrete_function().output_shapes[1] == 7
    assert fixed(rows).shape == [2, 7]
    assert buckets(rows).shape == [2, 8]
    assert buckets(rows[1:]).shape == [1, 4]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3, "longest", "waterfall"), "sequence_length=3"),
        ((8, "longest", "first"), "truncate='first'"),
        ((8, "max", "waterfall"), "pad_to='max'"),
        ((8, [], "waterfall"), "ascending"),
        ((8, [8, 4], "waterfall"), "ascending"),
        ((8, [2, 4], "waterfall"), "hold the longest"),
        ((None, [2, 4], "waterfall"), "hold the longest"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        check_packing(*arguments)
