"""Checkpoints of others: reading, naming, lengthening, assigning, writing.

    readers   a folder -> configuration, {foreign name: array}
    formats   a file -> {foreign name: array}
    sentence  what sentence-transformers puts around a folder
    lazy      an array that is read when it is needed
    names     spellings and layouts of foreign names <-> ours
    families  what encoders of a kind have in common, as data: configuration,
              tables of names, positions
    lengthen  a short encoder's arrays -> a long one's
    assign    arrays -> a model's variables, all or none
    adapted   models that are quantized, or that LoRA adapts
    load      all of these for one preset, but the last
    seq2seq   the same for encoders with decoders
    hugging_face, keras_hub, model_garden   those of three libraries
    object_graph   TensorFlow's object-based checkpoints, which the last reads
    texts     the tokenizer's files and the length, without the weights

This floor knows arrays and names only. Models hand themselves in, and tasks
the table of their heads' names (`head_modules`).
"""

from keras_longformer.weights.adapted import (
    check_not_quantized as check_not_quantized,
)
from keras_longformer.weights.adapted import merge_adapters as merge_adapters
from keras_longformer.weights.assign import Assigned as Assigned
from keras_longformer.weights.assign import assign as assign
from keras_longformer.weights.assign import is_finite as is_finite
from keras_longformer.weights.assign import without as without
from keras_longformer.weights.families import FAMILIES as FAMILIES
from keras_longformer.weights.families import (
    SEQ2SEQ_FAMILIES as SEQ2SEQ_FAMILIES,
)
from keras_longformer.weights.families.model_garden import (
    CONVERTER_QUIRKS as CONVERTER_QUIRKS,
)
from keras_longformer.weights.files import check_inside as check_inside
from keras_longformer.weights.files import read_json as read_json
from keras_longformer.weights.foreign import ForeignPreset as ForeignPreset
from keras_longformer.weights.hugging_face import (
    read_hugging_face as read_hugging_face,
)
from keras_longformer.weights.hugging_face import (
    save_hugging_face as save_hugging_face,
)
from keras_longformer.weights.keras_hub import read_keras_hub as read_keras_hub
from keras_longformer.weights.lengthen import (
    GLOBAL_PROJECTIONS as GLOBAL_PROJECTIONS,
)
from keras_longformer.weights.lengthen import check_positions as check_positions
from keras_longformer.weights.lengthen import (
    copy_global_projections as copy_global_projections,
)
from keras_longformer.weights.lengthen import long_positions as long_positions
from keras_longformer.weights.lengthen import make_long as make_long
from keras_longformer.weights.load import as_preset as as_preset
from keras_longformer.weights.load import open_foreign as open_foreign
from keras_longformer.weights.load import preset_kind as preset_kind
from keras_longformer.weights.model_garden import (
    ModelGardenCheckpoint as ModelGardenCheckpoint,
)
from keras_longformer.weights.model_garden_writer import (
    save_model_garden as save_model_garden,
)
from keras_longformer.weights.seq2seq import is_seq2seq as is_seq2seq
from keras_longformer.weights.seq2seq import open_seq2seq as open_seq2seq
from keras_longformer.weights.texts import (
    is_tokenizer_alone as is_tokenizer_alone,
)
from keras_longformer.weights.texts import longest_row as longest_row
from keras_longformer.weights.texts import saved_class as saved_class
from keras_longformer.weights.texts import tokenizer_files as tokenizer_files
