"""Checks the package with other versions of TensorFlow and Keras.

Command:
    python scripts/build/tensorflow_versions.py 2.20.0 2.21.0 2.22.0rc0
        [--keras 3.15.0 3.15.1] [--keras-hub 0.32.0] [--checks NAME ...]
        [--lowest] [--folder FOLDER] [--keep]

For each pair of versions it makes an environment with these very ones (whatever
TensorFlow itself asks for: a release candidate wants a nightly Keras), with
TensorFlow Text of that version if there is one, and TF Serving's messages of
that version or else the newest; compiles the kernel with its headers; and runs
what the package relies on, each in a process of its own:

    kernel     the cases of window attention in the kernel, its gradients, its
               dropout, in graphs and under XLA
    contract   what is read of XLA's custom calls and of TensorFlow's own names
    models     layers, encoder and decoder, fit and saved files
    text       the tokenizers in the graph
    serving    a SavedModel that is exported and compared
    files      readers of checkpoints, and ONNX

With `--lowest`, beside other versions or alone, there is an environment also
with the lowest version of everything that setup.cfg asks for, of those that go
together; what they ask for in turn is the newest. uv, which pip installs into
that environment, finds them out.

Prints a table in Markdown and ends with code 1 if anything failed; the logs
are then kept. What `--keep` has left in a folder is taken again. Each pair
takes some 15 minutes of CPU time, a download of 600 MB and 3 GB of disk, which
it gives back.
"""

import argparse
import configparser
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]

# What is in the environment by its own version, or must not be.
PINNED = (
    "tensorflow",
    "tensorflow-text",
    "keras",
    "keras-nightly",
    "keras-hub",
)
TOOLS = ("pytest", "hypothesis", "safetensors", "scipy", "tokenizers")
CHECKS = {
    "kernel": [
        "tests/ops/test_native_kernel.py",
        "tests/ops/test_native_training.py",
        "tests/ops/test_dropout.py",
    ],
    "contract": ["tests/ops/test_custom_call.py", "tests/ops/test_native.py"],
    "models": [
        "tests/ops/test_window_attention.py",
        "tests/layers",
        "tests/models/test_backbone.py",
        "tests/models/test_decoder.py",
        "tests/tasks/test_tasks.py",
    ],
    "text": ["tests/tokenizers/byte_pair", "tests/tokenizers/word_piece"],
    "serving": ["tests/serving/test_export.py"],
    "files": ["tests/weights/test_readers.py", "tests/portable/test_onnx.py"],
}
# Extras of what the package itself imports.
EXTRAS = ("hub", "text", "onnx", "serving", "finetune", "rouge")
# In the environment: what each distribution asks for, but for `PINNED`.
REQUIRES = """
import json, sys
from importlib import metadata
from pip._vendor.packaging.requirements import Requirement
found, pinned = set(), json.loads(sys.argv[2])
for name in json.loads(sys.argv[1]):
    for line in metadata.requires(name) or ():
        asked = Requirement(line)
        if asked.marker is None or asked.marker.evaluate({"extra": ""}):
            asked.marker = None
            if asked.name.lower().replace("_", "-") not in pinned:
                found.add(str(asked))
print(json.dumps(sorted(found)))
"""
VERSIONS = """
import json, os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, keras_hub, numpy, tensorflow as tf
from google import protobuf
try:
    import tensorflow_text
    text = tensorflow_text.__version__
except ImportError:
    text = "none"
print(json.dumps({"tensorflow": tf.__version__, "keras": keras.__version__,
    "keras-hub": keras_hub.__version__, "tensorflow-text": text,
    "numpy": numpy.__version__, "protobuf": protobuf.__version__}))
"""


