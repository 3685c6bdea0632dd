"""The answers to questions, as rows."""

from keras_longformer.tasks.said import rows

COLUMNS = ("answer", "start", "end", "score", "no_answer_score")


def answer_rows(outputs, class_names=None):
    """Returns the best answer, its characters, and the scores."""
    return rows({name: outputs[name] for name in COLUMNS})
