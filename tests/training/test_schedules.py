"""Learning rates against their formula."""

import keras
import numpy as np
import pytest

from keras_longformer.training.schedules import WarmupPolynomialDecay


@pytest.mark.parametrize("power", [1.0, 3.0])
def test_rises_in_a_line_and_falls_as_a_power(power):
    rate = WarmupPolynomialDecay(
        3e-5, total_steps=31, warmup_steps=7, power=power
    )
    got = [float(rate(step)) for step in range(33)]
    rise = [3e-5 * (step + 1) / 7 for step in range(7)]
    fall = [3e-5 * ((31 - step) / 24) ** power for step in range(7, 31)]
    np.testing.assert_allclose(got, [*rise, *fall, 0, 0], rtol=1e-5, atol=1e-12)


def test_no_warmup_starts_at_the_peak():
    rate = WarmupPolynomialDecay(1.0, total_steps=5, warmup_steps=0)
    assert float(rate(0)) == 1.0


def test_an_optimizer_takes_and_saves_it():
    optimizer = keras.optimizers.AdamW(
        WarmupPolynomialDecay(0.5, total_steps=11, warmup_steps=2)
    )
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert again._learning_rate.get_config() == {
        "peak": 0.5,
        "total_steps": 11,
        "warmup_steps": 2,
        "power": 3.0,
        "accumulation_steps": 1,
    }


def test_refuses_a_warmup_that_never_ends():
    with pytest.raises(ValueError, match="total_steps=5"):
        WarmupPolynomialDecay(1.0, total_steps=5, warmup_steps=5)


def test_counts_updates_where_gradients_are_accumulated():
    options = {"total_steps": 11, "warmup_steps": 4}
    each = WarmupPolynomialDecay(1.0, **options)
    third = WarmupPolynomialDecay(1.0, **options, accumulation_steps=3)
    assert [float(third(i)) for i in range(33)] == [
        float(each(i // 3)) for i in range(33)
    ]
