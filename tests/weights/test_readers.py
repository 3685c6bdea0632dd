import json
import sys
import types

import h5py
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from keras_longformer.weights import readers
from keras_longformer.weights.readers import open_checkpoint
from keras_longformer.weights.sentence import Sentence


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "roberta"}')
    return tmp_path


def write_h5(path, arrays):
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array


def test_safetensors_come_as_float32(folder):
    values = np.array([[1.0, -2.5, 0.125], [3.0, 4.0, 5.0]], np.float32)
    stored = {
        "float32": values,
        "float16": values.astype(np.float16),
        "bfloat16": values.astype(ml_dtypes.bfloat16),
        "ids": np.arange(3),
    }
    save_file(stored, folder / "model.safetensors")
    arrays = open_checkpoint(folder).arrays
    assert set(arrays) == set(stored)
    for name in ("float32", "float16", "bfloat16"):
        assert arrays[name].dtype == np.float32
        np.testing.assert_array_equal(arrays[name], values)
    assert arrays["ids"].dtype == np.int64


@pytest.mark.parametrize("format_name", ["safetensors", "h5", "bin"])
def test_each_dtype_in_each_format(folder, format_name):
    """Of 16 bits exactly, of 64 to the nearest; and dtypes say their names."""
    values = np.array([1.0, -2.5, 0.1, 3e-5])
    dtypes = {
        "float64": np.float64,
        "float32": np.float32,
        "float16": np.float16,
        "int8": np.int8,
    }
    if format_name != "h5":
        dtypes["bfloat16"] = ml_dtypes.bfloat16
    stored = {name: values.astype(dtype) for name, dtype in dtypes.items()}
    if format_name == "safetensors":
        save_file(stored, folder / "model.safetensors")
    elif format_name == "h5":
        write_h5(folder / "tf_model.h5", stored)
    else:
        torch = pytest.importorskip("torch")
        state = {
            name: torch.tensor(values).to(getattr(torch, name))
            for name in dtypes
        }
        torch.save({"state_dict": state}, folder / "pytorch_model.bin")
    arrays = open_checkpoint(folder).arrays
    for name, dtype in dtypes.items():
        assert arrays.dtype_of(name) == name
        assert arrays.is_float(name) is (name != "int8")
        assert arrays.shape_of(name) == (4,)
        want = values.astype(dtype)
        if name != "int8":
            want = want.astype(np.float32)
        np.testing.assert_array_equal(arrays[name], want)
        assert arrays[name].dtype == want.dtype


def test_torch_files_with_something_else(folder):
    torch = pytest.importorskip("torch")
    state = {"w": torch.ones(2), "epoch": 3}
    torch.save(state, folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match="has others: epoch"):
        open_checkpoint(folder)


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"


@pytest.mark.parametrize(
    "name",
    ["model.safetensors", "tf_model.h5", "pytorch_model.bin", "config.json"],
)
def test_a_git_lfs_pointer(folder, name):
    (folder / name).write_text(POINTER)
    with pytest.raises(ValueError, match=f"{name}' is a Git LFS pointer"):
        open_checkpoint(folder)


@pytest.mark.parametrize("has_config", [True, False])
def test_an_adapter(folder, has_config):
    save_file({"a": np.zeros(1)}, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": "roberta-base"})
    )
    if not has_config:
        (folder / "config.json").unlink()
    with pytest.raises(ValueError, match="PEFT adapter of 'roberta-base'"):
        open_checkpoint(folder)


def write_sentence(folder, pooling=None, more=(), path="0_Transformer"):
    """Writes what sentence-transformers puts around an encoder's folder."""
    kinds = [(path, "Transformer"), ("1_Pooling", "Pooling"), *more]
    modules = [
        {"path": path, "type": f"sentence_transformers.models.{kind}"}
        for path, kind in kinds
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    pooling = {"pooling_mode_mean_tokens": True} | (pooling or {})
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))


