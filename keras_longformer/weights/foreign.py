"""What a checkpoint of others is, once it is opened, in our terms."""

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace

import numpy as np

from keras_longformer.weights import lengthen
from keras_longformer.weights.families import Family
from keras_longformer.weights.lazy import LazyArray
from keras_longformer.weights.sentence import Sentence


@dataclass(frozen=True)
class ForeignPreset:
    """A foreign preset in our names and layouts.

    Attributes:
        source: str, the weights' file, for messages.
        family: `Family`, of encoders.
        config: dict, the keywords of `LongformerBackbone`. Its `pooler` says
            whether the arrays have one.
        arrays: dict of our name to array, most of them still in the file;
            empty if only the configuration was read. An array of the encoder
            that we have no name for keeps the file's.
        tokenizer_files: mapping of file name to path, named as Hugging Face
            names them: `vocab.json`, `merges.txt`, ...
        head: dict, what the configuration says of a classifier
            (`families.config.head_keywords`).
        architecture: str, the class of transformers that was saved, or "".
        classifier_dropout: float, of heads, or `None`: the encoder's.
        head_activations: dict of our module to the activation that the head's
            dense layer has in this family, where it need not be Longformer's.
        of_encoder: names of a head's arrays that the encoder itself had: BERT's
            pooler, which its classifier reads.
        sentence: what a sentence-transformers folder says of embeddings.
        generation: what the files say of how texts are generated, under
            transformers' names, where the model has a decoder.
    """

    source: str
    family: Family
    config: dict
    arrays: dict[str, np.ndarray | LazyArray]
    tokenizer_files: Mapping[str, str] = field(default_factory=dict)
    head: dict = field(default_factory=dict)
    architecture: str = ""
    classifier_dropout: float | None = None
    head_activations: Mapping[str, str] = field(default_factory=dict)
    of_encoder: frozenset[str] = frozenset()
    sentence: Sentence | None = None
    generation: Mapping = field(default_factory=dict)

    def make_long(
        self,
        *,
        max_sequence_length: int | None = None,
        window_size: int | list[int] | None = None,
        positions: str = "copy",
        seed: int = 0,
    ) -> "ForeignPreset":
        """Returns the preset with another length or window.

        `None` keeps what the preset has; `lengthen.make_long` explains the
        rest.
        """
        arrays = lengthen.make_long(
            self.arrays,
            max_sequence_length=max_sequence_length,
            positions=positions,
            position_offset=self.family.position_offset(self.config),
            seed=seed,
            position_table=self.family.position_table,
        )
        asked = {
            "max_sequence_length": max_sequence_length,
            "window_size": window_size,
        }
        asked = {name: v for name, v in asked.items() if v is not None}
        return replace(self, config=self.config | asked, arrays=arrays)
