"""The quickstart, tiny: every step runs, and says what it should."""

import importlib.util
import json
import pathlib
import subprocess
import sys

import pytest

SCRIPTS = pathlib.Path(__file__).parents[2] / "scripts"


@pytest.fixture(scope="module")
def script():
    """`scripts/quickstart.py`, as a module beside its package's."""
    sys.path.insert(0, str(SCRIPTS))
    spec = importlib.util.spec_from_file_location(
        "quickstart_script", SCRIPTS / "quickstart.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(SCRIPTS))


def test_runs_from_end_to_end(script, tmp_path):
    from quickstart import pipeline

    settings, _ = pipeline.prepare(quick=True)
    results = pipeline.run(settings, str(tmp_path))
    lengths = [row.length for row in results.rows]
    assert lengths == [32, 256, 256, 256, 256]
    assert len(results.answers) == 4
    assert (tmp_path / "classifier" / "1" / "saved_model.pb").is_file()
    report = (tmp_path / "report.md").read_text()
    for row in results.rows:
        assert (
            f"| {row.name} | {row.length} | {row.bits_per_token:.3f}" in report
        )
    assert "tensorflow_model_server" in report
    assert (tmp_path / "report.png").stat().st_size > 10_000
    config = json.loads((tmp_path / "roberta" / "config.json").read_text())
    assert config["model_type"] == "roberta"
    assert not list(tmp_path.glob("**/*.tmp"))


def test_splits_files_and_always_alike(script):
    from quickstart import corpus
    from quickstart.settings import Settings

    sources = corpus.read_sources()
    assert sources == corpus.read_sources()
    assert len({source.path for source in sources}) == len(sources)
    for name in Settings().classes:
        for split in ("train", "test"):
            assert corpus.of_split(sources, split, [name])


@pytest.mark.parametrize(
    "checkpoint, message",
    [("nowhere", "nowhere"), ("hf:/one/slash", "hf:/one/slash")],
)
def test_a_wrong_checkpoint_is_named_before_any_work(
    script, monkeypatch, tmp_path, checkpoint, message
):
    output = tmp_path / "output"
    monkeypatch.setattr(
        sys,
        "argv",
        ["quickstart", "--checkpoint", checkpoint, "--output", str(output)],
    )
    with pytest.raises(SystemExit, match=message):
        script.main()
    assert not output.exists()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--venv"], "--venv needs a folder"),
        (["--venv", "{tmp}"], "is no virtual environment"),
    ],
)
def test_the_shell_script_refuses_a_wrong_folder(tmp_path, arguments, message):
    (tmp_path / "file").touch()
    process = subprocess.run(
        ["bash", str(SCRIPTS / "quickstart.sh")]
        + [argument.format(tmp=tmp_path) for argument in arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 2
    assert message in process.stderr
