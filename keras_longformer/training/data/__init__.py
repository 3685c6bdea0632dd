"""Readers of data that tasks are trained on; they check all, then return.

Each raises one `DataError` with everything that is wrong, file and line.
"""

from keras_longformer.training.data.choices import Choice as Choice
from keras_longformer.training.data.choices import read_choices as read_choices
from keras_longformer.training.data.classification import (
    LabelledText as LabelledText,
)
from keras_longformer.training.data.classification import (
    read_classes as read_classes,
)
from keras_longformer.training.data.classification import (
    read_label_sets as read_label_sets,
)
from keras_longformer.training.data.classification import (
    read_numbers as read_numbers,
)
from keras_longformer.training.data.conll import LabelledWords as LabelledWords
from keras_longformer.training.data.conll import read_conll as read_conll
from keras_longformer.training.data.hyperpartisan import (
    read_hyperpartisan as read_hyperpartisan,
)
from keras_longformer.training.data.problems import DataError as DataError
from keras_longformer.training.data.problems import Problem as Problem
from keras_longformer.training.data.problems import read_all as read_all
from keras_longformer.training.data.squad import Answer as Answer
from keras_longformer.training.data.squad import Question as Question
from keras_longformer.training.data.squad import read_squad as read_squad
