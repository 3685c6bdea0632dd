"""What stands in scripts/, and what may import what."""

import ast
import pathlib
import re

import pytest

SCRIPTS = pathlib.Path(__file__).parents[2] / "scripts"

ENTRIES = {
    "benchmarks",
    "benchmarks.sh",
    "build",
    "environment.sh",
    "examples",
    "docs.sh",
    "quickstart.sh",
    "test.sh",
}


def files():
    for path in sorted(SCRIPTS.rglob("*.py")):
        name = path.relative_to(SCRIPTS)
        yield str(name)


FILES = list(files())
# Those that are run, and not imported alone.
COMMANDS = [
    name for name in FILES if "__main__" in (SCRIPTS / name).read_text("utf-8")
]


def imported(tree):
    """Names of all modules that are imported, wherever."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            yield node.module


def test_entries():
    found = {path.name for path in SCRIPTS.iterdir()} - {"__pycache__"}
    assert found == ENTRIES


def test_no_file_has_the_name_of_a_folder_beside_it():
    for path in SCRIPTS.rglob("*"):
        if path.is_dir():
            assert not path.with_suffix(".py").exists(), path


@pytest.mark.parametrize("name", FILES)
def test_imports_neither_the_tests_nor_another_folder(name):
    path = SCRIPTS / name
    others = {
        other.stem
        for other in SCRIPTS.rglob("*.py")
        # What is beside it, and `measure` for benchmarks in a folder.
        if other.parent != path.parent and other.parent != path.parents[1]
    }
    others -= {other.stem for other in path.parent.glob("*.py")}
    for module in imported(ast.parse(path.read_text("utf-8"))):
        top = module.partition(".")[0]
        assert top not in {"tests", "scripts", "finetune", *others}, module


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_how_it_is_called(name):
    tree = ast.parse((SCRIPTS / name).read_text("utf-8"))
    command = f"python scripts/{name}".removesuffix("/__main__.py")
    usage = re.escape(command)
    assert re.search(
        rf"Command:\n(.*\n)*    {usage}\b", ast.get_docstring(tree)
    )
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    calls = [ast.unparse(node) for node in nodes]
    # The parser shows this text, whole.
    makers = ("argparse.ArgumentParser(", "measure.parser(")
    (parser,) = [call for call in calls if call.startswith(makers)]
    assert "__doc__" in parser and "splitlines" not in parser


def test_every_other_file_is_imported():
    texts = [(SCRIPTS / name).read_text("utf-8") for name in FILES]
    used = {m.partition(".")[0] for t in texts for m in imported(ast.parse(t))}
    # By the framework's name, in benchmarks/gpu.
    used |= {"with_torch", "with_jax", "with_tensorflow"}
    for name in set(FILES) - set(COMMANDS):
        assert pathlib.Path(name).stem in used, name


@pytest.mark.parametrize("name", ["quickstart.sh", "test.sh"])
def test_shell_scripts_run_what_is_there(name):
    text = (SCRIPTS / name).read_text("utf-8")
    for path in re.findall(r"\$checkout/(\S+?\.py)", text):
        assert (SCRIPTS.parent / path).is_file()
    assert f"#     bash scripts/{name}" in text
