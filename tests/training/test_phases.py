"""What is carried from phase to phase, and the stream that they read."""

import gzip
import io
import zipfile

import keras
import numpy as np
import pytest

import keras_longformer as klf
from keras_longformer.training.phases import Phase
from keras_longformer.training.phases import carry
from keras_longformer.training.schedules import WarmupConstant
from keras_longformer.training.stream import StreamBatches
from keras_longformer.training.stream import read_stream


def make(accumulation=None, units=8):
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(units),
        ]
    )
    model.compile(
        keras.optimizers.Adam(gradient_accumulation_steps=accumulation), "mse"
    )
    model.optimizer.build(model.trainable_variables)
    return model


def test_all_is_carried_but_sums_of_gradients():
    keras.utils.set_random_seed(3)
    model, other = make(), make(accumulation=4)
    for _ in range(3):
        model.train_on_batch(np.ones((2, 3)), np.zeros((2, 8)))
    carry(model, other, updates=3)
    assert int(other.optimizer.iterations) == 3
    assert int(other.optimizer._iterations) == 12
    for one, another in zip(model.variables, other.variables, strict=True):
        np.testing.assert_array_equal(one, another)
    ours, theirs = model.optimizer, other.optimizer
    for one, another in zip(ours._momentums, theirs._momentums, strict=True):
        np.testing.assert_array_equal(one, another)
        assert np.any(one.numpy() != 0)
    with pytest.raises(ValueError, match="the same weights"):
        carry(model, make(units=9), updates=3)


def test_rate():
    rate = WarmupConstant(8.0, warmup_steps=4, first_step=10)
    assert [float(rate(s)) for s in (10, 11, 13, 14, 90)] == [2, 4, 8, 8, 8]
    assert float(WarmupConstant(3.0, 0)(0)) == 3
    rate = WarmupConstant(8.0, 4, first_step=10, accumulation_steps=3)
    assert [float(rate(s)) for s in (30, 32, 33, 99)] == [2, 2, 4, 8]
    again = WarmupConstant.from_config(rate.get_config())
    assert float(again(33)) == 4


def test_phases_that_cannot_be():
    with pytest.raises(ValueError, match="rate=0.*warmup_steps=9"):
        Phase(4, 2, rate=0, batch_size=1, steps=5, warmup_steps=9)


def test_stream():
    batches = StreamBatches(np.arange(100), length=7, batch_size=3, seed=2)
    seen = []
    for step in range(batches.steps_per_epoch):
        inputs, targets = batches.batch(step)
        np.testing.assert_array_equal(targets, inputs + 1)
        assert inputs.shape == (3, 7)
        seen += inputs.ravel().tolist()
    assert len(set(seen)) == len(seen)
    data = batches.dataset(step=2)
    x, y = next(iter(data))
    np.testing.assert_array_equal(x["token_ids"], batches.batch(2)[0])
    np.testing.assert_array_equal(y, batches.batch(2)[1])
    other = StreamBatches(np.arange(100), length=7, batch_size=3, seed=3)
    assert np.any(other.batch(0)[0] != batches.batch(0)[0])
    with pytest.raises(ValueError, match="needs 301 tokens"):
        StreamBatches(np.arange(100), length=100, batch_size=3)


def test_workers_share_batches():
    def make(**worker):
        return StreamBatches(np.arange(100), 5, batch_size=4, seed=1, **worker)

    shares = [make(worker=i, workers=2).batch(3)[0] for i in (0, 1)]
    np.testing.assert_array_equal(np.concatenate(shares), make().batch(3)[0])
    with pytest.raises(ValueError, match="3 workers"):
        make(worker=0, workers=3)


def test_reads_bytes(tmp_path):
    """Also of archives, as enwik8 is one; other texts follow behind `<end>`."""
    text = bytes(range(256)) * 3
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("text", text)
    paths = []
    for name, data in (
        ("text", text),
        ("text.gz", gzip.compress(text)),
        ("text.zip", buffer.getvalue()),
    ):
        (tmp_path / name).write_bytes(data)
        paths.append(str(tmp_path / name))
    tokenizer = klf.LongformerByteTokenizer()
    told = tokenizer.byte_ids, tokenizer.end_token_id
    for path in paths:
        np.testing.assert_array_equal(
            read_stream([path], *told), np.frombuffer(text, np.uint8)
        )
    assert isinstance(read_stream(paths[:1], *told), np.memmap)
    both = read_stream(paths[:2], *told)
    assert len(both) == 2 * len(text) + 1 and both[len(text)] == 257


def test_bytes_that_cannot_be_read(tmp_path):
    tokenizer = klf.LongformerByteTokenizer("text8")
    told = tokenizer.byte_ids, tokenizer.end_token_id
    (tmp_path / "text").write_bytes(b"ab c!d")
    with pytest.raises(ValueError, match="byte 4 is b'!'"):
        read_stream([str(tmp_path / "text")], *told)
    (tmp_path / "text.zip").write_bytes(b"PK no archive")
    with pytest.raises(ValueError, match="text.zip' cannot be unpacked"):
        read_stream([str(tmp_path / "text.zip")], *told)
