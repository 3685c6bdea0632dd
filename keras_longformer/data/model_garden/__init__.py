"""Reads and writes the TFRecord files of TensorFlow Model Garden's tasks.

Each record is a `tf.train.Example` of one row of token ids:

    masked_lm       input_word_ids input_mask input_type_ids (n each),
                    masked_lm_positions masked_lm_ids masked_lm_weights (k)
    classification  the first three, label_ids (1)
    tagging         the first three, label_ids (n), -1 where there is none

In place of `input_word_ids` and `input_type_ids` may stand the older
`input_ids` and `segment_ids`, which its loaders of the last two want.
"""

from keras_longformer.data.model_garden.reading import (
    read_records as read_records,
)
from keras_longformer.data.model_garden.writing import (
    write_records as write_records,
)
