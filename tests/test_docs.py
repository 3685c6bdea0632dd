"""The site of the documentation: it builds, and links lead somewhere."""

import ast
import re
import subprocess
import sys

import pytest

from tests.paths import ROOT

PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def test_the_site_builds_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", tmp_path]
    built = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert not built.returncode, built.stderr
    for page in PAGES:
        name = page.removeprefix("docs/").removesuffix(".md")
        if name not in ("README", "index"):
            assert (tmp_path / name / "index.html").stat().st_size > 2000
    api = (tmp_path / "api/tasks/index.html").read_text("utf-8")
    assert "on raw texts" in api  # `fit`, which all inherit


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page):
    text = (ROOT / page).read_text("utf-8")
    folder = (ROOT / page).parent
    for link in LINK.findall(re.sub(r"```.*?```", "", text, flags=re.S)):
        if not re.match(r"https?://|#", link):
            assert (folder / link.partition("#")[0]).exists(), link


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text("utf-8")
    for page in PAGES:
        if page.startswith("docs/") and "/benchmarks/" not in page:
            assert page.removeprefix("docs/") in navigation


def test_every_public_name_has_its_entry():
    import keras_longformer

    api = "".join(p.read_text("utf-8") for p in (ROOT / "docs/api").iterdir())
    named = set(re.findall(r"^::: keras_longformer\.(\w+)$", api, re.M))
    assert named == set(keras_longformer.__all__)


def test_errors_are_said_by_the_package():
    """What docs/errors.md quotes stands in the sources, word by word."""
    said = set()
    for path in (ROOT / "keras_longformer").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                said.add(node.value)
    text = (ROOT / "docs/errors.md").read_text("utf-8")
    quoted = re.findall(r"^\| (?:`` (.+?) ``|`([^`]+)`) \|", text, re.M)
    assert len(quoted) > 12
    for double, single in quoted:
        fragment = double or single
        assert any(fragment in text for text in said), fragment
