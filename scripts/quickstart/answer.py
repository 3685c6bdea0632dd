"""Answers texts with a SavedModel, in a process that has TensorFlow only.

Command:
    python answer.py SAVED_MODEL < texts.json > answers.json

Reads a JSON list of texts, and writes a JSON object of the outputs'
lists and the modules that were imported from this project's world: none.
What a server needs besides TensorFlow is nothing, and this shows it: the
package is made impossible to import before the model is loaded.
"""

import json
import os
import sys

FORBIDDEN = ("keras_longformer", "keras_hub", "tensorflow_text", "tokenizers")


def main() -> None:
    for name in FORBIDDEN:
        sys.modules[name] = None  # `import` raises now.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    texts = json.load(sys.stdin)

    import tensorflow as tf

    model = tf.saved_model.load(sys.argv[1])
    outputs = model.signatures["serving_default"](text=tf.constant(texts))
    imported = [
        name
        for name, module in sys.modules.items()
        if module is not None and name.split(".")[0] in FORBIDDEN
    ]
    answers = {name: value.numpy().tolist() for name, value in outputs.items()}
    json.dump({"outputs": answers, "imported": imported}, sys.stdout)


if __name__ == "__main__":
    main()
