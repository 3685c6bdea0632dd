"""The wheel, with the kernel and without, in a new environment."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile

import pytest

from keras_longformer.native import cache
from keras_longformer.native import choice
from keras_longformer.native import source_files
from tests.native.kernel import compiler as compiler
from tests.native.stand_in import stand_in as stand_in
from tests.paths import ROOT

COPIED = ("keras_longformer", "setup.py", "setup.cfg", "pyproject.toml")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy, so that nothing is built in the checkout."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in (*COPIED, "README.md", "LICENSE"):
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder)
    return folder


def run(*command, cwd, **environment):
    environment = {
        **os.environ,
        choice.VARIABLE: "background",
        "PYTHONPATH": "",
        **environment,
    }
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def build_wheel(checkout, folder, **environment):
    """Returns the wheel's path, and what was printed."""
    done = run(
        *(sys.executable, "-m", "pip", "wheel", "-v", "--no-deps"),
        *("--no-build-isolation", "-w", folder, "."),
        cwd=checkout,
        **environment,
    )
    (path,) = folder.glob("*.whl")
    return path, done.stdout + done.stderr


def libraries(wheel):
    with zipfile.ZipFile(wheel) as opened:
        return [name for name in opened.namelist() if name.endswith(".so")]


def version():
    return source_files.installed_tensorflow(sys.path).version


@pytest.mark.slow
def test_of_this_platform(stand_in, checkout, tmp_path):
    wheel, printed = build_wheel(checkout, tmp_path)
    tag = sysconfig.get_platform().replace("-", "_")
    assert wheel.name.endswith(f"-py3-none-{tag}.whl")
    (name,) = libraries(wheel)
    built = pathlib.PurePath(name)
    assert built.parts[:-1] == ("keras_longformer", "native", "built")
    assert built.name.startswith(source_files.library_stem(version()))
    assert "Built" in printed
    # What an earlier build left is not taken along.
    stand_in.set("fails")
    wheel.unlink()
    wheel, printed = build_wheel(checkout, tmp_path)
    assert libraries(wheel) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "why, match",
    [
        ("missing", "No C\\+\\+ compiler"),
        ("fails", "no such register"),
        ("off", "=off"),
    ],
)
def test_pure_where_it_cannot_be_built(
    stand_in, checkout, tmp_path, why, match
):
    environment = {}
    if why == "missing":
        environment = {"CXX": "", "PATH": str(tmp_path)}
    elif why == "fails":
        stand_in.set("fails")
    else:
        environment = {choice.VARIABLE: "off"}
    wheel, printed = build_wheel(checkout, tmp_path, **environment)
    assert wheel.name.endswith("-py3-none-any.whl")
    assert libraries(wheel) == []
    (line,) = [x for x in printed.splitlines() if "this wheel is pure" in x]
    assert re.search(match, printed[printed.index(line) :])


PROGRAM = """
import pathlib
import re
import numpy as np
import tensorflow as tf
import keras_longformer as klf
from keras_longformer.native import library
from keras_longformer.ops import taken
x = tf.random.stateless_normal([3, 1, 300, 2, 16], [1, 2])
got, want = (
    klf.window_attention(*x, window_size=64, implementation=name)
    for name in (None, "reference")
)
np.testing.assert_allclose(got, want, atol=1e-5)
print(pathlib.Path(klf.__file__).parent, taken.sentence(), sep="\\n")
"""


def new_environment(folder):
    """A venv that has this one's packages, but not this package."""
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=ROOT)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "lib" / version / "site-packages"
    ours = sysconfig.get_paths()["purelib"]
    # Files with lines of code in there are not run, so that a checkout that is
    # installed here is not seen.
    (packages / "others.pth").write_text(f"{ours}\n")
    return folder / "bin" / "python", packages


@pytest.mark.slow
@pytest.mark.native
def test_installed(compiler, checkout, tmp_path):
    """With the kernel from the first call, and nothing but pip's files."""
    python, packages = new_environment(tmp_path / "venv")
    wheel, _ = build_wheel(checkout, tmp_path)
    install = (sys.executable, "-m", "pip", "--python", python, "install")
    run(*install, "--no-deps", "--no-index", wheel, cwd=tmp_path)
    environment = {
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PATH": "",  # No compiler is needed any more.
        cache.VARIABLE: "",
    }
    said = run(python, "-c", PROGRAM, cwd=tmp_path, **environment).stdout
    folder, sentence = said.splitlines()
    assert folder == str(packages / "keras_longformer")
    assert sentence == "Attention by `native` and `reference`."
    assert not (tmp_path / "cache" / "keras_longformer").exists()
    built = packages / "keras_longformer" / "native" / "built"
    assert len(list(built.iterdir())) == 1


@pytest.mark.slow
def test_editable(stand_in, checkout, tmp_path):
    """Builds nothing: the checkout does, at first use."""
    python, _ = new_environment(tmp_path / "venv")
    install = (sys.executable, "-m", "pip", "--python", python, "install")
    arguments = ("--no-deps", "--no-build-isolation", "-e", ".")
    run(*install, *arguments, cwd=checkout)
    assert not stand_in.builds
    program = "import keras_longformer; print(keras_longformer.__file__)"
    said = run(python, "-c", program, cwd=tmp_path).stdout
    assert said.startswith(str(checkout))
