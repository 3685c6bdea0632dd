"""The run of any task: read, check, fit, keep the best, measure, report.

It knows tasks only through `keras_longformer.tasks.finetuning.FineTuning`.
"""

from keras_longformer.finetune.run import evaluate as evaluate
from keras_longformer.finetune.run import run as run
from keras_longformer.finetune.settings import Settings as Settings
