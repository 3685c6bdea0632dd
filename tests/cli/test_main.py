"""What all commands have in common."""

import ast
import pathlib

import pytest

from keras_longformer import cli
from keras_longformer.cli import main

FILES = sorted(pathlib.Path(cli.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("name", main.COMMANDS)
def test_help_has_examples(name, capsys):
    with pytest.raises(SystemExit) as info:
        main.main([name, "--help"])
    assert info.value.code == 0
    said = capsys.readouterr().out
    assert f"    keras-longformer {name} " in said
    assert all(len(line) <= 80 for line in said.splitlines())


def test_lists_its_commands(capsys):
    with pytest.raises(SystemExit):
        main.main(["--help"])
    words = capsys.readouterr().out.split()
    assert all(name in words for name in main.COMMANDS)


def test_version(capsys):
    with pytest.raises(SystemExit) as info:
        main.main(["--version"])
    assert info.value.code == 0
    assert capsys.readouterr().out.startswith("keras-longformer ")


def test_usage_is_code_2(capsys):
    for arguments in ([], ["nonsense"], ["verify"]):
        with pytest.raises(SystemExit) as info:
            main.main(arguments)
        assert info.value.code == 2


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_imports_nothing_heavy_at_the_top(file):
    """So that `--help` does not wait for TensorFlow."""
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module]
        else:
            continue
        for name in names:
            top = name.split(".")[0]
            assert top not in ("tensorflow", "keras", "keras_hub", "numpy")
            if top == "keras_longformer":
                assert name.startswith("keras_longformer.cli"), name


def test_a_failure_is_said_in_a_line(tmp_path, capsys):
    assert main.main(["verify", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("keras-longformer verify: ")
    assert "manifest.json" in said and said.count("\n") == 1
