"""Hostile HDF5 files, written by HDF5's own library."""

import contextlib
import os
import tempfile

import h5py
import numpy as np

from tests.hostile.mutation import EITHER
from tests.hostile.mutation import REFUSED
from tests.hostile.mutation import SAME
from tests.hostile.mutation import changed


@contextlib.contextmanager
def opened(content):
    """Yields the file, open for writing, and a list that gets its bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.h5")
        with open(path, "wb") as file:
            file.write(content)
        result = []
        with h5py.File(path, "a") as file:
            yield file, result
        with open(path, "rb") as file:
            result.append(file.read())


def datasets(file):
    found = []
    file.visititems(
        lambda name, item: (
            found.append(name) if isinstance(item, h5py.Dataset) else None
        )
    )
    return found


def _replace(file, name, **options):
    attributes = dict(file[name].attrs)
    del file[name]
    made = file.create_dataset(name, **options)
    made.attrs.update(attributes)


def structures(sample, file, outside):
    """Links, places and shapes. `outside`: an HDF5 file of the same arrays."""
    with opened(sample[file]) as (content, _):
        names = datasets(content)
        name, shape = names[0], content[names[0]].shape
        value = content[name][()]
    group = name.rpartition("/")[0]
    raw = np.zeros(shape, "f4").nbytes

    def virtual(f):
        layout = h5py.VirtualLayout(shape, "f4")
        layout[...] = h5py.VirtualSource(str(outside), name, shape)
        del f[name]
        f.create_virtual_dataset(name, layout)

    def soft(target):
        def change(f):
            del f[name]
            f[name] = h5py.SoftLink(target)

        return change

    def external(f):
        del f[name]
        f[name] = h5py.ExternalLink(str(outside), name)

    def external_group(f):
        del f[group]
        f[group] = h5py.ExternalLink(str(outside), group)

    def kept_outside(f):
        place = [(str(outside), 0, raw)]
        _replace(f, name, shape=shape, dtype="f4", external=place)

    def cycle(f):
        f[f"{group}/cycle"] = f["/"]
        f["again"] = f[group]

    def soft_cycle(f):
        f["a"] = h5py.SoftLink("/b")
        f["b"] = h5py.SoftLink("/a")

    def twice(f):
        f[f"{group}/twin"] = f[name]

    def huge(*big):
        def change(f):
            _replace(f, name, shape=big, dtype="f4", chunks=(1,) * len(big))

        return change

    def bomb(f):
        _replace(
            f,
            name,
            shape=(10**6, 300),
            dtype="f4",
            chunks=(10**4, 300),
            compression="gzip",
            fillvalue=1.0,
        )
        f[name][:10] = 0

    def dtype(kind, data=None):
        def change(f):
            data_ = np.zeros(shape, kind) if data is None else data
            _replace(f, name, data=data_)

        return change

    def missing(f):
        del f[name]

    def group_instead(f):
        del f[name]
        f.create_group(name)

    def empty(f):
        _replace(f, name, data=h5py.Empty("f4"))

    def not_finite(number):
        def change(f):
            data = np.array(value)
            data.flat[0] = number
            f[name][...] = data

        return change

    def compressed(f):
        _replace(f, name, data=value, compression="gzip")

    def many(f):
        nest = "/".join("d" * 600)
        f[nest] = 1.0

    words = np.full(shape, "x", h5py.string_dtype())
    record = np.zeros(shape, [("a", "f4"), ("b", "i4")])
    for kind, change, want in (
        ("external link", external, REFUSED),
        ("external link", external_group, REFUSED),
        ("external storage", kept_outside, REFUSED),
        ("virtual dataset", virtual, REFUSED),
        ("soft link", soft("/nowhere"), REFUSED),
        ("soft link", soft(f"/{names[1]}"), REFUSED),
        ("link cycle", cycle, EITHER),
        ("link cycle", soft_cycle, EITHER),
        ("duplicate name", twice, EITHER),
        ("declared shape", huge(10**9), REFUSED),
        ("declared shape", huge(10**6, 10**6), REFUSED),
        ("declared shape", huge(2**40, 2**20), REFUSED),
        ("compression bomb", bomb, REFUSED),
        ("wrong dtype", dtype("i4"), REFUSED),
        ("wrong dtype", dtype("u1"), REFUSED),
        ("wrong dtype", dtype("c8"), REFUSED),
        ("wrong dtype", dtype("?"), REFUSED),
        ("wrong dtype", dtype("S3"), REFUSED),
        ("wrong dtype", dtype(None, words), REFUSED),
        ("wrong dtype", dtype(None, record), REFUSED),
        ("wrong dtype", dtype("f8", value.astype("f8")), SAME),
        ("misshapen", dtype(None, value.reshape(-1, 1)), REFUSED),
        ("missing name", missing, REFUSED),
        ("missing name", group_instead, REFUSED),
        ("wrong dtype", empty, REFUSED),
        ("non-finite weights", not_finite(np.nan), "said"),
        ("non-finite weights", not_finite(-np.inf), "said"),
        ("compressed", compressed, SAME),
        ("deep groups", many, EITHER),
    ):
        with opened(sample[file]) as (content, result):
            change(content)
        yield changed(
            sample,
            file,
            result[0],
            kind,
            change.__name__,
            want,
            "is not finite" if want == "said" else "",
        )
