"""What was found, kept in a file that is whole at any time."""

import json
import os
import pathlib


def write(path, text):
    """Writes a file under a temporary name, then renames it."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


class Results:
    """Rows by part, in `results.json` of a folder.

    Runs into the same folder add up: one where PyTorch is, one where
    TensorFlow is. A row takes the place of the one with the same `KEYS`.
    """

    KEYS = ("through", "name", "case", "dtype", "pass", "n", "b")

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.path = self.folder / "results.json"
        self.parts, self.devices, self.failures = {}, [], []
        if self.path.exists():
            stored = json.loads(self.path.read_text(encoding="utf-8"))
            self.parts = stored["parts"]
            self.devices = stored["devices"]

    def rows(self, part):
        """List of dicts."""
        return self.parts.get(part, [])

    def add(self, part, row):
        """Keeps a row, and writes all."""
        key = [row.get(name) for name in self.KEYS]
        self.parts[part] = [
            other
            for other in self.rows(part)
            if [other.get(name) for name in self.KEYS] != key
        ] + [row]
        self.write()

    def write(self):
        stored = {
            "devices": self.devices,
            "parts": self.parts,
            "failures": self.failures,
        }
        write(self.path, json.dumps(stored, indent=1) + "\n")
