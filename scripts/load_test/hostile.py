"""Requests that no well-meaning client sends, and what they must get."""

import numpy as np

from keras_longformer.client.client import ServingClient
from keras_longformer.client.client import ServingError

# What is asked, and what must come: "answer", or a word of the error.
TEXTS = {
    "empty text": ("", "answer"),
    "5 MB": ("good " * 1_000_000, "max_text_bytes"),
    "invalid UTF-8": (b"\xff\xfe \xc3 good", "answer"),
    "NUL bytes": ("go\0od" * 100, "answer"),
    "10,000 <mask>": ("<mask>" * 10_000, "answer"),
    "one word of 100 KB": ("x" * 100_000, "answer"),
}
INPUTS = {
    "wrong dtype": ({"text": [1, 2]}, "serving_default", "string"),
    "wrong signature": ({"text": ["good"]}, "nonsense", "not found"),
    "wrong input": ({"texts": ["good"]}, "serving_default", "input"),
    "no rows": ({"text": []}, "serving_default", ""),
    "ids that are none": (
        {"token_ids": np.array([[0, -7, 2]], np.int32)},
        "tokens",
        "token id",
    ),
    "too many ids": (
        {"token_ids": np.full([1, 9000], 5, np.int32)},
        "tokens",
        "the model reads",
    ),
}


def send_all(client: ServingClient) -> dict[str, str]:
    """Returns what came of each request: "answer", an error, or, where that is
    not what must come, a line that begins with "WRONG"."""
    came = {}
    for name, (text, want) in TEXTS.items():
        came[name] = _outcome(lambda t=text: client.predict([t]), want)
    for name, (inputs, signature, want) in INPUTS.items():
        came[name] = _outcome(
            lambda i=inputs, s=signature: client.predict_inputs(i, signature=s),
            want,
        )
    return came


def _outcome(send, want):
    try:
        answer = send()
    except ServingError as error:
        came = str(error)
    else:
        errors = [x.decode() for x in answer.get("error", np.array([])) if x]
        came = errors[0] if errors else "answer"
    fine = came == "answer" if want == "answer" else want in came
    return came if fine else f"WRONG: {came}"
