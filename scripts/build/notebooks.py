"""Runs the notebooks of docs/notebooks and stores what their cells say.

Command:
    python scripts/build/notebooks.py [NOTEBOOK ...]

Cells run in order in one process, as Jupyter runs them, in a folder of their
own: no kernel is needed. What is printed, the value of a last expression and
pictures (`IPython.display.Image`) are kept; pictures also as files beside the
notebook, for the site.
"""

import argparse
import ast
import base64
import contextlib
import io
import json
import os
import pathlib
import sys
import tempfile
import types

FOLDER = pathlib.Path(__file__).parents[2] / "docs" / "notebooks"


class Image:
    """What stands in for `IPython.display.Image`: a picture's file."""

    def __init__(self, filename: str):
        self.data = pathlib.Path(filename).read_bytes()


def code_cells(notebook: dict) -> list[dict]:
    """Returns the cells that hold code."""
    return [c for c in notebook["cells"] if c["cell_type"] == "code"]


def run(notebook: dict, small: dict[str, str] | None = None) -> None:
    """Runs all cells, in the folder that is current, and sets their outputs.

    Args:
        notebook: the parsed file.
        small: texts in cells to what stands in their place, for tests.

    Raises:
        ValueError: a text of `small` that is in no cell.
    """
    names, unused = {"__name__": "__main__"}, set(small or {})
    with _display():
        for count, cell in enumerate(code_cells(notebook), 1):
            source = "".join(cell["source"])
            for real, little in (small or {}).items():
                if real in source:
                    unused.discard(real)
                    source = source.replace(real, little)
            cell["execution_count"] = count
            cell["outputs"] = _run_cell(source, names, count)
    if unused:
        raise ValueError(f"No cell has {sorted(unused)}.")


@contextlib.contextmanager
def _display():
    """While it lasts, cells can import `IPython.display.Image`."""
    # Not of `IPython`: other packages look for that one.
    name = "IPython.display"
    before, module = sys.modules.get(name), types.ModuleType(name)
    module.Image = Image
    sys.modules[name] = module
    try:
        yield
    finally:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before


def _run_cell(source, names, count):
    tree = ast.parse(source)
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body.pop().value)
    printed = io.StringIO()
    value = None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, f"cell {count}", "exec"), names)
        if last is not None:
            value = eval(compile(last, f"cell {count}", "eval"), names)
    outputs = []
    if printed.getvalue():
        lines = printed.getvalue().splitlines(keepends=True)
        outputs.append(
            {"output_type": "stream", "name": "stdout", "text": lines}
        )
    if value is not None:
        outputs.append(_output(value, count))
    return outputs


def _output(value, count):
    data = {"text/plain": repr(value).splitlines(keepends=True)}
    if isinstance(value, Image):
        picture = base64.b64encode(value.data).decode()
        data = {"image/png": picture, "text/plain": ["<picture>"]}
    return {
        "output_type": "execute_result",
        "execution_count": count,
        "data": data,
        "metadata": {},
    }


def pictures(notebook: dict) -> list[bytes]:
    """Returns the pictures among its outputs, PNG, in their order."""
    return [
        base64.b64decode(output["data"]["image/png"])
        for cell in code_cells(notebook)
        for output in cell["outputs"]
        if "image/png" in output.get("data", {})
    ]


def write(path: pathlib.Path, notebook: dict) -> None:
    """Writes a notebook, whole or not at all."""
    temporary = path.with_suffix(".tmp")
    text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="notebooks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("notebooks", nargs="*", type=pathlib.Path)
    given = parser.parse_args(arguments).notebooks
    for path in given or sorted(FOLDER.glob("*.ipynb")):
        path = path.resolve()
        notebook = json.loads(path.read_text(encoding="utf-8"))
        with tempfile.TemporaryDirectory() as folder, _inside(folder):
            run(notebook)
        write(path, notebook)
        for count, picture in enumerate(pictures(notebook), 1):
            path.with_name(f"{path.stem}_{count}.png").write_bytes(picture)
        print(f"wrote {path}")


@contextlib.contextmanager
def _inside(folder):
    before = pathlib.Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


if __name__ == "__main__":
    main()
