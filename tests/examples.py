"""Examples of the README and the docstrings, and what they take for given."""

import ast
import dataclasses
import pathlib
import re
import textwrap

import keras_longformer

PACKAGE = pathlib.Path(keras_longformer.__file__).parent
README = PACKAGE.parent / "README.md"
FENCE = "```python\n"
_BLOCK = re.compile(rf"^[ ]*{FENCE}(.*?)^[ ]*```", re.MULTILINE | re.DOTALL)
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)


@dataclasses.dataclass
class Example:
    """One fenced block of Python.

    Attributes:
        name: str, `README` or the documented object's path inside the package,
            with the block's number where there is more than one.
        source: str, the block, not indented.
    """

    name: str
    source: str

    def __str__(self):
        return self.name

    @property
    def given(self) -> set[str]:
        """The names that it reads, be they its own or given."""
        return {
            node.id
            for node in ast.walk(ast.parse(self.source))
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        }


def all_examples() -> list[Example]:
    """Returns the blocks of the README and of all public docstrings."""
    examples = _blocks("README", README.read_text("utf-8"))
    for path in source_files():
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        parts = [part for part in parts if part != "__init__"]
        module = ast.parse(path.read_text("utf-8"))
        for name, node in _documented(module, parts):
            examples += _blocks(".".join(name), ast.get_docstring(node) or "")
    return examples


def source_files() -> list[pathlib.Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _documented(node, name):
    """Modules, classes, functions and methods that are public, by name."""
    yield name, node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _DOCUMENTED) and not child.name.startswith("_"):
            yield from _documented(child, [*name, child.name])


def _blocks(name, text):
    sources = [textwrap.dedent(source) for source in _BLOCK.findall(text)]
    if len(sources) == 1:
        return [Example(name, sources[0])]
    return [Example(f"{name}#{i}", x) for i, x in enumerate(sources, 1)]
