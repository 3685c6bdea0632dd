"""The way to a script, which imports what is beside it."""

import contextlib
import importlib
import pathlib
import sys

SCRIPTS = pathlib.Path(__file__).parents[2] / "scripts"


@contextlib.contextmanager
def beside(folder: str):
    """While it lasts, `import` finds the scripts of a folder of `scripts/`."""
    path = str(SCRIPTS / folder)
    sys.path.insert(0, path)
    try:
        yield
    finally:
        sys.path.remove(path)


def load(folder: str, name: str):
    """Imports `scripts/<folder>/<name>.py`."""
    with beside(folder):
        return importlib.import_module(name)
