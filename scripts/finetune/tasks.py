"""Which task is whose."""

from finetune.multiple_choice import MultipleChoice
from finetune.question_answering import QuestionAnswering
from finetune.settings import Settings
from finetune.text_classification import TextClassification
from finetune.token_classification import TokenClassification

_TASKS = {
    "question_answering": QuestionAnswering,
    "token_classification": TokenClassification,
    "multiple_choice": MultipleChoice,
}


def make_task(settings: Settings):
    """Returns the task that `settings` name.

    A task has

    - `metric`: str, the metric that the best epoch has most of;
    - `read(path, labels)`: examples of a file, checked;
    - `learn_labels(examples)`: fixes the labels and returns them;
    - `group(example)`: what an example shares with those that must not be
      held out without it;
    - `open(**options)`: the model;
    - `tensors(examples, model)`: `(x, y)`, all examples along axis 0;
    - `look_up(x, y)`: a batch of them as the model takes it;
    - `measure(model, examples)`: an `Outcome`.
    """
    return _TASKS.get(settings.task, TextClassification)(settings)
