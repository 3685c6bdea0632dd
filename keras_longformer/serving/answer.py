"""What an exported model computes from token ids: what all kinds share.

A head has two halves. `compute` is numbers only and can be compiled; `finish`
makes what is returned of it, strings too. Between them `merge` puts the windows
of one text together. All outputs have the batch as first axis, which TF
Serving's batching splits again.
"""

import typing
from collections.abc import Sequence

import tensorflow as tf

from keras_longformer.serving.rows import OVER_LONG
from keras_longformer.serving.rows import rows_of_texts
from keras_longformer.text.merging import mean_of_windows
from keras_longformer.text.windows import Windows
from keras_longformer.tokenizers.byte_pair.tokenizer import LongformerTokenizer


class Rules(typing.NamedTuple):
    """How texts become rows.

    Attributes:
        tokenizer: the `LongformerTokenizer`.
        longest: int, the most tokens of a row.
        over_long: one of `rows.OVER_LONG`.
    """

    tokenizer: LongformerTokenizer
    longest: int
    over_long: str


class Problem(typing.NamedTuple):
    """Why some texts or rows cannot be answered.

    Attributes:
        bad: bool `(b,)`, which ones.
        before: str, what is said of them before the number.
        number: int `(b,)`, what there is too much of.
        after: str, what is said behind it.
    """

    bad: tf.Tensor
    before: str
    number: tf.Tensor
    after: str


class Reading(typing.NamedTuple):
    """Texts as rows.

    Attributes:
        windows: the `Windows` of their tokens.
        problems: of texts that cannot be read.
        document: what `finish_texts` needs of the texts.
    """

    windows: Windows
    problems: Sequence[Problem] = ()
    document: object = None


class Answer:
    """One kind of answer to a text.

    Attributes:
        inputs: tuple of str, the names of the texts that it reads.
        marks: list of special tokens that are recognised in texts.
        over_long: tuple of str, what of `rows.OVER_LONG` it can read.
        merging: str, what `merge` does, for people.
    """

    inputs = ("text",)
    marks = ()
    over_long = OVER_LONG
    merging = "logits, or hidden states, are averaged over them"

    def read(self, texts: dict[str, tf.Tensor], rules: Rules) -> Reading:
        """Returns the rows of texts, string `(b,)` by the names of inputs."""
        tokenizer = rules.tokenizer
        windows = rows_of_texts(
            tokenizer.tokenize(texts["text"], [*self.marks]),
            longest=rules.longest,
            over_long=rules.over_long,
            start_id=tokenizer.start_token_id,
            end_id=tokenizer.end_token_id,
        )
        return Reading(windows)

    def problems(self, rows: tf.RaggedTensor) -> Sequence[Problem]:
        """Returns what is wrong with rows of token ids, int32 `(b, None)`."""
        return ()

    def extras(self, rows: tf.RaggedTensor) -> dict[str, tf.Tensor]:
        """Returns what `compute` takes besides ids and padding mask."""
        return {}

    def extra_specs(self) -> dict[str, tf.TensorSpec]:
        """Returns the specs of `extras`."""
        return {}

    def merge(
        self, outputs: dict[str, tf.Tensor], windows: Windows
    ) -> dict[str, tf.Tensor]:
        """Returns the outputs of texts, made of those of their windows."""
        return {
            name: mean_of_windows(x, windows) for name, x in outputs.items()
        }

    def finish(self, outputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns the signature's outputs."""
        return outputs

    def finish_texts(
        self, outputs: dict[str, tf.Tensor], document
    ) -> dict[str, tf.Tensor]:
        """Returns the outputs of a signature that takes texts.

        Args:
            outputs: those of `merge`.
            document: what `read` kept of the texts.
        """
        return self.finish(outputs)

    def rules(self) -> dict:
        """Returns what the manifest shall say of texts, besides what holds
        for all heads."""
        return {}
