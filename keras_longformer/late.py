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
# KerasHub imports Keras, and is of no use to us before it is whole.
AWAITED = ("keras", "keras_hub")


def register_with_keras() -> None:
    """Imports every public name right after the first `import keras`, or after
    `import keras_hub` where that is what imports Keras."""
    sys.meta_path.insert(0, _Finder())


class _Finder(importlib.abc.MetaPathFinder):
    """Finds them as all others do, with a loader that then calls us."""

    def find_spec(self, name, path=None, target=None):
        if name not in AWAITED:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self)
        return spec


class _Loader(importlib.abc.Loader):
    def __init__(self, loader, finder):
        self._loader = loader
        self._finder = finder

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        # Of the module, everything else asks the loader that it has.
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        if _is_importing(besides=module):
            return  # Whoever does it calls us, or is one of ours.
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        # Where KerasHub is not installed, a name that needs it says so.
        with contextlib.suppress(ImportError):
            importlib.import_module(f"{PACKAGE}.front_door")


def _is_importing(besides):
    """Whether one of our modules, or of those awaited, is being imported."""
    return any(
        getattr(module.__spec__, "_initializing", False)
        for name, module in list(sys.modules.items())
        if module not in (None, besides)
        and (name.startswith(f"{PACKAGE}.") or name in AWAITED)
    )
