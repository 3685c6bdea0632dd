"""What a type checker must say of a user's program: test_types.py asks one.

Nothing here is run. A line with `type: ignore` must be an error.
"""

import keras_longformer as klf
from keras_longformer.client import ServingClient


def export(task: klf.LongformerTextClassifier) -> str:
    return klf.export_saved_model(task, "saved_models/reviews")


def export_badly(task: klf.LongformerTextClassifier) -> int:
    klf.export_saved_model(task, "reviews", buckets=512)  # type: ignore[arg-type]
    klf.export_saved_model(task, "reviews", windows=3)  # type: ignore[call-arg]
    return klf.export_saved_model(task, "reviews")  # type: ignore[return-value]


def look(task: klf.LongformerTextClassifier) -> list[tuple[str, int, float]]:
    looked = klf.attention_map(task, "a text", layers=[-1])
    looked.save_text("text.html")
    looked.save_pages("text.html")  # type: ignore[attr-defined]
    return looked.top_words(3)


def sees(task: klf.LongformerTextClassifier) -> list[int]:
    return klf.receptive_field(task).num_tokens


def say(task: klf.LongformerMaskedLM) -> list[dict] | dict:
    return task.say("Paris is the <mask> of France.")


def ask(client: ServingClient) -> ServingClient:
    return client


unknown = klf.LongformerNothing  # type: ignore[attr-defined]
