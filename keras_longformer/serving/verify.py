"""Checks a SavedModel's folder as it is on disk."""

import json
import os
import re
import subprocess
import sys
import warnings

import tensorflow as tf

from keras_longformer.serving import replay
from keras_longformer.serving.manifest import MANIFEST
from keras_longformer.serving.manifest import describe_files
from keras_longformer.weights.files import check_inside
from keras_longformer.weights.files import read_json

VERSION = re.compile(r"\d{1,4}\.\d{1,4}\.")


def verify_saved_model(path: str, *, timeout_seconds: float = 600.0) -> dict:
    """Checks that an exported SavedModel is whole and answers as it did.

    Compares the files with the manifest's list. Then, in a fresh process that
    has TensorFlow and nothing of this package, loads it as TF Serving does,
    compares its signatures with the manifest, replays the warm-up requests and
    compares the probe's answers with those at export. Signatures compiled by
    XLA are not run.

    TensorFlow promises to load what older versions of it exported, and not
    what newer ones did: of such, it is said which one is needed, in the error,
    or, where all is well nevertheless, in a warning.

    Args:
        path: str, a version's folder, or a model's, of which the highest
            version is taken.
        timeout_seconds: float, the most that the process may take.

    Returns:
        Dict of `path`, `exported_with` and `tensorflow` (TensorFlow's version
        then and now), `load_seconds`, `warmup` (how many `requests` took how
        many `seconds`; `None` where there are none, or
        `tensorflow-serving-api` is not installed) and `largest_difference` of
        an output.

    Raises:
        FileNotFoundError: there is no exported SavedModel.
        ValueError: something is wrong with it: all that is, in one error.

    Example:
    ```python
    keras_longformer.verify_saved_model("saved_models/reviews")
    ```
    """
    folder = _version_folder(path)
    manifest, problems = _read_manifest(folder)
    problems = problems or _compare_files(folder, manifest["files"])
    if problems:
        raise ValueError(
            f"'{folder}' is not what was exported:\n  "
            + "\n  ".join(problems)
            + "\nExport it again, or copy it again from where it is whole."
        )
    exported_with = manifest["versions"]["tensorflow"]
    report, problems = _replay(folder, timeout_seconds)
    newer = _say_if_newer(exported_with)
    if problems:
        raise ValueError(
            f"'{folder}' is whole, but does not do what it did at export:\n  "
            + "\n  ".join(problems)
            + (f"\n{newer}" if newer else "")
        )
    if newer:
        warnings.warn(f"'{folder}' works here, but {newer}", stacklevel=2)
    return {"path": folder, "exported_with": exported_with, **report}


def _say_if_newer(exported_with):
    """A sentence, where TensorFlow does not promise to load it."""
    wanted = exported_with.split(".")[:2]
    if [*map(int, wanted)] <= [*map(int, tf.__version__.split(".")[:2])]:
        return ""
    return (
        f"it was exported with TensorFlow {exported_with}, and this is "
        f"{tf.__version__}, which promises to load older SavedModels, not "
        f"newer ones. Take TensorFlow, and TF Serving, {'.'.join(wanted)} or "
        f"newer, or export it with {tf.__version__}."
    )


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


def _read_manifest(folder):
    """What it says, and the problems with it."""
    path = os.path.join(folder, MANIFEST)
    try:
        check_inside(path, folder)
        manifest = read_json(path)
    except (OSError, ValueError) as error:
        return None, [f"{MANIFEST} cannot be read: {error}"]
    problems = [
        f"{MANIFEST} says no `{key}`"
        for key in ("files", "versions", "signatures", "probe")
        if not isinstance(manifest.get(key), dict)
    ]
    if not problems:
        version = manifest["versions"].get("tensorflow")
        if not isinstance(version, str) or not VERSION.match(version):
            problems.append(
                f"{MANIFEST} says TensorFlow's version as {version!r:.100}"
            )
        problems += [
            f"{MANIFEST} does not say `bytes` and `sha256` of {name!r:.200}"
            for name, facts in manifest["files"].items()
            if not _is_description(facts)
        ]
    return manifest, problems[:20]


def _is_description(facts):
    return (
        isinstance(facts, dict)
        and type(facts.get("bytes")) is int
        and isinstance(facts.get("sha256"), str)
    )


def _compare_files(folder, want):
    problems = _no_files(folder)
    if problems:
        return problems
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


def _no_files(folder):
    """What is no file of this folder: links out of it, pipes, devices."""
    problems = []
    for parent, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = os.path.join(parent, name)
            try:
                check_inside(path, folder)
            except ValueError as error:
                problems.append(str(error))
                continue
            if name in names and not os.path.isfile(path):
                problems.append(f"no file   {os.path.relpath(path, folder)}")
    return problems


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
