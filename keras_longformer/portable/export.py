"""From a model to a file that has been compared with it."""

import hashlib
import json
import os
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata

import keras
import numpy as np
import tensorflow as tf

from keras_longformer.ops.attention import imposed
from keras_longformer.portable import comparison
from keras_longformer.portable import onnx_file
from keras_longformer.portable import openvino_file
from keras_longformer.unfinished import place
from keras_longformer.unfinished import to_disk

# Formats, and how their files end.
FORMATS = {"onnx": ".onnx", "openvino": ".xml"}
_RUNTIMES = {"onnx": "onnxruntime", "openvino": "openvino"}
_CONVERTERS = {"onnx": ("tf2onnx", "onnx"), "openvino": ()}
# How a tokenizer's file ends, `reviews.tokenizer.json` beside `reviews.onnx`.
TOKENIZER = ".tokenizer.json"


@dataclass(frozen=True)
class Subject:
    """What is exported.

    Attributes:
        model: the model as its user has it.
        plain: the same in float32, without adapters; the model itself where it
            is that already.
        output_name: str, what its output is called where that is one tensor.
        examples: what to compare at.
        facts: dict of what its file shall say of it, as JSON can.
        tokenizer: str, the text of a `tokenizer.json`, or `None`.
    """

    model: keras.Model
    plain: keras.Model
    output_name: str
    examples: Sequence[comparison.Example]
    facts: dict
    tokenizer: str | None


def export_file(subject: Subject, path: str, format: str) -> str:
    """Writes a model's file, compared with the model, or nothing.

    Args:
        subject: what to export.
        path: str, the file; its folder must be there. A tokenizer goes beside
            it, and OpenVINO's weights.
        format: `"onnx"` or `"openvino"`.

    Returns:
        str, the path.

    Raises:
        ImportError: a package is missing.
        RuntimeError: the file computes something else than the model.
        ValueError: a path that ends otherwise, or a model that cannot be.
    """
    path = os.path.abspath(path)
    folder, name = os.path.split(path)
    stem = name.removesuffix(FORMATS[format])
    is_onnx = format == "onnx"
    kind = onnx_file if is_onnx else openvino_file
    kind.require()
    with place(folder) as temporary:
        file = os.path.join(temporary, name)
        function = _traced(subject)
        if is_onnx:
            weights = subject.plain.variables
            onnx_file.write(
                function,
                file,
                subject.model.name,
                onnx_file.byte_size(weights),
            )
        else:
            openvino_file.write(function, file)
        compared = _compare(subject, kind, file, format)
        content = _content(subject, function, compared, format)
        if subject.tokenizer is not None:
            content["tokenizer"] = _write_tokenizer(
                subject.tokenizer, os.path.join(temporary, stem + TOKENIZER)
            )
        kind.add_metadata(file, {k: _text(v) for k, v in content.items()})
        # The file that is opened comes last, when all it needs is there.
        names = sorted(os.listdir(temporary), key=lambda other: other == name)
        to_disk(temporary)
        for each in names:
            os.replace(
                os.path.join(temporary, each), os.path.join(folder, each)
            )
    return path


def _traced(subject) -> Callable:
    """The model as a function of tensors, in the order of its inputs."""
    plain = subject.plain
    names = subject.examples[0].inputs  # The others may be left out.
    specs = [
        tf.TensorSpec(plain.input[name].shape, plain.input[name].dtype, name)
        for name in names
    ]

    def compute(*tensors):
        inputs = dict(zip(names, tensors, strict=True))
        # A negative index would count from a table's end, where TensorFlow
        # refuses it: one that no table has fails.
        ids = inputs["token_ids"]
        inputs["token_ids"] = tf.where(ids < 0, ids.dtype.max, ids)
        outputs = plain(inputs, training=False)
        if not isinstance(outputs, dict):
            outputs = {subject.output_name: outputs}
        return {name: tf.identity(x, name) for name, x in outputs.items()}

    function = tf.function(compute, input_signature=specs, autograph=False)
    with imposed("chunked"):
        function.get_concrete_function()
    return function


def _answers(model, subject):
    """What a model says of all examples, called as its user calls it."""
    answers = []
    for example in subject.examples:
        outputs = model(dict(example.inputs), training=False)
        if not isinstance(outputs, dict):
            outputs = {subject.output_name: outputs}
        answers.append(
            {
                name: np.asarray(keras.ops.convert_to_numpy(x), "float32")
                for name, x in outputs.items()
            }
        )
    return answers


def _compare(subject, kind, file, format):
    """What was compared, as the file says it."""
    runtime = _RUNTIMES[format]
    run = kind.runner(file)
    examples = subject.examples
    wanted = _answers(subject.plain, subject)
    largest = comparison.largest_difference(
        run, examples, wanted, comparison.TOLERANCE, runtime
    )
    compared = {
        "runtime": f"{runtime} {metadata.version(runtime)}",
        "rows_and_tokens": [[each.batch, each.length] for each in examples],
        "largest_difference": largest,
        "allowed": comparison.TOLERANCE,
    }
    if format == "onnx":
        compared["without_optimizations"] = comparison.largest_difference(
            onnx_file.runner(file, optimized=False),
            examples,
            wanted,
            comparison.TOLERANCE,
            f"{runtime}, without its optimizations,",
        )
    if subject.plain is not subject.model:
        compared["to_the_model_in_its_own_dtype"] = (
            comparison.largest_difference(
                run,
                examples,
                _answers(subject.model, subject),
                comparison.TOLERANCE_OF_16_BITS,
                runtime,
            )
        )
    return compared


def _content(subject, function, compared, format):
    """What a file says of itself."""
    concrete = function.get_concrete_function()
    packages = (_RUNTIMES[format], *_CONVERTERS[format])
    return {
        **subject.facts,
        "inputs": {
            spec.name: [spec.dtype.name, spec.shape.as_list()]
            for spec in function.input_signature
        },
        "outputs": {
            name: [x.dtype.name, x.shape.as_list()]
            for name, x in concrete.structured_outputs.items()
        },
        "largest_difference": compared["largest_difference"],
        "compared": compared,
        "versions": {
            "keras_longformer": _version("keras_longformer"),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            **{name: _version(name) for name in packages},
        },
    }


def _write_tokenizer(text, path):
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
    return {
        "file": os.path.basename(path),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


def _text(value):
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # Run from a checkout.
        return "unknown"
