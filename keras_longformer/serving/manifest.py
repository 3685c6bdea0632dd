"""`manifest.json`: what is in a version's folder, for people and for checks."""

import hashlib
import json
import os
from collections.abc import Callable
from collections.abc import Sequence
from importlib import metadata

import keras
import tensorflow as tf

from keras_longformer.serving import probe
from keras_longformer.serving.signatures import NATIVE
from keras_longformer.serving.signatures import ServedModel
from keras_longformer.serving.signatures import input_specs
from keras_longformer.text.windows import describe

MANIFEST = "manifest.json"

_BAD_TEXTS = {
    "fail": "It fails its request, and those that were batched with it.",
    "report": "The output `error` says why; its row of the others is zeros.",
}

# Of signatures with the compiled kernel.
_NATIVE_NEEDS = {
    "compute_capability": "8.0 or more, of every GPU",
    "tensorflow": ">=2.20, <2.22, and not older than `versions` says",
    "server": "--xla_gpu_compilation_enabled; without it, requests to these "
    "signatures fail, and to the others do not.",
    "warmup": "None: the first request at each length in `padded_to` and batch "
    "size waits until XLA has compiled it.",
    "cpu": "Fails, save in a process that has loaded keras_longformer's kernel "
    "for CPUs, where `platforms` has the CPU. No server does.",
    "tested": "The kernel was compiled for GPUs by TensorFlow's own XLA. It "
    "never ran on a GPU, nor these signatures on a TF Serving with one.",
}


def write(
    served: ServedModel,
    functions: dict[str, Callable],
    folder: str,
    *,
    difference: float,
    warmup_requests: int | None,
    batch_sizes: Sequence[int],
    native_platforms: Sequence[str],
) -> None:
    """Writes it, last of all files: it lists the others.

    Args:
        served: the model.
        functions: its signatures' concrete functions.
        folder: str, the version's folder.
        difference: float, the largest of an output after loading.
        warmup_requests: int, how many were written, or `None`: none, for want
            of TF Serving's messages.
        batch_sizes: ints, those of `batching_params.pbtxt`.
        native_platforms: the kinds of device that signatures with the compiled
            kernel are for; empty where there are no such signatures.
    """
    content = {
        **_model(served),
        "versions": versions(served.tokenizer.operations_of),
        **_needs(served.tokenizer),
        "signatures": {
            name: describe_signature(function)
            for name, function in functions.items()
        },
        **_native(functions, native_platforms),
        "text": _text(served),
        "warmup": {
            "requests": warmup_requests or 0,
            "batch_sizes": list(batch_sizes),
            **(
                {}
                if warmup_requests is not None
                else {
                    "missing": "tensorflow-serving-api was not installed "
                    "at export."
                }
            ),
        },
        "probe": {
            "compared_with": "what the model's own `predict` says of the "
            "same raw texts",
            "inputs": list(served.answer.inputs),
            "largest_difference": difference,
            "tolerance": probe.tolerance(served.backbone.dtype_policy.name),
        },
        "files": describe_files(folder),
    }
    path = os.path.join(folder, MANIFEST)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
        file.write("\n")


def describe_files(folder: str) -> dict[str, dict]:
    """Returns size and SHA-256 of each file but the manifest, by its path."""
    files = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            relative = os.path.relpath(path, folder).replace(os.sep, "/")
            if relative == MANIFEST:
                continue
            with open(path, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            files[relative] = {
                "bytes": os.path.getsize(path),
                "sha256": digest,
            }
    return dict(sorted(files.items()))


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Returns the versions of what made it, and of `packages`."""
    return {
        "keras_longformer": _package_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        **{name: metadata.version(name.replace("_", "-")) for name in packages},
    }


def describe_signature(function: Callable) -> dict:
    """Returns the inputs and outputs of a concrete function."""
    return {
        "inputs": _describe(input_specs(function)),
        "outputs": _describe(function.structured_outputs),
    }


def describe_model(model: keras.Model) -> dict:
    """Returns class, name, configuration and policy of a model."""
    backbone = getattr(model, "backbone", model)
    return {
        "model": type(model).__name__,
        "name": model.name,
        "config": {
            name: value
            for name, value in backbone.get_config().items()
            if isinstance(value, str | int | float | list | None)
        },
        "dtype_policy": backbone.dtype_policy.name,
    }


def _model(served):
    content = describe_model(served.model)
    class_names = getattr(served.answer, "class_names", None)
    if class_names is not None:
        content["class_names"] = list(class_names)
    return content


def _text(served):
    longest = served.buckets[-1]
    text = {
        "longest": longest,
        "over_long": describe(served.over_long, longest, served.answer.merging),
        "padded_to": served.buckets,
        "max_text_bytes": served.tokenizer.max_text_bytes,
        "bad_texts": _BAD_TEXTS[served.bad_texts],
        "invalid_utf8": "Each invalid byte sequence reads as U+FFFD.",
        "special_tokens": _special_tokens(served.tokenizer),
    }
    return text | served.answer.rules()


def _needs(tokenizer):
    """What to import before loading it, where TensorFlow is not enough."""
    names = list(tokenizer.operations_of)
    if not names:
        return {}
    return {
        "imports": {
            "packages": names,
            "why": "Import them before `tf.saved_model.load`: the tokenizer "
            "runs operations of theirs. TF Serving has TensorFlow Text inside; "
            "one that is older than `versions` says may lack some.",
        }
    }


def _special_tokens(tokenizer):
    """Says what a text may hold that is no ordinary characters."""
    recognised = tokenizer.special_tokens_in_text
    if recognised is True:
        recognised = tokenizer.special_tokens
    recognised = list(recognised or ())
    control = getattr(tokenizer, "control_tokens", tokenizer.special_tokens)
    added = [
        token.content
        for token in getattr(tokenizer, "added_tokens", ())
        if token.content not in control
    ]
    said = "Special tokens in a text are ordinary characters."
    if recognised:
        said = (
            f"{_names(recognised)} are recognised in a text, as the model's "
            "tokenizer was made to: whoever sends texts can send them."
        )
    if added:
        said += f" Added tokens are recognised: {_names(added)}."
    return said


def _names(tokens):
    shown = ", ".join(map(repr, tokens[:20]))
    return (
        shown if len(tokens) <= 20 else f"{shown} and {len(tokens) - 20} more"
    )


def _native(functions, platforms):
    names = [name for name in functions if name.endswith(NATIVE)]
    if not names:
        return {}
    about = {"signatures": names, "platforms": list(platforms)}
    return {"native": {**about, "needs": _NATIVE_NEEDS}}


def _describe(specs):
    return {
        name: {"dtype": spec.dtype.name, "shape": spec.shape.as_list()}
        for name, spec in specs.items()
    }


def _package_version():
    try:
        return metadata.version("keras_longformer")
    except metadata.PackageNotFoundError:  # Run from a checkout.
        return "unknown"