class Environment:
    """A virtual environment of one pair of versions.

    Args:
        folder: path, where it is made, and its logs.
        tensorflow, keras, keras_hub: str, versions.
    """

    pytest_options = ()

    def __init__(self, folder, tensorflow, keras, keras_hub):
        self.folder = folder
        self.wanted = {
            "tensorflow": tensorflow,
            "keras": keras,
            "keras-hub": keras_hub,
        }
        self.python = str(folder / "venv" / "bin" / "python")

    def run(self, name, *arguments):
        """Runs its Python; returns the exit code, and the output's text."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "KERAS_LONGFORMER_NATIVE": "off",
            "KERAS_LONGFORMER_NATIVE_FOLDER": str(self.folder / "native"),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        done = subprocess.run(
            [self.python, *arguments],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=environment,
            check=False,
        )
        text = done.stdout + done.stderr
        (self.folder / f"{name}.log").write_text(text, encoding="utf-8")
        return done.returncode, done.stdout if not done.returncode else text

    def make(self):
        """Installs everything; raises `RuntimeError` where that fails."""
        if not os.path.exists(self.python):
            venv = [sys.executable, "-m", "venv", str(self.folder / "venv")]
            subprocess.run(venv, check=True)
        names = [f"{name}=={v}" for name, v in self.wanted.items()]
        self._install("--no-deps", *names)
        code, text = self.run(
            *("requires", "-c", REQUIRES),
            *(json.dumps(list(self.wanted)), json.dumps(PINNED)),
        )
        if code:
            raise RuntimeError(text)
        self._install(*TOOLS, *json.loads(text))
        release = ".".join(self.wanted["tensorflow"].split(".")[:2])
        # There are none for each release candidate.
        self._take_first(f"tensorflow-text=={release}.*")
        api = "tensorflow-serving-api"
        self._take_first(f"{api}=={release}.*", api)

    def _take_first(self, *names):
        """Installs the first of `names` that there is, without what it asks
        for, or none."""
        for name in names:
            arguments = ("-m", "pip", "install", "--quiet", "--no-deps", name)
            if not self.run("if_there", *arguments)[0]:
                return

    def _install(self, *names):
        code, text = self.run("pip", "-m", "pip", "install", "--quiet", *names)
        if code:
            raise RuntimeError(f"{' '.join(names)}: {text[-2000:]}")

    def check(self, names):
        """Returns what came of it: versions, and a word for each check."""
        code, text = self.run("versions", "-c", VERSIONS)
        if code:
            return {**self.wanted, "imports": said_of_failure(text)}
        row = json.loads(text.splitlines()[-1])
        code, text = self.run("build", "-m", "keras_longformer.native.build")
        row["compiles"] = "yes" if not code else said_of_failure(text)
        for name in names:
            code, text = self.run(
                *(name, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
                *("--fast", "--allow-skips", *self.pytest_options),
                *CHECKS[name],
            )
            row[name] = counts(text) or said_of_failure(text)
        return row


class Lowest(Environment):
    """One of the lowest versions that setup.cfg allows and that go together.

    Args:
        folder: path, where it is made, and its logs.
    """

    # What is old warns of what is new beside it, and the tests of warnings.
    pytest_options = ("-W", "default")

    def __init__(self, folder):
        super().__init__(folder, "lowest", "lowest", "lowest")

    def make(self):
        if not os.path.exists(self.python):
            venv = [sys.executable, "-m", "venv", str(self.folder / "venv")]
            subprocess.run(venv, check=True)
        self._install("uv")
        found = self.folder / "lowest.txt"
        code, text = self.run(
            *("lowest", "-m", "uv", "pip", "compile", "--quiet"),
            *("--python", self.python, "--resolution", "lowest-direct"),
            *(f"--extra={extra}" for extra in EXTRAS),
            *("--output-file", str(found), "setup.cfg"),
        )
        if code:
            raise RuntimeError(text)
        self._install("-r", str(found), *TOOLS)

    def check(self, names):
        code, text = self.run("freeze", "-m", "pip", "freeze")
        if code:
            raise RuntimeError(text)
        text = text.lower().replace("_", "-")
        installed = dict(re.findall(r"(\S+)==(\S+)", text))
        asked = {
            name: installed[name] for name in asked_for() if name in installed
        }
        return {**super().check(names), **asked}


def asked_for():
    """Names of all that the package and `EXTRAS` ask for."""
    found = configparser.ConfigParser()
    found.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = found["options"]["install_requires"].splitlines()
    for extra in EXTRAS:
        lines += found["options.extras_require"][extra].splitlines()
    names = (re.match(r"[\w-]+", line) for line in lines)
    return sorted({name[0].lower().replace("_", "-") for name in names if name})


def counts(text):
    """What pytest counted: "12 passed, 1 failed"."""
    kinds = "passed|failed|error|errors|skipped"
    found = re.findall(rf"(\d+) ({kinds})\b", text.splitlines()[-1])
    return ", ".join(f"{number} {kind}" for number, kind in found)


def said_of_failure(text):
    """The last line of a failure."""
    lines = [line for line in text.splitlines() if line.strip()]
    return f"FAILED: {lines[-1][:80]}" if lines else "FAILED"


def is_fine(row):
    """Whether no check of a row failed."""
    said = " ".join(map(str, row.values()))
    return not re.search(r"FAILED|failed|error", said)


def table(rows):
    """Returns rows as a table in Markdown, a column each."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [
        [name, *(str(row.get(name, "")) for row in rows)] for name in names
    ]
    lines.insert(1, ["---"] * (len(rows) + 1))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("tensorflow", nargs="*")
    parser.add_argument("--lowest", action="store_true")
    parser.add_argument("--keras", nargs="+", default=["3.15.1"])
    parser.add_argument("--keras-hub", default="0.32.0")
    parser.add_argument(
        "--checks", nargs="+", choices=list(CHECKS), default=list(CHECKS)
    )
    parser.add_argument("--folder", type=pathlib.Path)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    if not options.tensorflow and not options.lowest:
        parser.error("Name versions of TensorFlow, or --lowest.")
    root = options.folder or pathlib.Path(tempfile.mkdtemp(prefix="versions-"))
    environments = [
        Environment(root / f"{tf}-{keras}", tf, keras, options.keras_hub)
        for tf in options.tensorflow
        for keras in options.keras
    ]
    if options.lowest:
        environments.append(Lowest(root / "lowest"))
    rows = []
    for environment in environments:
        environment.folder.mkdir(parents=True, exist_ok=True)
        try:
            environment.make()
            rows.append(environment.check(options.checks))
        except RuntimeError as error:
            said = said_of_failure(str(error))
            rows.append({**environment.wanted, "installs": said})
        if not options.keep:
            shutil.rmtree(environment.folder / "venv")
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    print(table(rows))
    if not all(map(is_fine, rows)):
        print(f"\nLogs: {root}")
        sys.exit(1)
    if not options.keep:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
