"""Batches to pretrain on, from a corpus of tokens."""

import numpy as np
import tensorflow as tf

from keras_longformer.text.coercion import check_one_of
from keras_longformer.text.packing import length_buckets
from keras_longformer.tokenizers import GraphTokenizer
from keras_longformer.training.corpus.records import Corpus
from keras_longformer.training.masking import mask_tokens
from keras_longformer.training.masking import selection_length
from keras_longformer.training.rows.filling import NO_SEGMENT
from keras_longformer.training.rows.filling import fill_rows
from keras_longformer.training.rows.filling import join_stocks
from keras_longformer.training.rows.reading import PACKINGS
from keras_longformer.training.rows.reading import RowReader


class PretrainingBatches:
    """Masked batches of a corpus, without end, from any step on.

    What step `k` holds follows from the corpus, the arguments and `k` alone,
    so that the number of the step is all that a checkpoint must keep of the
    data: a run goes on with `dataset(step)`.

    Args:
        corpus: a `Corpus`, tokenized by `tokenizer`.
        tokenizer: a `GraphTokenizer`, for its special tokens and rows.
        sequence_length: int, the most tokens of a row, special ones included.
        batch_size: int, rows of a step, of all workers together.
        seed: int.
        packing: which documents share a row:
            `"documents"`: whole ones, that do not see each other
            (`segment_ids`); a longer one is cut into parts of a full row and
            what is left;
            `"crossing"`: all of them one after another, with the end token
            between two, cut into full rows, in which documents see each other;
            `"none"`: each has a row of its own, or several, padded to the
            least of 256, 512, ... that holds the longest of the batch.
        document_global: whether the first token of each document, or part,
            is global.
        whole_words: whether all tokens of a word are selected, or none.
        mask_selection_rate: float, the part of a row's tokens to predict. Of
            those 80 % become the mask token, 10 % a random one, 10 % stay.
        worker: int, which part of each batch this worker gets: the rows
            `worker`, `worker + workers`, ...
        workers: int, among how many a batch is shared, evenly. Together they
            see the batches that one alone would.
        most_documents: int, the most documents, or parts, of a row, or
            `None`. It limits what `document_global` costs.
        mixed_shards: int, of how many shards rows are mixed. They are in
            memory together, and as many more to come.

    Attributes:
        steps_per_epoch: int; rows that do not fill a last batch are left out.
        documents_per_row: int, the most in a row of this corpus.
        padding_rate: float, the part of an epoch's rows that is padding, if
            all are `sequence_length` long, as they are but for
            `packing="none"`.

    Raises:
        ValueError: arguments that cannot be, a corpus that another tokenizer
            made, or fewer rows than a batch.

    Example:
    ```python
    masked_lm = keras_longformer.LongformerMaskedLM.from_preset(
        "path/to/roberta-base", max_sequence_length=4096, packed=True)
    masked_lm.preprocessor = None  # The rows are token ids already.
    batches = PretrainingBatches(
        Corpus.open("corpus"), tokenizer, sequence_length=4096, batch_size=8)
    batches.check_model(masked_lm)
    masked_lm.fit(batches.dataset(), steps_per_epoch=batches.steps_per_epoch)
    ```
    """

    def __init__(
        self,
        corpus: Corpus,
        tokenizer: GraphTokenizer,
        *,
        sequence_length: int = 4096,
        batch_size: int = 1,
        seed: int = 0,
        packing: str = "documents",
        document_global: bool = False,
        whole_words: bool = False,
        mask_selection_rate: float = 0.15,
        worker: int = 0,
        workers: int = 1,
        most_documents: int | None = None,
        mixed_shards: int = 4,
    ):
        template = tokenizer.row_template
        check_one_of("packing", packing, PACKINGS)
        _check_sizes(
            template.num_special(1), sequence_length, mask_selection_rate
        )
        _check_workers(batch_size, worker, workers)
        if document_global and packing == "crossing":
            raise ValueError(
                "`document_global` marks the first token of each document, "
                'and rows of packing="crossing" begin within documents. Take '
                'packing="documents".'
            )
        corpus.check_tokenizer(tokenizer)
        self.corpus = corpus
        self.tokenizer = tokenizer
        self.sequence_length = sequence_length
        self.batch_size = batch_size
        self.seed = seed
        self.packing = packing
        self.document_global = document_global
        self.whole_words = whole_words
        self.mask_selection_rate = mask_selection_rate
        self.worker = worker
        self.workers = workers
        self._reader = RowReader(
            corpus,
            template,
            sequence_length=sequence_length,
            packing=packing,
            most_documents=most_documents,
            seed=seed,
            mixed_shards=mixed_shards,
        )
        self.documents_per_row = self._reader.documents_per_row
        columns = max(self._reader.num_rows, 1) * sequence_length
        self.padding_rate = 1 - self._reader.num_tokens / columns
        self.steps_per_epoch = self._reader.num_rows // batch_size
        if not self.steps_per_epoch:
            raise ValueError(
                f"The corpus fills {self._reader.num_rows} rows of "
                f"sequence_length={sequence_length} (packing={packing!r}), "
                f"fewer than a batch of {batch_size}. Take a smaller "
                "`batch_size` or `sequence_length`, or more text."
            )
        special = np.zeros(tokenizer.vocabulary_size(), bool)
        special[list(tokenizer.special_token_ids)] = True
        self._special = special
        self._word_starts = tokenizer.word_starts if whole_words else None

    def dataset(self, step: int = 0) -> tf.data.Dataset:
        """Returns the batches from an update on, without end.

        Args:
            step: int, how many there were before, in all epochs together.

        Returns:
            Dataset of `(x, y, sample_weight)`: `x` a dict of

            - `"token_ids"`: int32 `(b, n)`, some of them masked,
            - `"padding_mask"`: bool `(b, n)`, `True` at tokens,
            - `"mask_positions"`: int32 `(b, k)`, where to predict, ascending,
            - `"segment_ids"`: int32 `(b, n)`, with `packing="documents"`, the
              document of each token, -1 for padding,
            - `"global_mask"`: bool `(b, n)`, with `document_global`,
            - `"token_type_ids"`: int32 `(b, n)`, where the tokenizer's rows
              have types,

            `y` int32 `(b, k)`, the tokens that stood there, and
            `sample_weight` float32 `(b, k)`, 0 where a row has fewer than `k`.
            `b` is this worker's part of the batch; `n` is `sequence_length`,
            and `k` always the same, save with `packing="none"`.
        """
        b = self.batch_size // self.workers
        n = None if self.packing == "none" else self.sequence_length
        rows = tf.data.Dataset.from_generator(
            lambda: self._batches(step),
            output_signature=(
                tf.TensorSpec((b, n), tf.int32),
                tf.TensorSpec((b, n), tf.int32),
                tf.TensorSpec((b, 2), tf.int32),
            ),
        )
        masked = rows.map(
            self._masked,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        options = tf.data.Options()
        # A worker's dataset is its own part already.
        options.experimental_distribute.auto_shard_policy = (
            tf.data.experimental.AutoShardPolicy.OFF
        )
        return masked.prefetch(tf.data.AUTOTUNE).with_options(options)

    def check_model(self, model) -> None:
        """Raises for a model that cannot take these batches.

        Args:
            model: a `LongformerMaskedLM`.

        Raises:
            ValueError: all that does not fit.
        """
        backbone = model.backbone
        problems = []
        if self.sequence_length > backbone.max_sequence_length:
            problems.append(
                f"rows of sequence_length={self.sequence_length} tokens, and "
                f"it reads max_sequence_length={backbone.max_sequence_length}"
            )
        if self.packing == "documents" and not backbone.packed:
            problems.append(
                'several documents a row (packing="documents"), and it has '
                "no `segment_ids`: build it with `packed=True`"
            )
        most = backbone.max_global_tokens
        if self.document_global and most is not None:
            if most < self.documents_per_row:
                problems.append(
                    f"{self.documents_per_row} documents in a row, each with "
                    f"a global token, and it takes max_global_tokens={most}: "
                    "raise that, or lower `most_documents`"
                )
        size = self.tokenizer.vocabulary_size()
        if size > backbone.vocabulary_size:
            problems.append(
                f"token ids up to {size - 1}, and it knows "
                f"vocabulary_size={backbone.vocabulary_size}"
            )
        if problems:
            listed = "".join(f"\n  {problem}" for problem in problems)
            raise ValueError(
                f"'{model.name}' does not take these batches:{listed}"
            )

    def _batches(self, step):
        """Yields token ids, segments and seeds of each step's own rows."""
        epoch, first = divmod(step, self.steps_per_epoch)
        while True:
            yield from self._epoch(epoch, first)
            epoch, first = epoch + 1, 0

    def _epoch(self, epoch, first):
        row = first * self.batch_size
        key = np.random.SeedSequence([self.seed, epoch]).generate_state(1)
        key = key.view(np.int32)[0]
        left = []
        for stock in self._reader.stocks(epoch, row):
            stock = join_stocks([*left, stock])
            whole = stock.plan.num_rows // self.batch_size * self.batch_size
            for begin in range(0, whole, self.batch_size):
                numbers = np.arange(begin, begin + self.batch_size)
                yield self._filled(stock, numbers, key, row)
                row += self.batch_size
            rest = np.arange(whole, stock.plan.num_rows)
            left = [stock.take(rest)] if len(rest) else []

    def _filled(self, stock, numbers, key, row):
        """Fills this worker's rows of the batch that begins with `row`."""
        own = slice(self.worker, None, self.workers)
        template, columns = self.tokenizer.row_template, self.sequence_length
        if self.packing == "none":
            # Of the whole batch, so that all workers' rows have one length.
            longest = stock.plan.take(numbers).row_tokens().max()
            columns = self._bucket(longest + template.num_special(1))
        plan = stock.plan.take(numbers[own])
        rows = fill_rows(stock._replace(plan=plan), template, columns)
        seeds = np.arange(row, row + self.batch_size, dtype=np.int32)[own]
        return *rows, np.stack([np.full_like(seeds, key), seeds], 1)

    def _bucket(self, longest):
        lengths = length_buckets(self.sequence_length)
        return next(length for length in lengths if length >= longest)

    def _masked(self, token_ids, segment_ids, seeds):
        """Masks rows: `(x, y, sample_weight)`."""
        with tf.device("CPU"):
            padding_mask = tf.not_equal(segment_ids, NO_SEGMENT)
            is_special = tf.gather(tf.constant(self._special), token_ids)
            starts = None
            if self.whole_words:
                starts = tf.gather(tf.constant(self._word_starts), token_ids)
            masked = mask_tokens(
                token_ids,
                padding_mask & ~is_special,
                mask_id=self.tokenizer.mask_token_id,
                vocabulary_size=self.tokenizer.vocabulary_size(),
                seed=seeds,
                selection_rate=self.mask_selection_rate,
                selection_length=selection_length(
                    token_ids, self.mask_selection_rate
                ),
                word_starts=starts,
            )
            x = {
                "token_ids": masked.token_ids,
                "padding_mask": padding_mask,
                "mask_positions": masked.mask_positions,
            }
            if self.packing == "documents":
                x["segment_ids"] = segment_ids
            if self.tokenizer.row_template.token_types is not None:
                first, _ = self.tokenizer.row_template.token_types
                x["token_type_ids"] = tf.where(padding_mask, first, 0)
            if self.document_global:
                x["global_mask"] = _first_tokens(segment_ids)
        return x, masked.mask_ids, masked.mask_weights


def _first_tokens(segment_ids):
    """Returns bool `(b, n)`, `True` at the first token of each segment."""
    before = tf.pad(
        segment_ids[:, :-1], [[0, 0], [1, 0]], constant_values=NO_SEGMENT
    )
    is_first = tf.not_equal(segment_ids, before)
    return is_first & tf.not_equal(segment_ids, NO_SEGMENT)


def _check_sizes(num_special, sequence_length, rate):
    if sequence_length <= num_special:
        raise ValueError(
            "`sequence_length` must leave room for tokens beside the "
            f"{num_special} special ones of a row. "
            f"Received: sequence_length={sequence_length}."
        )
    if not 0 < rate <= 1:
        raise ValueError(
            "`mask_selection_rate` is a part of a row's tokens, in (0, 1]. "
            f"Received: mask_selection_rate={rate}."
        )


def _check_workers(batch_size, worker, workers):
    if batch_size < 1 or workers < 1 or batch_size % workers:
        raise ValueError(
            "`batch_size` is of all workers together, who share it evenly. "
            f"Received: batch_size={batch_size}, workers={workers}."
        )
    if not 0 <= worker < workers:
        raise ValueError(
            f"`worker` counts from 0 to {workers - 1}, less than `workers`. "
            f"Received: worker={worker}, workers={workers}."
        )
