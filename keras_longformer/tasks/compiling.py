"""A task that was compiled is so again when it is opened."""

import keras


class CompiledAgain:
    """Keeps what `compile` was given in a `.keras` file.

    A mixin before a `keras.Model` with a `compile` of its own.
    """

    def get_compile_config(self):
        """What `compile_from_config` takes, for `save`."""
        config = super().get_compile_config()
        if config and isinstance(config.get("optimizer"), dict):
            # Where Keras, which clones models by this too, does not look.
            built = self.optimizer.built
            optimizer = {**config["optimizer"], "built": built}
            config = {**config, "optimizer": optimizer}
        return config

    def compile_from_config(self, config):
        """Compiles as before saving, so that training can go on.

        Keras leaves this out where `compile` is a class's own.
        """
        config = dict(config)
        built = config.pop("optimizer_built", False)  # As it was written once.
        if isinstance(config.get("optimizer"), dict):
            built = built or config["optimizer"].get("built", False)
        self.compile(**keras.saving.deserialize_keras_object(config))
        if built:
            self.optimizer.build(self.trainable_variables)
