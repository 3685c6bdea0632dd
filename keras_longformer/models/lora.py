"""LoRA: adapters beside frozen kernels, and nothing else that trains.

Reference: [Hu et al., 2021](https://arxiv.org/abs/2106.09685).
"""

import h5py


class LoraBackbone:
    """Adapters of a backbone; a mixin before KerasHub's `Backbone`."""

    def enable_lora(self, rank, target_layer_names=None):
        """Freezes the backbone, with adapters beside some of its kernels.

        Call it on a task's `backbone`: of the task, adapters and head then
        train. `save`, `save_weights`, `save_to_preset` and `save_hugging_face`
        merge the adapters into the kernels; `save_lora_weights` keeps them
        alone.

        Args:
            rank: int, of the adapters.
            target_layer_names: list of str, the names of the layers that get
                adapters, by default `["query", "value"]`. Global tokens have
                projections of their own: `"global_query"`, `"global_value"`.

        Raises:
            ValueError: adapters that are there already, a layer of no such
                name, or one that cannot have any.

        Example:
        ```python
        classifier.backbone.enable_lora(8)
        classifier.compile()
        classifier.fit(train_texts, train_labels)
        classifier.backbone.save_lora_weights("reviews.lora.h5")
        ```
        """
        if self._with_lora():
            raise ValueError(
                f"'{self.name}' has LoRA adapters (rank {self._lora_rank}). "
                "They can be enabled once: train these, or save the model, "
                "which merges them, and open it again."
            )
        names = target_layer_names or self.default_lora_layer_names()
        able = {
            layer.name
            for layer in self._flatten_layers(include_self=False)
            if layer.weights and hasattr(layer, "enable_lora")
        }
        unknown = [name for name in names if name not in able]
        if target_layer_names and unknown:
            raise ValueError(
                f"No layer of '{self.name}' that LoRA can adapt is called "
                f"{', '.join(map(repr, unknown))}. Received: "
                f"target_layer_names={target_layer_names}. There are: "
                f"{', '.join(sorted(able))}."
            )
        super().enable_lora(rank, target_layer_names)
        for layer in self._with_lora():
            # KerasHub trains it, and `save_lora_weights` would leave it out.
            if getattr(layer, "bias", None) is not None:
                layer.bias.trainable = False

    def load_lora_weights(self, filepath):
        """Loads what `save_lora_weights` saved.

        Where there are no adapters yet, they are enabled beside the layers
        that the file has them for.

        Args:
            filepath: str, that ends in `.lora.h5`.

        Raises:
            ValueError: adapters of another rank or of other layers.
        """
        with h5py.File(filepath) as file:
            saved = {int(name) for name in file["lora"] if name.isdigit()}
            rank = int(file["lora/vars/rank"][()])
        layers = self._flatten_layers(include_self=False)
        layers = [layer for layer in layers if layer.weights]
        if not self._with_lora() and all(i < len(layers) for i in saved):
            self.enable_lora(rank, sorted({layers[i].name for i in saved}))
        if saved != set(getattr(self, "_lora_enabled_layers", [])):
            raise ValueError(
                f"'{filepath}' has LoRA adapters of other layers than "
                f"'{self.name}': it was saved from a backbone of another size, "
                "or with other `target_layer_names`."
            )
        super().load_lora_weights(filepath)

    def _with_lora(self):
        return [
            layer
            for layer in self._flatten_layers(include_self=False)
            if getattr(layer, "lora_enabled", False)
        ]