@pytest.mark.parametrize(
    "pooling, more, want",
    [
        ({}, [], ("mean", False, ())),
        ({}, [("2_Normalize", "Normalize")], ("mean", True, ())),
        (
            {
                "pooling_mode_mean_tokens": False,
                "pooling_mode_cls_token": True,
            },
            [],
            ("start", False, ()),
        ),
    ],
)
@pytest.mark.parametrize("path", ["0_Transformer", ""])
def test_sentence_transformers(tmp_path, pooling, more, want, path):
    write_sentence(tmp_path, pooling, more, path)
    inner = tmp_path / path
    inner.mkdir(exist_ok=True)
    (inner / "config.json").write_text('{"model_type": "bert"}')
    save_file({"a": np.zeros(1)}, inner / "model.safetensors")
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.config == {"model_type": "bert"}
    assert checkpoint.source == str(inner / "model.safetensors")
    assert checkpoint.sentence == Sentence(*want)


def test_sentence_transformers_of_other_kinds(folder):
    pooling = {"pooling_mode_max_tokens": True}
    write_sentence(folder, pooling, [("2_Dense", "Dense")], path="")
    save_file({"a": np.zeros(1)}, folder / "model.safetensors")
    (folder / "sentence_bert_config.json").write_text('{"do_lower_case": true}')
    problems = open_checkpoint(folder).sentence.problems
    for part in ("mean_tokens and pooling_mode_max", "Dense'", "lower-cases"):
        assert part in " ".join(problems)
    text = (folder / "modules.json").read_text().replace("2_Dense", "../x")
    (folder / "modules.json").write_text(text)
    with pytest.raises(ValueError, match="must name folders beside it"):
        open_checkpoint(folder)


def test_h5_names_are_paths(folder):
    values = np.arange(6, dtype=np.float16).reshape(2, 3)
    write_h5(folder / "tf_model.h5", {"a/b/kernel:0": values})
    checkpoint = open_checkpoint(folder)
    assert list(checkpoint.arrays) == ["a/b/kernel:0"]
    assert checkpoint.arrays["a/b/kernel:0"].dtype == np.float32
    np.testing.assert_array_equal(checkpoint.arrays["a/b/kernel:0"], values)
    assert checkpoint.source.endswith("tf_model.h5")


def test_h5_links_out_of_the_file_are_not_followed(folder):
    write_h5(folder / "other.h5", {"secret": np.ones(2)})
    write_h5(folder / "tf_model.h5", {"weight": np.ones(2)})
    with h5py.File(folder / "tf_model.h5", "a") as file:
        file["link"] = h5py.ExternalLink("other.h5", "secret")
    assert list(open_checkpoint(folder).arrays) == ["weight"]


def test_torch_files_hold_weights_only(folder):
    torch = pytest.importorskip("torch")
    state = {"w": torch.arange(3).to(torch.bfloat16), "ids": torch.arange(2)}
    torch.save(state, folder / "pytorch_model.bin")
    arrays = open_checkpoint(folder).arrays
    np.testing.assert_array_equal(arrays["w"], np.float32([0, 1, 2]))
    assert arrays["ids"].dtype == np.int64
    torch.save({"w": types.SimpleNamespace()}, folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match="cannot be read as PyTorch weights"):
        open_checkpoint(folder)


def test_torch_files_need_an_extra(folder, monkeypatch):
    (folder / "pytorch_model.bin").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"keras_longformer\[torch\]"):
        open_checkpoint(folder)


def test_safetensors_go_before_h5(folder):
    save_file({"a": np.zeros(1)}, folder / "model.safetensors")
    write_h5(folder / "tf_model.h5", {"b": np.zeros(1)})
    assert list(open_checkpoint(folder).arrays) == ["a"]


def write_shards(folder, weight_map):
    index = {"metadata": {}, "weight_map": weight_map}
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps(index))


def test_shards_are_joined(folder):
    save_file({"a": np.float32([1])}, folder / "one.safetensors")
    save_file({"b": np.float32([2])}, folder / "two.safetensors")
    write_shards(folder, {"a": "one.safetensors", "b": "two.safetensors"})
    arrays = open_checkpoint(folder).arrays
    assert {name: array[0] for name, array in arrays.items()} == {
        "a": 1,
        "b": 2,
    }


def test_h5_shards_are_joined(folder):
    write_h5(folder / "one.h5", {"roberta/a:0": np.ones(1)})
    write_h5(folder / "two.h5", {"lm_head/b:0": np.ones(2)})
    index = {
        "weight_map": {"tf/roberta/a:0": "one.h5", "tf/lm_head/b:0": "two.h5"}
    }
    (folder / "tf_model.h5.index.json").write_text(json.dumps(index))
    assert len(open_checkpoint(folder).arrays) == 2


