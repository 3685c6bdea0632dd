"""Writes files and folders whole, and what every report ends with."""

import dataclasses
import os
import pathlib
import platform
import shutil
from importlib import metadata

PACKAGES = ("keras_longformer", "tensorflow", "keras", "keras-hub", "numpy")


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes a file in UTF-8, whole or not at all."""
    path = pathlib.Path(path)
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_text(text, "utf-8")
    os.replace(temporary, path)


def replace_folder(new: str, target: str) -> None:
    """Renames a finished folder, instead of an older one."""
    shutil.rmtree(target, ignore_errors=True)
    os.rename(new, target)


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
