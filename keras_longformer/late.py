"""Registers our classes when Keras comes after us.

`keras.saving.load_model` finds the classes that were imported, and a package
whose names wait until one is used has imported none of them.
"""

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import sys

PACKAGE = "keras_longformer"


def register_with_keras() -> None:
    """Imports every public name right after the first `import keras`."""
    sys.meta_path.insert(0, _Finder())


class _Finder(importlib.abc.MetaPathFinder):
    """Finds Keras as all others do, with a loader that then calls us."""

    def find_spec(self, name, path=None, target=None):
        if name != "keras":
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    def __init__(self, loader):
        self._loader = loader

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        # Of Keras, everything else asks the loader that it has.
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        if not _is_importing():
            # Where KerasHub is not installed, a name that needs it says so.
            with contextlib.suppress(ImportError):
                importlib.import_module(f"{PACKAGE}.front_door")


def _is_importing():
    """Whether it is one of our own modules that imports Keras."""
    return any(
        getattr(module.__spec__, "_initializing", False)
        for name, module in list(sys.modules.items())
        if name.startswith(f"{PACKAGE}.") and module is not None
    )
