"""Shards of a corpus to stocks of rows, in the order of an epoch."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from keras_longformer.training.rows.filling import Stock
from keras_longformer.training.rows.filling import document_stream
from keras_longformer.training.rows.filling import join_stocks
from keras_longformer.training.rows.plan import count_rows
from keras_longformer.training.rows.plan import cut_documents
from keras_longformer.training.rows.plan import pack_parts
from keras_longformer.training.rows.plan import plan_rows

PACKINGS = ("documents", "crossing", "none")


class RowReader:
    """The rows of a corpus, epoch after epoch, each in an order of its own.

    An epoch takes the shards in an order that follows from the seed and the
    epoch, some of them together, whose rows it mixes; the documents of each
    are put into rows anew.

    Args:
        corpus: a `Corpus`.
        template: `RowTemplate`, the special tokens around a part.
        sequence_length: int, the columns of a row.
        packing: one of `PACKINGS`.
        most_documents: int, the most parts of a row, or `None`.
        seed: int.
        mixed_shards: int, how many shards are in memory together.
    """

    def __init__(
        self,
        corpus,
        template,
        *,
        sequence_length,
        packing,
        most_documents,
        seed,
        mixed_shards,
    ):
        self.corpus = corpus
        self.template = template
        self.packing = packing
        self.most_documents = most_documents
        self.seed = seed
        self.mixed_shards = mixed_shards
        self.num_special = template.num_special(1)
        self.sequence_length = sequence_length
        self.longest = sequence_length - self.num_special
        counts = [
            self._count(self._lengths(i)) for i in range(len(corpus.shards))
        ]
        self.shard_rows = np.array([rows for rows, _ in counts], np.int64)
        self.documents_per_row = max([most for _, most in counts], default=0)

    @property
    def num_rows(self) -> int:
        """How many rows an epoch has: the same number in each."""
        return int(self.shard_rows.sum())

    def stocks(self, epoch: int, first: int = 0):
        """Yields the rows of an epoch, in order, as `Stock`s.

        The next is read while one is in use.

        Args:
            epoch: int.
            first: int, how many rows to leave out. Shards that hold none but
                those are not read.
        """
        shards = self._generator(epoch).permutation(len(self.shard_rows))
        groups = [
            shards[i : i + self.mixed_shards]
            for i in range(0, len(shards), self.mixed_shards)
        ]
        ends = np.cumsum([self.shard_rows[group].sum() for group in groups])
        begin = int(np.searchsorted(ends, first, "right"))
        skipped = first - (int(ends[begin - 1]) if begin else 0)
        groups = groups[begin:]
        with ThreadPoolExecutor(1, "keras_longformer-shards") as reader:
            coming = [reader.submit(self._mixed, epoch, g) for g in groups[:1]]
            for group in [*groups[1:], None]:
                stock = coming.pop().result()
                if group is not None:
                    coming = [reader.submit(self._mixed, epoch, group)]
                if skipped:
                    left = np.arange(skipped, stock.plan.num_rows)
                    stock, skipped = stock.take(left), 0
                yield stock

    def _mixed(self, epoch, shards):
        """Returns a `Stock` of the rows of some shards, in random order."""
        stock = join_stocks([self._read(epoch, shard) for shard in shards])
        generator = self._generator(epoch, *shards, len(self.shard_rows))
        order = generator.permutation(stock.plan.num_rows)
        return stock._replace(plan=stock.plan.take(order))

    def _read(self, epoch, shard):
        """Returns a `Stock` of the rows of a shard."""
        tokens, _ = self.corpus.read_shard(shard)
        lengths = self._lengths(shard)
        if self.packing == "crossing":
            order = self._generator(epoch, shard).permutation(len(lengths))
            tokens = document_stream(
                tokens, lengths, order[lengths[order] > 0], self.template.end
            )
            starts, parts = cut_documents(np.array([len(tokens)]), self.longest)
        else:
            starts, parts = cut_documents(lengths, self.longest)
        if self.packing != "documents":
            return Stock(
                tokens, plan_rows(starts, parts, np.arange(len(parts)))
            )
        order = self._generator(epoch, shard).permutation(len(parts))
        starts, parts = starts[order], parts[order]
        rows = pack_parts(
            parts + self.num_special, self.sequence_length, self.most_documents
        )
        return Stock(tokens, plan_rows(starts, parts, rows))

    def _count(self, lengths):
        """Returns how many rows a shard has, and the most parts of one."""
        lengths = lengths[lengths > 0]
        if self.packing == "crossing":
            gaps = len(self.template.end) * max(len(lengths) - 1, 0)
            return -(-int(lengths.sum() + gaps) // self.longest), 1
        _, parts = cut_documents(lengths, self.longest)
        if self.packing == "none":
            return len(parts), 1
        return count_rows(
            parts + self.num_special, self.sequence_length, self.most_documents
        )

    def _lengths(self, shard):
        """Returns int64 `(documents,)`, of a shard."""
        shard = self.corpus.shards[shard]
        first = shard.first_document
        own = self.corpus.lengths[first : first + shard.documents]
        return own.astype(np.int64)

    def _generator(self, *numbers):
        return np.random.default_rng([self.seed, *map(int, numbers)])
