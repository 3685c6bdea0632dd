"""What a foreign preset is, once it is opened, in our terms."""

from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace

import numpy as np

from keras_longformer.weights import configs
from keras_longformer.weights import lengthen as roberta


@dataclass(frozen=True)
class Preset:
    """A foreign preset in our names and layouts.

    Attributes:
        source: str, the weights' file, for messages.
        config: dict, the keywords of `LongformerBackbone`. Its `pooler` says
            whether the arrays have one.
        arrays: dict of our name to array; empty if only the configuration
            was read. An array that we have no name for keeps the file's.
        vocabulary: dict of token to id, or `None` where the preset's tokenizer
            is not a byte-level BPE.
        merges: list of str such as `"a b"`, or `None` likewise.
        head: dict, what the configuration says of a classifier
            (`configs.head_keywords`).
    """

    source: str
    config: dict
    arrays: dict[str, np.ndarray]
    vocabulary: dict[str, int] | None
    merges: list[str] | None
    head: dict = field(default_factory=dict)

    def make_long(
        self,
        *,
        max_sequence_length: int | None = None,
        window_size: int | list[int] | None = None,
        positions: str = "copy",
        seed: int = 0,
    ) -> "Preset":
        """Returns the preset with another length or window.

        `None` keeps what the preset has; `roberta.make_long` explains the
        rest.
        """
        arrays = roberta.make_long(
            self.arrays,
            max_sequence_length=max_sequence_length,
            positions=positions,
            position_offset=configs.position_offset(self.config),
            seed=seed,
        )
        asked = {
            "max_sequence_length": max_sequence_length,
            "window_size": window_size,
        }
        asked = {name: v for name, v in asked.items() if v is not None}
        return replace(self, config=self.config | asked, arrays=arrays)
