"""Every task in every dtype policy, quantized, with adapters, and its files.

Mostly by direct calls, which need no tracing.
"""

import functools

import keras
import keras_hub
import numpy as np
import pytest

import keras_longformer as klf
from tests.tasks import small
from tests.tasks.table import BY_NAME
from tests.tasks.table import KINDS

# What runs always, of policies with these dtypes; the rest by `-m slow`.
QUICK = {
    "text_classification": ("mixed_bfloat16",),
    "masked_lm": ("mixed_float16", "bfloat16"),
}

BASES = {
    "text_classification": keras_hub.models.TextClassifier,
    "embedding": keras_hub.models.TextEmbedder,
    "masked_lm": keras_hub.models.MaskedLM,
}


def reopened(kind, task, folder, **options):
    """The task from each file that keeps it, by our classes and KerasHub's."""
    if not options:
        task.save(folder / "task.keras")
        yield keras.saving.load_model(folder / "task.keras")
    task.save_to_preset(folder / "preset")
    yield kind.cls.from_preset(folder / "preset", **options)
    if kind.name in BASES:
        yield BASES[kind.name].from_preset(str(folder / "preset"), **options)


def made(kind, **config):
    """A task that takes token ids, and such: tokenizers take time to save."""
    task = kind.make(**config)
    task.preprocessor = None
    return task


@functools.cache
def inputs_of(name):
    kind = BY_NAME[name]
    return kind.inputs(kind.make())


def assert_close(got, want):
    """To the rounding of half precision, which is not the same each time."""
    np.testing.assert_allclose(got, want, rtol=2e-2, atol=1e-3)


def adapt(task, rank=2, **options):
    """Enables adapters that change what the model says."""
    task.backbone.enable_lora(rank, **options)
    generator = np.random.default_rng(0)
    for weight in task.backbone.trainable_weights:
        if "lora_kernel_b" in weight.path:
            weight.assign(generator.normal(0, 0.5, weight.shape))
    return task


@pytest.mark.parametrize(
    "kind, dtype",
    [
        pytest.param(
            kind,
            dtype,
            id=f"{kind}-{dtype}",
            marks=() if dtype in QUICK.get(kind.name, ()) else pytest.mark.slow,
        )
        for kind, dtypes in zip(
            KINDS,
            # All of them where labels, spans or tables are; one elsewhere.
            (
                ("mixed_bfloat16", "bfloat16", "mixed_float16"),
                ("bfloat16",),
                ("mixed_float16",),
                ("mixed_bfloat16",),
                ("bfloat16",),
                ("mixed_bfloat16", "bfloat16", "mixed_float16"),
            ),
        )
        for dtype in dtypes
    ],
)
def test_dtype_policies_are_kept(kind, dtype, tmp_path):
    task = made(kind, dtype=dtype)
    inputs = inputs_of(kind.name)
    want = kind.call(task, inputs)
    for again in reopened(kind, task, tmp_path):
        assert type(again) is kind.cls
        assert again.backbone.dtype_policy.name == dtype
        assert again.dtype_policy.name == dtype
        assert [w.dtype for w in again.weights] == [
            w.dtype for w in task.weights
        ]
        assert_close(kind.call(again, inputs), want)
    for cls in (keras_hub.models.Backbone, klf.LongformerBackbone):
        backbone = cls.from_preset(str(tmp_path / "preset"))
        assert backbone.dtype_policy.name == dtype
    other = "float32" if "b" in dtype else "bfloat16"
    again = kind.cls.from_preset(tmp_path / "preset", dtype=other)
    assert again.backbone.dtype_policy.name == other
    assert again.weights[0].dtype == other


@pytest.mark.parametrize("name", ["masked_lm", "question_answering"])
@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_a_call_is_a_prediction(name, dtype):
    kind = BY_NAME[name]
    task = kind.make(dtype=dtype)
    inputs = inputs_of(kind.name)
    got = task.predict_packed(inputs, verbose=0)
    want = kind.call(task, inputs)
    np.testing.assert_allclose(got, want, atol=1e-2)


def test_mixed_masked_lm_is_exported(tmp_path):
    task = BY_NAME["masked_lm"].make(dtype="mixed_bfloat16")
    klf.export_saved_model(task, str(tmp_path), batch_sizes=(1,))


@pytest.mark.parametrize(
    "kind, mode",
    [
        pytest.param(
            kind,
            mode,
            id=f"{kind}-{mode}",
            marks=() if kind.name in QUICK else pytest.mark.slow,
        )
        for kind in KINDS
        for mode in ("int8", "int4", "float8")
        if mode == "int8" or kind.name == "masked_lm"
    ],
)
def test_quantized_files(kind, mode, tmp_path):
    # Mixed, since Keras' tables of int8 then give another dtype.
    task = made(kind, dtype="mixed_bfloat16")
    inputs = inputs_of(kind.name)
    before = kind.call(task, inputs)
    task.quantize(mode)
    want = kind.call(task, inputs)
    assert (want != before).any()
    for again in reopened(kind, task, tmp_path):
        modes = [layer.quantization_mode for layer in again._flatten_layers()]
        assert mode in modes
        assert again.backbone.dtype_policy.name == "mixed_bfloat16"
        assert_close(kind.call(again, inputs), want)
    if mode == "int8":
        for again in reopened(kind, task, tmp_path, dtype="float32"):
            assert again.backbone.dtype_policy.name == "float32"
            assert np.abs(kind.call(again, inputs) - want).max() < 5e-2


