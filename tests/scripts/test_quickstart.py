"""The quickstart, tiny: every step runs, and says what it should."""

import json
import subprocess

import pytest

from tests.scripts.script import SCRIPTS
from tests.scripts.script import beside
from tests.scripts.script import load

quickstart = load("examples", "quickstart")
text = load("examples", "quickstart_text")


def test_runs_from_end_to_end(tmp_path, capsys):
    with beside("examples"):
        quickstart.main(["--quick", "--output", str(tmp_path)])
    report = (tmp_path / "report.md").read_text()
    printed = capsys.readouterr().out
    table = [line for line in printed.splitlines() if line.startswith("| long")]
    assert len(table) == 4 + 1  # masked language models and a classifier
    assert all(line in report for line in table)
    assert all(f"[{i}/5]" in printed for i in range(1, 6))
    assert printed.count("s expected") + printed.count("S EXPECTED") == 3
    assert printed.count("the answer is") == 4
    assert "tensorflow_model_server" in report
    assert "Attention by `" in report
    assert (tmp_path / "classifier" / "1" / "saved_model.pb").is_file()
    assert (tmp_path / "report.png").stat().st_size > 10_000
    config = json.loads((tmp_path / "roberta" / "config.json").read_text())
    assert config["model_type"] == "roberta"
    assert "attention_window" not in config
    assert not list(tmp_path.glob("**/.unfinished*"))


def test_splits_files_and_always_alike():
    sources = text.read_sources()
    assert sources == text.read_sources()
    assert len({source.path for source in sources}) == len(sources)
    for name in quickstart.Settings().classes:
        for split in ("train", "test"):
            chosen = text.of_split(sources, split)
            assert any(source.package == name for source in chosen)


@pytest.mark.parametrize(
    "checkpoint, message",
    [("nowhere", "nowhere"), ("hf:/one/slash", "hf:/one/slash")],
)
def test_a_wrong_checkpoint_is_named_before_any_work(
    tmp_path, checkpoint, message
):
    output = tmp_path / "output"
    with beside("examples"), pytest.raises(SystemExit, match=message):
        quickstart.main(["--checkpoint", checkpoint, "--output", str(output)])
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
