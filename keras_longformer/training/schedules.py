"""The paper's learning rates."""

import keras


@keras.saving.register_keras_serializable(package="keras_longformer")
class WarmupPolynomialDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Rises in a line to the peak, then falls as a power to nothing.

    At update `s`, counted from 0, of `total_steps`:

        peak * (s + 1) / warmup_steps                              s < warmup
        peak * ((total - s) / (total - warmup)) ** power           then

    so that no update is wasted on a rate of 0. Behind `total_steps` the rate
    stays 0.

    Args:
        peak: float, the highest rate. The paper's is 3e-5, for both masked
            language modelling and fine-tuning.
        total_steps: int, updates in all.
        warmup_steps: int, updates that the rise takes. The paper's: 500 for
            masked language modelling, a tenth of all for fine-tuning.
        power: float, 3 in the paper's masked language modelling; 1 is a line.
        accumulation_steps: int, the optimizer's `gradient_accumulation_steps`.
            Keras 3.15 counts its batches, not its updates, in what it asks a
            schedule for.

    Example:
    ```python
    keras.optimizers.AdamW(
        WarmupPolynomialDecay(3e-5, total_steps=65_000, warmup_steps=500))
    ```

    Reference: [Beltagy et al., 2020](https://arxiv.org/abs/2004.05150), 5
    and appendix.
    """

    def __init__(
        self,
        peak: float,
        total_steps: int,
        warmup_steps: int = 500,
        power: float = 3.0,
        accumulation_steps: int = 1,
    ):
        super().__init__()
        if not 0 <= warmup_steps < total_steps:
            raise ValueError(
                "`warmup_steps` must leave updates to fall in. Received: "
                f"warmup_steps={warmup_steps}, total_steps={total_steps}."
            )
        self.peak = peak
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.power = power
        self.accumulation_steps = accumulation_steps

    def __call__(self, step):
        """Returns the rate at `step`, an int scalar, as a float32 scalar."""
        step = keras.ops.cast(step // self.accumulation_steps, "float32")
        rise = (step + 1.0) / max(self.warmup_steps, 1)
        left = (self.total_steps - step) / (
            self.total_steps - self.warmup_steps
        )
        fall = keras.ops.clip(left, 0.0, 1.0) ** self.power
        return self.peak * keras.ops.minimum(rise, fall)

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        return {
            "peak": self.peak,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
            "power": self.power,
            "accumulation_steps": self.accumulation_steps,
        }


@keras.saving.register_keras_serializable(package="keras_longformer")
class WarmupConstant(keras.optimizers.schedules.LearningRateSchedule):
    """Rises in a line to the rate, then stays.

    At update `s`, counted from 0 at `first_step`: `rate * (s + 1) /
    warmup_steps` up to `rate`.

    Args:
        rate: float.
        warmup_steps: int, updates that the rise takes, 0 for none.
        first_step: int, the optimizer's updates before the rise begins.
        accumulation_steps: int, as for `WarmupPolynomialDecay`.

    Reference: [Beltagy et al., 2020](https://arxiv.org/abs/2004.05150), B.
    """

    def __init__(
        self,
        rate: float,
        warmup_steps: int,
        first_step: int = 0,
        accumulation_steps: int = 1,
    ):
        super().__init__()
        self.rate = rate
        self.warmup_steps = warmup_steps
        self.first_step = first_step
        self.accumulation_steps = accumulation_steps

    def __call__(self, step):
        """Returns the rate at `step`, an int scalar, as a float32 scalar."""
        step = step // self.accumulation_steps - self.first_step
        rise = (keras.ops.cast(step, "float32") + 1.0) / max(
            self.warmup_steps, 1
        )
        return self.rate * keras.ops.minimum(rise, 1.0)

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        return {
            "rate": self.rate,
            "warmup_steps": self.warmup_steps,
            "first_step": self.first_step,
            "accumulation_steps": self.accumulation_steps,
        }
