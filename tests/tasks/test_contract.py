"""What holds for every task: one table, one contract."""

import keras
import numpy as np
import pytest

import keras_longformer as klf
from tests.tasks.table import BY_NAME
from tests.tasks.table import KINDS

each = pytest.mark.parametrize("kind", KINDS, ids=str)
# Two tasks always, the others by `-m slow`: what is tested is in their base.
some = pytest.mark.parametrize(
    "kind",
    [
        pytest.param(
            kind,
            id=kind.name,
            marks=()
            if kind.name in ("text_classification", "masked_lm")
            else pytest.mark.slow,
        )
        for kind in KINDS
    ],
)


@each
def test_one_folder_each(kind):
    """Model, preprocessor and served answer stand side by side."""
    home = f"keras_longformer.tasks.{kind.name}"
    assert kind.cls.__module__ == f"{home}.model"
    assert kind.cls.preprocessor_cls.__module__ == f"{home}.preprocessor"
    assert kind.cls.served_cls.__module__ == f"{home}.served"


@each
@pytest.mark.parametrize("file", ["task.keras", "task.weights.h5", "preset"])
def test_saved_and_loaded(kind, file, tmp_path):
    task = kind.make()
    want = kind.predict(task)
    path = str(tmp_path / file)
    if file == "task.keras":
        task.save(path)
        again = keras.saving.load_model(path)
    elif file == "preset":
        task.save_to_preset(path)
        again = kind.cls.from_preset(path)
    else:
        task.save_weights(path)
        again = kind.make()
        again.load_weights(path)
    assert type(again) is kind.cls
    assert again.get_config().keys() == task.get_config().keys()
    for mine, other in zip(task.weights, again.weights, strict=True):
        np.testing.assert_array_equal(mine, other, err_msg=mine.path)
    # Sums differ in their last bit by where in memory their terms lie.
    np.testing.assert_allclose(kind.predict(again), want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "kind, jit_compile, dtype",
    [
        pytest.param(
            kind,
            jit,
            dtype,
            id=f"{kind}-{jit}-{dtype}",
            marks=()
            if (jit, dtype) == (False, "float32")
            or kind.name in ("text_classification", "question_answering")
            else pytest.mark.slow,
        )
        for kind in KINDS
        for jit, dtype in (
            (False, "float32"),
            (True, "float32"),
            (False, "mixed_bfloat16"),
        )
        if kind.fits_xla or not jit
    ],
)
def test_fits(kind, jit_compile, dtype):
    task = kind.make(dtype=dtype, dropout=0.0)
    task.compile(
        optimizer=keras.optimizers.AdamW(1e-2), jit_compile=jit_compile
    )
    loss = kind.fit(task, epochs=4).history["loss"]
    assert np.isfinite(loss).all()
    assert min(loss[1:]) < loss[0]


@some
def test_goes_on_from_a_file(kind, tmp_path):
    """`.keras` keeps the optimizer's state and what it was compiled with."""
    task = kind.make(dropout=0.0)
    kind.fit(task)
    task.save(tmp_path / "task.keras")
    again = keras.saving.load_model(tmp_path / "task.keras")
    assert again.optimizer.name == task.optimizer.name
    assert len(again.optimizer.variables) == len(task.optimizer.variables)
    for one, other in zip(
        task.optimizer.variables, again.optimizer.variables, strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert type(again.loss) is type(task.loss)


@each
def test_misspelt_arguments_are_refused(kind, tmp_path):
    task = kind.make()
    task.save_to_preset(tmp_path)
    with pytest.raises(TypeError, match="'max_length'.* preprocessor, "):
        kind.cls.from_preset(tmp_path, max_length=9)


@pytest.mark.parametrize("name", ["text_classification", "embedding"])
def test_preprocessor_options_reach_it(name, tmp_path):
    """`from_preset` takes the preprocessor's arguments too."""
    kind = BY_NAME[name]
    kind.make().save_to_preset(tmp_path)
    again = kind.cls.from_preset(tmp_path, over_long="head_tail")
    assert again.preprocessor.over_long == "head_tail"
    assert again.preprocessor.sequence_length == 64


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind.y is not None], ids=str
)
def test_fit_without_labels(kind):
    with pytest.raises(ValueError, match="`fit` needs .*y=None"):
        kind.make().fit(kind.x)


@some
@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize`")
def test_quantized(kind):
    task = kind.make()
    want = kind.predict(task)
    task.quantize("int8")
    got = kind.predict(task)
    real = want > -1e8  # Not what cannot be chosen.
    largest = np.abs(want[real]).max()
    difference = np.abs(got - want)[real].max()
    assert 0 < difference < 0.1 * largest + 0.01


@some
def test_lora(kind):
    task = kind.make(dropout=0.0)
    want = kind.predict(task)
    task.backbone.enable_lora(2)
    np.testing.assert_allclose(kind.predict(task), want, atol=1e-5)
    frozen = task.backbone.token_embedding.embeddings
    before = np.array(frozen)
    task.compile(optimizer=keras.optimizers.SGD(0.5))
    kind.fit(task)
    np.testing.assert_array_equal(frozen, before)
    names = [weight.path for weight in task.trainable_weights]
    assert any("lora" in name for name in names)


@each
@pytest.mark.filterwarnings("ignore:LongformerEmbedder has no pooler")
def test_hugging_face_and_back(kind, tmp_path):
    task = kind.make()
    if kind.cls.hugging_face_class is None:
        with pytest.raises(ValueError, match="save_to_preset"):
            klf.save_hugging_face(task, tmp_path)
        return
    klf.save_hugging_face(task, tmp_path)
    again = kind.cls.from_preset(
        tmp_path, max_global_tokens=task.backbone.max_global_tokens
    )
    again.preprocessor = task.preprocessor
    np.testing.assert_allclose(
        kind.predict(again), kind.predict(task), atol=1e-6
    )
