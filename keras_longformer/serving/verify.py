"""Checks a SavedModel's folder as it is on disk."""

import json
import os
import subprocess
import sys

from keras_longformer.serving import replay
from keras_longformer.serving.manifest import MANIFEST
from keras_longformer.serving.manifest import describe_files


def verify_saved_model(path: str, *, timeout_seconds: float = 600.0) -> dict:
    """Checks that an exported SavedModel is whole and answers as it did.

    Compares the files with the manifest's list. Then, in a fresh process that
    has TensorFlow and nothing of this package, loads it as TF Serving does,
    compares its signatures with the manifest, replays the warm-up requests and
    compares the probe's answers with those at export. Signatures compiled by
    XLA are not run.

    Args:
        path: str, a version's folder, or a model's, of which the highest
            version is taken.
        timeout_seconds: float, the most that the process may take.

    Returns:
        Dict of `path`, `tensorflow` (its version), `load_seconds`, `warmup`
        (how many `requests` took how many `seconds`; `None` where there are
        none, or `tensorflow-serving-api` is not installed) and
        `largest_difference` of an output.

    Raises:
        FileNotFoundError: there is no exported SavedModel.
        ValueError: something is wrong with it: all that is, in one error.

    Example:
    ```python
    keras_longformer.verify_saved_model("saved_models/reviews")
    ```
    """
    folder = _version_folder(path)
    problems = _compare_files(folder)
    report = {}
    if not problems:
        report, problems = _replay(folder, timeout_seconds)
    if problems:
        raise ValueError(
            f"'{folder}' is not what was exported:\n  "
            + "\n  ".join(problems)
            + "\nExport it again, or copy it again from where it is whole."
        )
    return {"path": folder, **report}


def _version_folder(path):
    path = os.fspath(path)
    if os.path.isfile(os.path.join(path, MANIFEST)):
        return path
    versions = []
    if os.path.isdir(path):
        versions = [int(name) for name in os.listdir(path) if name.isdigit()]
    if versions:
        folder = os.path.join(path, str(max(versions)))
        if os.path.isfile(os.path.join(folder, MANIFEST)):
            return folder
        path = folder
    raise FileNotFoundError(
        f"'{path}' has no {MANIFEST}, which `export_saved_model` writes into "
        "each version's folder."
    )


def _compare_files(folder):
    with open(os.path.join(folder, MANIFEST), encoding="utf-8") as file:
        try:
            want = json.load(file)["files"]
        except (ValueError, KeyError) as error:
            return [f"{MANIFEST} cannot be read: {error!r}"]
    got = describe_files(folder)
    problems = [f"missing   {name}" for name in want.keys() - got.keys()]
    problems += [f"too many  {name}" for name in got.keys() - want.keys()]
    for name in want.keys() & got.keys():
        before, now = want[name]["bytes"], got[name]["bytes"]
        if before != now:
            problems.append(f"changed   {name}: {now} bytes, were {before}")
        elif want[name] != got[name]:
            problems.append(f"changed   {name}: other content")
    return sorted(problems)


def _replay(folder, timeout_seconds):
    """What `replay.py` reports of it, and the problems."""
    try:
        process = subprocess.run(
            [sys.executable, replay.__file__, folder],
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {}, [f"loading and replaying took over {timeout_seconds:g} s"]
    if process.returncode:
        last = process.stderr.strip().splitlines()[-1:] or ["no message"]
        return {}, [f"it cannot be loaded: {last[0]}"]
    report = json.loads(process.stdout.splitlines()[-1])
    return report, report.pop("problems")
