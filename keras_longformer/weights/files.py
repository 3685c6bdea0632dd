"""Reads small files of folders that a stranger may have made.

What cannot be, or says two things at once, is refused by the file's name: a
reader above sees only what a file plainly says.
"""

import json
import os

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
# Set to 1 it lets the files of a folder be links to elsewhere.
FOLLOW_LINKS = "KERAS_LONGFORMER_FOLLOW_LINKS"


def read_json(path: str | os.PathLike) -> dict:
    """Returns the dict that a JSON file holds.

    Raises:
        ValueError: no JSON object, as `parse_json` reads it.
    """
    content = parse_json(path)
    if not isinstance(content, dict):
        raise ValueError(
            f"'{path}' must hold a JSON object. "
            f"Received: {type(content).__name__}."
        )
    return content


def parse_json(path: str | os.PathLike) -> object:
    """Returns what a JSON file holds.

    Raises:
        ValueError: it is none, is nested too deeply to be read, or gives a
            name twice in one object, where readers differ on which counts.
    """
    check_no_pointer(path)
    try:
        with open(path, encoding="utf-8") as file:
            return parse_text(file.read())
    except ValueError as error:
        raise ValueError(f"'{path}' is not valid JSON: {error}.") from error


def parse_text(text: str | bytes) -> object:
    """Returns what a text in JSON says; raises as `parse_json` does."""
    try:
        return json.loads(text, object_pairs_hook=_once)
    except RecursionError as error:
        raise ValueError("it is nested too deeply to be read") from error


def _once(pairs):
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})[:5]
        raise ValueError(
            f"one object has these names more than once: {', '.join(twice)}"
        )
    return found


def check_no_pointer(path: str | os.PathLike) -> None:
    """Raises `ValueError` for what Git LFS leaves in a file's place."""
    with open(path, "rb") as file:
        start = file.read(len(LFS_POINTER))
    if start == LFS_POINTER:
        raise ValueError(
            f"'{path}' is a Git LFS pointer, not the file that it points to: "
            "the folder was cloned without it. Run `git lfs pull` in it, or "
            "open `hf://owner/name`."
        )


def check_inside(path: str, folder: str) -> None:
    """Raises `ValueError` for a file that lies elsewhere, behind a link.

    A folder may come from a stranger, and with it what it links to. The cache
    of huggingface_hub, whose files are links to its `blobs`, is known.

    Args:
        path: str, a file in the folder.
        folder: str, which may be a link itself.
    """
    folder, target = os.path.realpath(folder), os.path.realpath(path)
    allowed = [folder]
    parts = folder.split(os.sep)
    if "snapshots" in parts:
        above = len(parts) - parts[::-1].index("snapshots") - 1
        allowed.append(os.sep.join([*parts[:above], "blobs"]))
    if any(os.path.commonpath([target, x]) == x for x in allowed):
        return
    if os.environ.get(FOLLOW_LINKS) == "1":
        return
    raise ValueError(
        f"'{path}' is a link out of its folder, to '{target}', which is not "
        "followed: the folder may be a stranger's. Copy the file there, or "
        f"set {FOLLOW_LINKS}=1 if the link is your own."
    )