def test_what_quantized_models_refuse(tmp_path):
    kind = BY_NAME["text_classification"]
    task = made(kind)
    calibrated = keras.quantizers.GPTQConfig(dataset=["a"], tokenizer=str)
    with pytest.raises(ValueError, match="must be one of.*'gptq'"):
        task.quantize("gptq", config=calibrated)
    with pytest.raises(ValueError, match="Expected one of .* mode=int3"):
        task.quantize("int3")
    config = keras.quantizers.Int4QuantizationConfig(block_size=8)
    task.quantize(config=config, filters="intermediate|logits")
    inputs = inputs_of(kind.name)
    for again in reopened(kind, task, tmp_path):
        layer = again.backbone.transformer_layers[0].intermediate
        assert layer.quantization_config.block_size == 8
        assert_close(kind.call(again, inputs), kind.call(task, inputs))
    with pytest.raises(ValueError, match="quantized .int4.*`save_hugging_f"):
        klf.save_hugging_face(task, tmp_path / "theirs")
    with pytest.raises(ValueError, match="another `max_sequence_length`"):
        kind.cls.from_preset(tmp_path / "preset", max_sequence_length=128)
    with pytest.raises(ValueError, match="a second time"):
        task.quantize("int8")


def test_quantized_model_is_exported(tmp_path):
    task = BY_NAME["masked_lm"].make()
    task.quantize("int8")
    klf.export_saved_model(task, str(tmp_path), batch_sizes=(1,))


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(
            kind,
            id=kind.name,
            marks=() if kind.name in QUICK else pytest.mark.slow,
        )
        for kind in KINDS
    ],
)
@pytest.mark.filterwarnings("ignore:LongformerEmbedder has no pooler")
def test_adapters_are_merged_into_files(kind, tmp_path):
    task = made(kind)
    inputs = inputs_of(kind.name)
    before = kind.call(task, inputs)
    # In one layer a global `<s>` is read by projections of its own alone.
    names = ["query", "value", "global_query", "global_value"]
    adapt(task, target_layer_names=names)
    want = kind.call(task, inputs)
    assert np.abs(want - before).max() > 1e-4
    task.save_weights(tmp_path / "task.weights.h5")
    by_weights = made(kind)
    by_weights.load_weights(tmp_path / "task.weights.h5")
    klf.save_hugging_face(task, tmp_path / "theirs")
    from_theirs = kind.cls.from_preset(
        tmp_path / "theirs",
        preprocessor=None,
        max_global_tokens=task.backbone.max_global_tokens,
    )
    files = reopened(kind, task, tmp_path)
    for again in (by_weights, from_theirs, *files):
        assert not any("lora" in weight.path for weight in again.weights)
        np.testing.assert_allclose(kind.call(again, inputs), want, atol=1e-5)


def test_adapters_alone(tmp_path):
    """Only they and the head train, after a `predict` too, and are kept."""
    kind = BY_NAME["text_classification"]
    task = kind.make(dropout=0.0)
    kind.make(dropout=0.0).backbone.save_weights(tmp_path / "b.weights.h5")
    task.backbone.load_weights(tmp_path / "b.weights.h5")
    before = kind.predict(task)
    names = ["global_value", "output"]  # One layer: `<s>` alone is read.
    after = kind.predict(adapt(task, target_layer_names=names))
    assert np.abs(after - before).max() > 1e-4
    kept = {id(w): np.array(w) for w in task.backbone.weights}
    task.compile(optimizer=keras.optimizers.SGD(0.5))
    kind.fit(task)
    moved = [
        weight.path
        for weight in task.backbone.weights
        if (np.array(weight) != kept[id(weight)]).any()
    ]
    assert len(moved) == 4 and all("lora" in path for path in moved)
    want = kind.predict(task)
    assert (want != after).any()
    task.backbone.save_lora_weights(tmp_path / "a.lora.h5")
    again = kind.make(dropout=0.0)
    again.backbone.load_weights(tmp_path / "b.weights.h5")
    again.pooled_dense.set_weights(task.pooled_dense.get_weights())
    again.output_dense.set_weights(task.output_dense.get_weights())
    kind.predict(again)
    again.backbone.load_lora_weights(tmp_path / "a.lora.h5")
    np.testing.assert_allclose(kind.predict(again), want, atol=1e-6)


def test_adapters_that_cannot_be(tmp_path):
    backbone = small.make_backbone()
    with pytest.raises(ValueError, match="called 'quarry'.*There are: .*que"):
        backbone.enable_lora(2, ["query", "quarry"])
    assert backbone.trainable_weights
    backbone.enable_lora(2)
    with pytest.raises(ValueError, match="can be enabled once"):
        backbone.enable_lora(2)
    backbone.save_lora_weights(tmp_path / "a.lora.h5")
    other = small.make_backbone()
    other.enable_lora(2, ["key"])
    with pytest.raises(ValueError, match="of other layers than"):
        other.load_lora_weights(tmp_path / "a.lora.h5")


def test_adapters_and_quantized_kernels(tmp_path):
    """Files merge what Keras quantizes again, which rounds."""
    kind = BY_NAME["masked_lm"]
    one, other = made(kind), made(kind)
    inputs = inputs_of(kind.name)
    one.quantize("int8")
    adapt(one)
    adapt(other).quantize("int8")
    for task in (one, other):
        want = kind.call(task, inputs)
        for again in reopened(kind, task, tmp_path):
            got = kind.call(again, inputs)
            assert np.abs(got - want).max() < 0.05 * np.abs(want).max()
