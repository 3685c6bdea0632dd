"""Builds the CPU's kernel into the wheel, where that can be done.

It wants a C++ compiler and the headers of the TensorFlow that will run it, one
that is installed already: TensorFlow is no build requirement, since pip would
download its 600 MB for every build and take any version. It is looked for where
this Python looks for packages (`pip install --no-build-isolation .`), and in
the environment that pip, isolating the build, hides from it (`pip install .`).

Without either, if the compiler fails, or with `KERAS_LONGFORMER_NATIVE=off`,
the wheel is pure, `py3-none-any`, and `keras_longformer` builds the kernel when
it is first used: see keras_longformer/native/README.md. An editable
installation does that too. `pip -v` shows which it was.
"""

import os
import pathlib
import shutil
import sys
import sysconfig
import tempfile

from setuptools import Command
from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build import build

ROOT = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))

# The package alone: neither TensorFlow nor NumPy is imported.
from keras_longformer.native import build as native_build  # noqa: E402
from keras_longformer.native import cache  # noqa: E402
from keras_longformer.native import source_files  # noqa: E402


def reason_against():
    """Says why there is nothing to build with, or `None`."""
    if os.environ.get("KERAS_LONGFORMER_NATIVE") == "off":
        return "KERAS_LONGFORMER_NATIVE=off"
    if not sys.platform.startswith("linux"):
        return f"the kernel is for Linux, not {sys.platform}"
    if tensorflow() is None:
        return "no TensorFlow is installed, whose headers it needs"
    return None


def tensorflow():
    """The TensorFlow of the environment that is installed into, or `None`."""
    paths = sysconfig.get_paths()
    folders = [*sys.path, paths["platlib"], paths["purelib"]]
    return source_files.installed_tensorflow(folders)


class BuildNative(Command):
    """Puts the library into the built package, or says why not."""

    description = "build the CPU's kernel"
    user_options = [("build-lib=", "d", "folder of the built package")]
    editable_mode = False

    def initialize_options(self):
        self.build_lib = None
        self.path = None

    def finalize_options(self):
        self.set_undefined_options("build_py", ("build_lib", "build_lib"))

    def run(self):
        if self.editable_mode:
            return
        target = pathlib.Path(self.build_lib, *self._place())
        # What another build left there is of other sources.
        shutil.rmtree(target, ignore_errors=True)
        reason = reason_against()
        try:
            if reason is None:
                self._build(target)
        except (OSError, RuntimeError) as error:
            reason = str(error)
        if reason is not None:
            print(
                "keras_longformer: this wheel is pure, without the CPU's "
                f"kernel, which is built at first use: {reason}",
                flush=True,
            )

    def _build(self, target):
        with tempfile.TemporaryDirectory() as folder:
            library = native_build.build(folder, tensorflow())
            target.mkdir(parents=True)
            self.path = shutil.copy2(library, target)

    def _place(self):
        return cache.PACKAGE_FOLDER.relative_to(ROOT).parts

    def get_source_files(self):
        return []

    def get_outputs(self):
        return [self.path] if self.path else []

    def get_output_mapping(self):
        return {}


class Build(build):
    """As ever, and the kernel."""

    sub_commands = [*build.sub_commands, ("build_native", None)]


class BdistWheel(bdist_wheel):
    """One of this platform if it has the kernel; of any Python 3."""

    def run(self):
        # Before it is chosen where the package lies in the wheel.
        self.run_command("build_native")
        if self.get_finalized_command("build_native").path is not None:
            self.root_is_pure = False
            self.distribution.has_ext_modules = lambda: True
        super().run()

    def get_tag(self):
        tag = super().get_tag()
        return tag if self.root_is_pure else ("py3", "none", tag[2])


setup(
    cmdclass={
        "build": Build,
        "build_native": BuildNative,
        "bdist_wheel": BdistWheel,
    }
)