@pytest.mark.parametrize(
    "weight_map, match",
    [
        ({"a": "one.safetensors", "b": "two.safetensors"}, "two.safetensors"),
        ({"a": "one.safetensors", "b": "one.safetensors"}, "lack: b"),
        ({"a": "../one.safetensors"}, "must name files beside it"),
    ],
)
def test_incomplete_shards(folder, weight_map, match):
    save_file({"a": np.float32([1])}, folder / "one.safetensors")
    write_shards(folder, weight_map)
    with pytest.raises(ValueError, match=match):
        open_checkpoint(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "tf_model.h5"])
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_a_file_cut_short_is_named(folder, golden, name, kept):
    whole = (golden / "longformer-base" / name).read_bytes()
    (folder / name).write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(ValueError, match=f"{name}' cannot be read as"):
        dict(open_checkpoint(folder).arrays)


def test_a_header_that_lies_is_refused(folder):
    header = json.dumps(
        {"a": {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4]}}
    ).encode()
    content = len(header).to_bytes(8, "little") + header + bytes(4)
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read as safetensors"):
        open_checkpoint(folder)


def test_no_weights_lists_the_folder(folder):
    (folder / "flax_model.msgpack").write_bytes(b"")
    match = (
        r"Looked for: model.safetensors, tf_model.h5, pytorch_model.bin.*"
        r"holds: config.json, flax_model.msgpack"
    )
    with pytest.raises(ValueError, match=match):
        open_checkpoint(folder)


def test_no_folder():
    with pytest.raises(ValueError, match="must be a folder or a handle"):
        open_checkpoint("/nowhere/at/all")


@pytest.mark.parametrize(
    "text, match",
    [("{", "not valid JSON"), ("[]", "must hold a JSON object")],
)
def test_broken_config(folder, text, match):
    (folder / "config.json").write_text(text)
    with pytest.raises(ValueError, match=match):
        open_checkpoint(folder)


def test_no_config(tmp_path):
    with pytest.raises(ValueError, match="has no config.json"):
        open_checkpoint(tmp_path)


class FakeHub(types.ModuleType):
    """The part of `huggingface_hub` that is called, on a local folder."""

    class errors:
        class EntryNotFoundError(Exception):
            pass

        class LocalEntryNotFoundError(EntryNotFoundError):
            pass

        class RepositoryNotFoundError(Exception):
            pass

    def __init__(self, folder):
        super().__init__("huggingface_hub")
        self.folder = folder

    def hf_hub_download(self, repo_id, filename):
        if repo_id == "owner/unreachable":
            raise self.errors.LocalEntryNotFoundError("no connection")
        if repo_id != "owner/name":
            raise self.errors.RepositoryNotFoundError(repo_id)
        path = self.folder / filename
        if not path.exists():
            raise self.errors.EntryNotFoundError(filename)
        return str(path)


def test_handles_are_downloaded(golden, monkeypatch):
    hub = FakeHub(golden / "longformer-sharded")
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    monkeypatch.setitem(sys.modules, "huggingface_hub.errors", hub.errors)
    checkpoint = open_checkpoint("hf://owner/name")
    assert checkpoint.config["model_type"] == "longformer"
    assert "embeddings.word_embeddings.weight" in checkpoint.arrays
    with pytest.raises(ValueError, match="hf://owner/other"):
        open_checkpoint("hf://owner/other")
    with pytest.raises(ConnectionError, match="hf://owner/unreachable"):
        open_checkpoint("hf://owner/unreachable")


def test_the_hub_has_what_is_caught():
    errors = pytest.importorskip("huggingface_hub.errors")
    for name in vars(FakeHub.errors):
        if not name.startswith("_"):
            assert issubclass(getattr(errors, name), Exception)


def test_handles_need_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"keras_longformer\[hub\]"):
        open_checkpoint("hf://owner/name")


def test_arrays_are_read_when_asked_for():
    read = []
    arrays = readers.LazyArrays({"a": lambda: read.append("a") or np.ones(1)})
    assert "a" in arrays and len(arrays) == 1 and not read
    assert arrays["a"].dtype == np.float32 and read == ["a"]
