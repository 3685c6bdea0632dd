"""Versions of a model, which servers poll for."""

import os

from keras_longformer.unfinished import to_disk


def publish(temporary: str, path: str) -> str:
    """Renames a folder to the next version of `path`, and returns that.

    Past others who export at the same time.
    """
    to_disk(temporary)
    version = 1 + max(
        (int(name) for name in os.listdir(path) if name.isdigit()), default=0
    )
    while True:
        target = os.path.join(path, str(version))
        try:
            os.rename(temporary, target)
            return target
        except OSError:
            if not os.path.exists(target):
                raise
            version += 1
