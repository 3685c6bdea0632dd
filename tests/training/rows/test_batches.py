"""What the batches of a corpus hold, and that the step alone says it."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from keras_longformer.data.model_garden import read_records
from keras_longformer.data.model_garden import write_records
from keras_longformer.models.backbone import LongformerBackbone
from keras_longformer.tasks.masked_lm import LongformerMaskedLM
from keras_longformer.tokenizers import LongformerTokenizer
from keras_longformer.training.rows.batches import PretrainingBatches
from tests.training.rows.corpora import MemoryCorpus
from tests.training.rows.corpora import random_corpus

N = 37
LETTERS = [chr(i) for i in range(0x21, 0x7F)]
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
START, PAD, END, _, MASK = range(5)


@pytest.fixture(scope="module")
def tokenizer():
    tokens = [*SPECIAL, "Ġ", *LETTERS]
    return LongformerTokenizer({t: i for i, t in enumerate(tokens)}, [])


def corpus_of(sizes=(11, 1, 6, 0, 9, 4, 8)):
    return random_corpus(sizes, ids=np.arange(5, 100), longest=2 * N)


def batches_of(tokenizer, corpus=None, **arguments):
    return PretrainingBatches(
        corpus or corpus_of(),
        tokenizer,
        **{"sequence_length": N, "batch_size": 3, "mixed_shards": 2}
        | arguments,
    )


def steps(batches, first, count):
    """NumPy arrays of some steps."""
    return list(batches.dataset(first).take(count).as_numpy_iterator())


def unmasked(batch):
    """The rows as they were before masking."""
    x, y, weights = batch
    token_ids = x["token_ids"].copy()
    rows, places = np.nonzero(weights)
    token_ids[rows, x["mask_positions"][rows, places]] = y[rows, places]
    return token_ids


def parts_of(batches):
    """All parts of an epoch, tuples of ids with their special tokens."""
    parts = []
    for batch in steps(batches, 0, batches.steps_per_epoch):
        for i, ids in enumerate(unmasked(batch)):
            mask = batch[0]["padding_mask"][i]
            segments = batch[0].get("segment_ids")
            segments = (
                np.where(mask, 0, -1) if segments is None else segments[i]
            )
            assert (ids[~mask] == PAD).all() and (segments[~mask] == -1).all()
            for segment in range(segments.max() + 1):
                parts.append(tuple(ids[segments == segment].tolist()))
    return parts


def cut(document):
    room = N - 2
    ids = [int(i) for i in document]
    return [(START, *ids[i : i + room], END) for i in range(0, len(ids), room)]


@pytest.mark.parametrize("packing", ["documents", "none"])
def test_an_epoch_holds_each_document_once(tokenizer, packing):
    corpus = corpus_of()
    batches = batches_of(tokenizer, corpus, packing=packing, batch_size=1)
    want = [part for d in corpus.documents for part in cut(d)]
    columns = batches.steps_per_epoch * N
    padding = 1 - sum(map(len, want)) / columns
    assert batches.padding_rate == pytest.approx(padding)
    assert sorted(parts_of(batches)) == sorted(want)


def test_crossing(tokenizer):
    corpus = corpus_of((4,))
    batches = batches_of(tokenizer, corpus, packing="crossing", batch_size=1)
    rows = parts_of(batches)
    padding = 1 - sum(map(len, rows)) / (len(rows) * N)
    assert batches.padding_rate == pytest.approx(padding)
    assert all(r[0] == START and r[-1] == END for r in rows)
    assert sorted(map(len, rows))[1:] == [N] * (len(rows) - 1)
    # In an order that we do not know: the one row that is not full is last.
    rows.sort(key=len, reverse=True)
    found = []
    for order in itertools.permutations(rows[:-1]):
        stream = [i for row in (*order, rows[-1]) for i in row[1:-1]]
        found = " ".join(map(str, stream)).split(f" {END} ")
        want = [" ".join(map(str, d.tolist())) for d in corpus.documents]
        if sorted(found) == sorted(want):
            break
    else:
        raise AssertionError(found)


@pytest.mark.parametrize("packing", ["documents", "crossing", "none"])
def test_step_says_what_is_in_it(tokenizer, packing):
    arguments = dict(packing=packing, whole_words=packing == "documents")
    batches = batches_of(tokenizer, **arguments)
    per_epoch = batches.steps_per_epoch
    straight = steps(batches, 0, per_epoch + 2)
    for first in (1, per_epoch - 1):
        again = steps(batches_of(tokenizer, **arguments), first, 2)
        tf.nest.map_structure(
            np.testing.assert_array_equal, again, straight[first : first + 2]
        )
    assert str(straight[0]) != str(straight[per_epoch])


@pytest.mark.parametrize("packing", ["documents", "none"])
def test_workers_share_each_batch(tokenizer, packing):
    arguments = dict(packing=packing, batch_size=4)
    alone = steps(batches_of(tokenizer, **arguments), 2, 5)
    for i in range(2):
        own = steps(
            batches_of(tokenizer, **arguments, worker=i, workers=2), 2, 5
        )
        for part, whole in zip(own, alone, strict=True):
            tf.nest.map_structure(
                lambda a, b, i=i: np.testing.assert_array_equal(a, b[i::2]),
                part,
                whole,
            )


def test_masks(tokenizer):
    batches = batches_of(tokenizer, batch_size=4, document_global=True)
    taken = steps(batches, 0, 6)
    for (x, y, weights), row in itertools.product(taken, range(4)):
        ids, segments = x["token_ids"][row], x["segment_ids"][row]
        selectable = unmasked((x, y, weights))[row] > MASK
        count = int(np.ceil(np.float32(selectable.sum()) * 0.15))
        assert weights[row].sum() == count and weights.shape[1] == 6
        assert selectable[x["mask_positions"][row, :count]].all()
        first = np.unique(segments[segments >= 0], return_index=True)[1]
        assert np.flatnonzero(x["global_mask"][row]).tolist() == first.tolist()
        assert (ids[first] == START).all()
    masks = [str(x["mask_positions"]) for x, *_ in taken]
    assert len(set(masks)) == 6


def test_unpacked_rows_have_few_lengths(tokenizer):
    corpus = MemoryCorpus([[[7] * 100] * 4 + [[7] * 300] * 4])
    batches = batches_of(
        tokenizer, corpus, packing="none", sequence_length=600, batch_size=1
    )
    taken = steps(batches, 0, 8)
    for x, y, _ in taken:
        columns = 256 if x["padding_mask"].sum() == 102 else 512
        assert x["token_ids"].shape == (1, columns)
        assert y.shape == (1, int(0.15 * columns) + 1)
    assert len({x["token_ids"].shape for x, *_ in taken}) == 2


def test_token_types(tokenizer):
    rows = {
        "start": ["<s>"],
        "between": ["</s>"],
        "end": ["</s>"],
        "token_types": [1, 0],
    }
    typed = LongformerTokenizer(tokenizer.vocabulary, [], row_tokens=rows)
    (x, *_), *_ = steps(batches_of(typed), 0, 1)
    assert (x["token_type_ids"] == x["padding_mask"]).all()


def test_starts_within_an_epoch_without_reading_it(tokenizer):
    corpus = corpus_of((20,) * 12)
    batches = batches_of(tokenizer, corpus)
    steps(batches, batches.steps_per_epoch - 1, 1)
    # The last pair of shards, and where the thread was quick, more.
    assert len(corpus.was_read) <= 6
    assert batches.steps_per_epoch > 50


def test_wrong_arguments(tokenizer):
    for match, arguments in {
        "fewer than a batch of 1000": {"batch_size": 1000},
        "share it evenly": {"batch_size": 3, "workers": 2},
        "counts from 0 to 1": {"batch_size": 4, "worker": 2, "workers": 2},
        "begin within documents": {
            "packing": "crossing",
            "document_global": True,
        },
        "packing": {"packing": "some"},
        "leave room": {"sequence_length": 2},
        "a part of a row": {"mask_selection_rate": 1.5},
    }.items():
        with pytest.raises(ValueError, match=match):
            batches_of(tokenizer, **arguments)


def test_check_model(tokenizer):
    config = dict(
        vocabulary_size=tokenizer.vocabulary_size(),
        num_layers=1,
        num_heads=1,
        hidden_dim=4,
        intermediate_dim=4,
        window_size=2,
        max_sequence_length=N,
        max_global_tokens=3,
        pooler=False,
    )
    good = LongformerMaskedLM(LongformerBackbone(**config, packed=True))
    batches = batches_of(tokenizer)
    batches.check_model(good)
    bad = LongformerMaskedLM(
        LongformerBackbone(
            **{**config, "max_sequence_length": 9, "vocabulary_size": 50}
        )
    )
    short = MemoryCorpus([[[7] * 4] * 50])
    batches = batches_of(tokenizer, short, document_global=True)
    assert batches.documents_per_row > 3
    with pytest.raises(ValueError) as error:
        batches.check_model(bad)
    for part in ("max_sequence_length=9", "packed=True", "=3", "up to 99"):
        assert part in str(error.value)
    batches = batches_of(
        tokenizer, short, document_global=True, most_documents=3
    )
    batches.check_model(good)


def test_a_shard_that_cannot_be_read_is_named(tokenizer):
    class Broken(MemoryCorpus):
        def read_shard(self, index):
            raise ValueError(f"shard {index} is broken")

    corpus = Broken([[[7] * 30] * 9])
    with pytest.raises(tf.errors.OpError, match="shard 0 is broken"):
        steps(batches_of(tokenizer, corpus), 0, 1)


def test_as_records_of_model_garden_and_back(tokenizer, tmp_path):
    path = str(tmp_path / "train.tfrecord")
    sizes = {"sequence_length": N, "pad_token_id": PAD}
    batches = batches_of(tokenizer, packing="crossing")
    count = write_records(
        path, batches.dataset().take(2), num_predictions=9, **sizes
    )
    assert count == 6
    read = read_records(path, pad_token_id=PAD, batch_size=3)
    for (x, y, weights), batch in zip(read, steps(batches, 0, 2), strict=True):
        for name in ("token_ids", "padding_mask"):
            np.testing.assert_array_equal(x[name], batch[0][name])
        used = batch[2] > 0
        k = used.shape[1]
        assert np.array_equal(weights[:, :k] > 0, used)
        np.testing.assert_array_equal(y.numpy()[:, :k][used], batch[1][used])
        places = x["mask_positions"].numpy()[:, :k]
        np.testing.assert_array_equal(
            places[used], batch[0]["mask_positions"][used]
        )
    packed = batches_of(tokenizer, packing="documents").dataset().take(1)
    with pytest.raises(ValueError, match='packing="none" or "crossing"'):
        write_records(path, packed, num_predictions=9, **sizes)
