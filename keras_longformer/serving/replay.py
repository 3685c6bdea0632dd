"""Loads a SavedModel as TF Serving does and asks it what it was asked before.

Command:
    python replay.py VERSION_FOLDER

Run by its path, in a process that has TensorFlow and none of this project's
modules: `keras_longformer.verify_saved_model` does. Writes a JSON object:
the problems found, and what was run.

TF Serving's `SavedModelBundle` is a graph in a Session, and so it is here.
"""

import importlib
import json
import os
import sys
import time

FORBIDDEN = ("keras_longformer", "keras_hub", "tensorflow_text", "tokenizers")


class Replay:
    """One loaded version, and what is wrong with it."""

    def __init__(self, folder: str, tolerance: float):
        import tensorflow as tf

        self.tf = tf
        self.folder = folder
        self.tolerance = tolerance
        self.problems = []
        started = time.perf_counter()
        self.session = tf.compat.v1.Session(graph=tf.Graph())
        with self.session.graph.as_default():
            meta = tf.compat.v1.saved_model.loader.load(
                self.session, ["serve"], folder
            )
        self.load_seconds = time.perf_counter() - started
        self.signatures = {
            name: signature
            for name, signature in meta.signature_def.items()
            if signature.outputs and name != "__saved_model_init_op"
        }
        self.compiled = self._find_compiled(meta.graph_def)

    def describe(self) -> dict:
        """Inputs and outputs of the signatures, as the manifest has them."""

        def specs(infos):
            return {
                name: {
                    "dtype": self.tf.as_dtype(info.dtype).name,
                    "shape": [
                        None if dim.size < 0 else dim.size
                        for dim in info.tensor_shape.dim
                    ],
                }
                for name, info in infos.items()
            }

        return {
            name: {
                "inputs": specs(signature.inputs),
                "outputs": specs(signature.outputs),
            }
            for name, signature in self.signatures.items()
        }

    def run(self, name: str, inputs: dict) -> dict | None:
        """A signature's outputs, or `None` with a problem noted."""
        signature = self.signatures.get(name)
        if signature is None:
            self.problems.append(f"there is no signature '{name}'")
            return None
        try:
            return self.session.run(
                {key: x.name for key, x in signature.outputs.items()},
                {signature.inputs[key].name: x for key, x in inputs.items()},
            )
        except (self.tf.errors.OpError, KeyError, ValueError) as error:
            self.problems.append(f"'{name}' fails: {error!s:.500}")
            return None

    def run_probe(self) -> float:
        """Compares `probe.npz`; returns the largest difference."""
        import numpy as np

        largest = 0.0
        with np.load(os.path.join(self.folder, "probe.npz")) as file:
            stored = {key: file[key] for key in file.files}
        for name in sorted({key.split("/")[0] for key in stored}):
            inputs, want = (
                {
                    key.split("/")[2]: value
                    for key, value in stored.items()
                    if key.startswith(f"{name}/{part}/")
                }
                for part in ("inputs", "outputs")
            )
            if not want:
                continue
            got = self.run(name, inputs) or {}
            for key, value in want.items():
                if key not in got or value.dtype.kind != "f":
                    continue  # Near ties may turn round between machines.
                difference = self._difference(f"{name}/{key}", got[key], value)
                largest = max(largest, difference)
        return largest

    def _difference(self, name, got, want):
        if got.shape != want.shape:
            self.problems.append(
                f"output {name} has the shape {got.shape}, at export "
                f"{want.shape}"
            )
            return 0.0
        difference = float(abs(got - want).max(initial=0.0))
        if not difference <= self.tolerance:  # NaN too.
            self.problems.append(
                f"output {name} differs by {difference:.3g} from what it was "
                f"at export; {self.tolerance} is allowed"
            )
        return difference

    def run_warmup(self) -> dict | None:
        """Replays the warm-up; `None` where there is none or no messages."""
        path = os.path.join(
            self.folder, "assets.extra", "tf_serving_warmup_requests"
        )
        if not os.path.exists(path):
            return None
        try:
            from tensorflow_serving.apis import prediction_log_pb2
        except ImportError:
            return None
        seconds, skipped = [], 0
        for record in self.tf.compat.v1.io.tf_record_iterator(path):
            log = prediction_log_pb2.PredictionLog.FromString(record)
            request = log.predict_log.request
            name = request.model_spec.signature_name
            if name in self.compiled:
                skipped += 1
                continue
            started = time.perf_counter()
            self.run(
                name,
                {
                    key: self.tf.make_ndarray(value)
                    for key, value in request.inputs.items()
                },
            )
            seconds.append(time.perf_counter() - started)
        return {
            "requests": len(seconds),
            "skipped_xla": skipped,
            "seconds": sum(seconds),
        }

    def _find_compiled(self, graph):
        """Names of the signatures that hold a must-compile function."""
        functions = {f.signature.name: f for f in graph.library.function}

        def compiles(name, seen):
            if name not in functions or name in seen:
                return False
            seen.add(name)
            function = functions[name]
            if function.attr["_XlaMustCompile"].b:
                return True
            return any(
                compiles(value.func.name, seen)
                for node in function.node_def
                for value in node.attr.values()
            )

        roots = {
            value.func.name.partition("signature_wrapper_")[2]: value.func.name
            for node in graph.node
            for value in node.attr.values()
            if "signature_wrapper_" in value.func.name
        }
        calls = {
            node.name: value.func.name
            for node in graph.node
            for value in node.attr.values()
            if value.func.name in roots.values()
        }
        found = set()
        for name, signature in self.signatures.items():
            node = next(iter(signature.outputs.values())).name.split(":")[0]
            if node in calls and compiles(calls[node], set()):
                found.add(name)
        if "serving_default" in found:
            self.problems.append(
                "'serving_default' holds a function that XLA must compile, "
                "which TF Serving refuses by default"
            )
        return found


def missing_packages(names: list[str]) -> list[str]:
    """Says how to get packages whose operations a SavedModel runs."""
    return [
        f"it runs operations of {name}, which is not installed here. Try: pip "
        f"install {name.replace('_', '-')}, and import {name} before loading "
        "it; TF Serving has it inside"
        for name in names
    ]


def _imported(name):
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def main() -> None:
    folder = sys.argv[1]
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
        manifest = json.load(file)
    needed = manifest.get("imports", {}).get("packages", [])
    for name in FORBIDDEN:
        if name not in needed:
            sys.modules[name] = None  # `import` raises now.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    missing = [name for name in needed if not _imported(name)]
    if missing:
        json.dump({"problems": missing_packages(missing)}, sys.stdout)
        return
    replay = Replay(folder, manifest["probe"]["tolerance"])
    if replay.describe() != manifest["signatures"]:
        replay.problems.append(
            "its signatures are not those of the manifest: "
            + json.dumps(replay.describe())
        )
    report = {
        "tensorflow": replay.tf.__version__,
        "load_seconds": replay.load_seconds,
        "warmup": replay.run_warmup(),
        "largest_difference": replay.run_probe(),
    }
    json.dump({**report, "problems": replay.problems}, sys.stdout)


if __name__ == "__main__":
    main()
