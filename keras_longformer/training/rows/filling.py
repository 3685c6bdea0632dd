"""Fills planned rows with tokens."""

import typing

import numpy as np

from keras_longformer.text.template import RowTemplate
from keras_longformer.training.rows.plan import RowPlan
from keras_longformer.training.rows.plan import join_plans
from keras_longformer.training.rows.plan import offsets_of
from keras_longformer.training.rows.plan import ranges_of

NO_SEGMENT = -1  # Of padding.


class Stock(typing.NamedTuple):
    """Rows that are ready to be filled, and their tokens.

    Attributes:
        tokens: int32 `(t,)`.
        plan: `RowPlan`, whose parts begin in `tokens`.
    """

    tokens: np.ndarray
    plan: RowPlan

    def take(self, rows: np.ndarray) -> "Stock":
        """Returns some rows, int `(r,)`, with their tokens alone."""
        plan = self.plan.take(rows)
        tokens = self.tokens[ranges_of(plan.starts, plan.lengths)]
        starts = offsets_of(plan.lengths)[:-1]
        return Stock(tokens, plan._replace(starts=starts))


def join_stocks(stocks: list[Stock]) -> Stock:
    """Returns the rows of all, one stock's after another's."""
    if len(stocks) == 1:
        return stocks[0]
    shifts = offsets_of([len(stock.tokens) for stock in stocks])[:-1]
    return Stock(
        np.concatenate([stock.tokens for stock in stocks]),
        join_plans([stock.plan for stock in stocks], shifts),
    )


def document_stream(
    tokens: np.ndarray,
    lengths: np.ndarray,
    order: np.ndarray,
    separator: tuple[int, ...],
) -> np.ndarray:
    """Returns documents as one run of tokens, in another order.

    Args:
        tokens: int32 `(t,)`, the documents one after another.
        lengths: int `(documents,)`.
        order: int `(documents,)`, which document comes when.
        separator: ids between two documents.

    Returns:
        int32 `(s,)`.
    """
    first, sizes = offsets_of(lengths)[:-1][order], lengths[order]
    gap = len(separator)
    at = offsets_of(sizes + gap)
    stream = np.empty(max(at[-1] - gap, 0), np.int32)
    stream[ranges_of(at[:-1], sizes)] = tokens[ranges_of(first, sizes)]
    for i, token_id in enumerate(separator):
        stream[at[1:-1] - gap + i] = token_id
    return stream


def fill_rows(
    stock: Stock, template: RowTemplate, columns: int
) -> tuple[np.ndarray, np.ndarray]:
    """Writes rows, each part with its special tokens.

    Args:
        stock: the rows.
        template: the special tokens around a part.
        columns: int, `n`; what is left of a row is padding.

    Returns:
        `token_ids` and `segment_ids`, int32 `(b, n)`: the parts of a row
        count from 0, and padding is `NO_SEGMENT`.
    """
    tokens, (firsts, starts, lengths) = stock
    b, counts = len(firsts) - 1, np.diff(firsts)
    lead = len(template.start)
    sizes = lengths + template.num_special(1)
    before = offsets_of(sizes)
    # Where each part begins among all columns of all rows.
    at = before[:-1] - np.repeat(before[firsts[:-1]], counts)
    at += np.repeat(columns * np.arange(b), counts)
    token_ids = np.full(b * columns, template.pad, np.int32)
    token_ids[ranges_of(at + lead, lengths)] = tokens[
        ranges_of(starts, lengths)
    ]
    for i, token_id in enumerate(template.start):
        token_ids[at + i] = token_id
    for i, token_id in enumerate(template.end):
        token_ids[at + lead + lengths + i] = token_id
    segment_ids = np.full(b * columns, NO_SEGMENT, np.int32)
    number = np.arange(len(starts)) - np.repeat(firsts[:-1], counts)
    segment_ids[ranges_of(at, sizes)] = np.repeat(number, sizes)
    shape = b, columns
    return token_ids.reshape(shape), segment_ids.reshape(shape)
