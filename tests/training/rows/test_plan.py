"""Rows from lengths, against plain loops."""

import numpy as np
import pytest

from keras_longformer.training.rows.plan import count_rows
from keras_longformer.training.rows.plan import cut_documents
from keras_longformer.training.rows.plan import join_plans
from keras_longformer.training.rows.plan import pack_parts
from keras_longformer.training.rows.plan import plan_rows

ROOM = 101


def best_fit(lengths, room, most):
    """How many rows it takes, one part after another."""
    rows = []  # [room left, parts]
    for length in sorted(lengths, reverse=True):
        fit = [r for r in rows if r[0] >= length and r[1] < most]
        row = min(fit, default=None)
        if row is None:
            row = [room, 0]
            rows.append(row)
        row[0] -= length
        row[1] += 1
    return len(rows)


@pytest.mark.parametrize("most", [None, 1, 3])
@pytest.mark.parametrize("longest", [3, 40, ROOM])
@pytest.mark.parametrize("count", [0, 1, 7, 500])
def test_best_fit(count, longest, most):
    generator = np.random.default_rng(count)
    lengths = generator.integers(1, longest + 1, count)
    rows = pack_parts(lengths, ROOM, most)
    num_rows, parts = count_rows(lengths, ROOM, most)
    assert num_rows == len(set(rows.tolist()))
    filled = np.bincount(rows, lengths, num_rows)
    in_row = np.bincount(rows, minlength=num_rows)
    assert (filled <= ROOM).all() and parts == in_row.max(initial=0)
    assert parts <= (most or count)
    if most is None:  # Otherwise the loop's tie between rows may differ.
        assert num_rows == best_fit(lengths, ROOM, count)
    assert count_rows(generator.permutation(lengths), ROOM, most)[0] == num_rows


def test_first_part_takes_first_place():
    lengths = np.array([50, 60, 50, 41, 50])
    assert pack_parts(lengths, ROOM).tolist() == [0, 1, 0, 1, 2]


def test_cut_documents():
    lengths = np.array([0, 7, 10, 3, 0, 25])
    starts, parts = cut_documents(lengths, 10)
    assert starts.tolist() == [0, 7, 17, 20, 30, 40]
    assert parts.tolist() == [7, 10, 3, 10, 10, 5]


def test_plans():
    starts, lengths = np.array([0, 5, 9, 20]), np.array([5, 4, 2, 1])
    plan = plan_rows(starts, lengths, np.array([1, 0, 1, 0]))
    assert plan.firsts.tolist() == [0, 2, 4]
    assert plan.starts.tolist() == [5, 20, 0, 9]
    assert plan.row_tokens().tolist() == [5, 7]
    both = join_plans([plan, plan.take(np.array([1]))], [0, 100])
    assert both.starts.tolist() == [5, 20, 0, 9, 100, 109]
    assert both.take(np.array([2, 0])).starts.tolist() == [100, 109, 5, 20]
    none = plan_rows(starts[:0], lengths[:0], np.array([], int))
    assert none.num_rows == 0 and not none.row_tokens().size
