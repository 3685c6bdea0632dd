"""What every report ends with."""

import dataclasses
import os
import platform
from importlib import metadata

PACKAGES = ("keras_longformer", "tensorflow", "keras", "keras-hub", "numpy")


def settings_table(settings: object) -> str:
    """Returns a dataclass' fields and values as a table in Markdown."""
    rows = [f"| {k} | {v} |" for k, v in dataclasses.asdict(settings).items()]
    return "\n".join(["| | |", "|---|---|", *rows])


def environment() -> str:
    """Returns a sentence: what this runs on, and with which packages."""
    versions = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    return (
        f"{os.cpu_count()} CPUs ({platform.machine()}), Python "
        f"{platform.python_version()}, {versions}."
    )


def _version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:  # Run from a checkout.
        return "(not installed)"
