"""Compiled functions that follow what a model's layers have become."""


class FreshFunctions:
    """Traces a model's functions anew once its layers compute otherwise.

    `enable_lora` and `quantize` of a backbone, or of a layer, do not know of
    the task around it, whose traced functions would go on with the kernels of
    before. A mixin before a `keras.Model`.
    """

    def make_train_function(self, force=False):
        return super().make_train_function(force or self._is_stale("train"))

    def make_test_function(self, force=False):
        return super().make_test_function(force or self._is_stale("test"))

    def make_predict_function(self, force=False):
        return super().make_predict_function(force or self._is_stale("predict"))

    def _is_stale(self, name):
        """Says whether layers have changed since the last call of `name`."""
        now = tuple(
            (
                getattr(layer, "lora_enabled", False),
                getattr(layer, "quantization_mode", None),
            )
            for layer in self._flatten_layers()
        )
        attribute = f"_{name}_function_of"
        before = getattr(self, attribute, now)
        setattr(self, attribute, now)
        return now != before
