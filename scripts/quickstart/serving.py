"""Exports the classifier, and asks it in a process without this package."""

import json
import pathlib
import subprocess
import sys

import tensorflow as tf

import keras_longformer

ANSWER = pathlib.Path(__file__).with_name("answer.py")
IMAGE = "tensorflow/serving:2.20.0"  # For TensorFlow 2.20.


def answer(version: str, texts: list[str]) -> dict[str, list]:
    """Answers texts in a fresh process that imports TensorFlow alone.

    Args:
        version: str, the SavedModel's folder.
        texts: list of str.

    Returns:
        Dict of output to one value for each text.

    Raises:
        RuntimeError: the process failed, or imported the package.
    """
    process = subprocess.run(
        [sys.executable, str(ANSWER), version],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode:
        raise RuntimeError(
            f"'{version}' could not be used in a process of its own.\n"
            + process.stderr
        )
    result = json.loads(process.stdout)
    if result["imported"]:
        raise RuntimeError(
            f"'{version}' needs {', '.join(result['imported'])}, and TF "
            "Serving has none of it."
        )
    return result["outputs"]


def export(
    classifier: keras_longformer.LongformerTextClassifier, folder: str
) -> tuple[str, dict]:
    """Exports the next version.

    Returns:
        Its folder, and what its manifest says.
    """
    version = keras_longformer.export_saved_model(classifier, folder)
    manifest = pathlib.Path(version, "manifest.json").read_text("utf-8")
    return version, json.loads(manifest)


def commands(folder: str, text: str) -> str:
    """Returns the shell commands that serve a model and ask it.

    Args:
        folder: str, the model's folder, which holds its versions.
        text: str, of the request; must hold no apostrophe.
    """
    folder = pathlib.Path(folder).resolve()
    note = ""
    if not tf.__version__.startswith("2.20."):
        note = (
            f"# Made with TensorFlow {tf.__version__}: take a server that is "
            "no older, where there is one.\n"
        )
    request = json.dumps({"instances": [{"text": text}]})
    return f"""\
{note}# with Docker
docker run --rm -p 8501:8501 -v "{folder}:/models/{folder.name}:ro" \\
    --entrypoint tensorflow_model_server {IMAGE} --rest_api_port=8501 \\
    --model_name={folder.name} --model_base_path=/models/{folder.name}
# or with the server's binary
tensorflow_model_server --rest_api_port=8501 \\
    --model_name={folder.name} --model_base_path="{folder}"
# and then
curl -d '{request}' \\
    http://localhost:8501/v1/models/{folder.name}:predict"""
