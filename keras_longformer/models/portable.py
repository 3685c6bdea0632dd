"""Keras' `export`, of files that say what the model says."""

import os

import keras
import numpy as np

from keras_longformer import portable
from keras_longformer import weights
from keras_longformer.layers import LongformerAttention
from keras_longformer.models import presets
from keras_longformer.ops.attention import imposed

_REFUSED = {
    "litert": "LiteRT's converter leaves operations of this model (slices that "
    "add axes) to TensorFlow's, which LiteRT's interpreter does not have. "
    'Take `format="onnx"` or `"openvino"`.',
}
_FLOAT32 = "float32"


class PortableModel:
    """Exports to other runtimes; a mixin before a `keras.Model`."""

    @property
    def output_name(self):
        """What a file calls the output of a model that returns one tensor."""
        return "logits" if hasattr(self, "backbone") else "sequence_output"

    def export(
        self,
        filepath,
        format="tf_saved_model",
        verbose=None,
        input_signature=None,
        **kwargs,
    ):
        """Keras' `export`: the model's numbers, without its texts.

        `"onnx"` (`pip install "keras_longformer[onnx]"`) and `"openvino"` give
        one graph for every number of rows and tokens, in float32, adapters
        merged. Before the file gets its name it runs in ONNX Runtime or
        OpenVINO beside the model: for one token, at the lengths where a window
        and a chunk are full, at the longest, with padding, global tokens,
        types and documents. Its metadata say how much differed, what its
        inputs are and where it was compared. A model with a preprocessor gets
        its tokenizer beside it: `reviews.tokenizer.json` beside
        `reviews.onnx`, which the package `tokenizers` reads.

        Token ids outside of the vocabulary, and more tokens than the model
        reads, make ONNX Runtime fail; more global tokens than
        `max_global_tokens` give NaN.

        For raw text in TF Serving see `keras_longformer.export_saved_model`.

        Args:
            filepath: str, which ends in `.onnx`, or `.xml` for OpenVINO.
            format: `"onnx"`, `"openvino"`, or Keras' `"tf_saved_model"`.
            verbose: bool, whether to print where it was written.
            input_signature: for `"tf_saved_model"`; other files take any
                number of rows and tokens.
            **kwargs: as for Keras' `export`, of `"tf_saved_model"`.

        Raises:
            ImportError: a package is missing.
            RuntimeError: the file computes something else than the model.
            ValueError: a quantized model, a format that cannot be, a path
                that ends otherwise.

        Example:
        ```python
        import onnxruntime

        classifier.export("reviews.onnx", format="onnx")
        session = onnxruntime.InferenceSession("reviews.onnx")
        ```
        """
        if format in _REFUSED:
            raise ValueError(f"'{self.name}': {_REFUSED[format]}")
        if format not in portable.FORMATS:
            with imposed("chunked"):  # What runs in any process.
                return super().export(
                    filepath,
                    format,
                    verbose=verbose,
                    input_signature=input_signature,
                    **kwargs,
                )
        path = os.fspath(filepath)
        self._check_portable(path, format, input_signature, kwargs)
        plain = self._in_float32()
        subject = portable.Subject(
            model=self,
            plain=plain,
            output_name=self.output_name,
            examples=self._examples(),
            facts=self._facts(),
            tokenizer=self._tokenizer_json(),
        )
        path = portable.export_file(subject, path, format)
        if verbose:
            keras.utils.io_utils.print_msg(f"Saved artifact at '{path}'.")
        return path

    def example_inputs(self, batch, length, generator):
        """Returns arrays to call the model with, for comparisons.

        A task with inputs of its own adds them.

        Args:
            batch, length: ints, rows and tokens.
            generator: a `numpy.random.Generator`.

        Returns:
            Dict of arrays, the inputs of an exported file: any tokens, with
            padding, with global ones, as many as a row may have and fewer.
            Where it may have none, there is no `global_mask`.
        """
        backbone = getattr(self, "backbone", self)
        shape = (batch, length)
        # Without the padding's id, positions are up to the longest.
        pad = getattr(backbone, "pad_token_id", 0)
        ids = generator.integers(0, backbone.vocabulary_size, shape)
        ids = np.where(ids == pad, (pad + 1) % backbone.vocabulary_size, ids)
        inputs = {
            "token_ids": ids,
            "padding_mask": np.ones(shape, bool),
            "global_mask": np.zeros(shape, bool),
            "token_type_ids": generator.integers(
                0, getattr(backbone, "num_token_types", 1), shape
            ),
            "segment_ids": np.sort(generator.integers(0, 3, shape), axis=1),
        }
        most = getattr(backbone, "max_global_tokens", 0)
        for row in range(batch):
            if row:  # The first row is full.
                real = generator.integers(1, length + 1)
                inputs["padding_mask"][row, real:] = False
                inputs["padding_mask"][row] &= generator.random(length) > 0.05
            some = min(length, 5 if most is None else most)
            some = max(some - row, 0)
            marked = generator.permutation(length)[:some]
            inputs["global_mask"][row, marked] = True
        if most == 0:
            del inputs["global_mask"]
        return {
            name: inputs[name].astype(tensor.dtype)
            for name, tensor in backbone.input.items()
            if name in inputs
        }

    def _check_portable(self, path, format, input_signature, kwargs):
        ending = portable.FORMATS[format]
        if not path.endswith(ending):
            raise ValueError(
                f'`filepath` must end in "{ending}" for format="{format}". '
                f"Received: filepath={path!r}"
            )
        if input_signature is not None or kwargs:
            given = [*kwargs]
            if input_signature is not None:
                given.append("input_signature")
            raise ValueError(
                f'format="{format}" makes one graph for every number of rows '
                f"and tokens, without {', '.join(given)}. Leave it out; the "
                "runtime's own tools fix shapes where they must be."
            )
        weights.check_not_quantized(
            self,
            f'`export(format="{format}")`, which writes float32. The '
            "runtime's own tools quantize such a file",
        )
        backbone = getattr(self, "backbone", self)
        most = getattr(backbone, "max_global_tokens", 0)
        if format == "openvino" and most is None:
            raise ValueError(
                f"'{self.name}' takes any number of global tokens "
                "(max_global_tokens=None), and OpenVINO computes something "
                "else where their number is read from the mask. Build it with "
                "a number, `from_preset(..., max_global_tokens=1)`, or take "
                '`format="onnx"`.'
            )

    def _in_float32(self):
        """Itself, or a copy in float32 with adapters merged."""
        layers = self._flatten_layers(include_self=False)
        is_plain = all(
            layer.compute_dtype == layer.variable_dtype == _FLOAT32
            and not getattr(layer, "lora_enabled", False)
            for layer in layers
            if layer.weights and not isinstance(layer, keras.Model)
        )
        return self if is_plain else presets.merged_in_float32(self)

    def _examples(self):
        backbone = getattr(self, "backbone", self)
        longest = getattr(backbone, "max_sequence_length", None)
        lengths = portable.lengths_of(self._windows(), longest)
        return portable.examples_of(lengths, self.example_inputs)

    def _windows(self):
        """`(window_size, dilation, causal)` of all layers and heads."""
        found = set()
        for layer in self._flatten_layers(include_self=False):
            if isinstance(layer, LongformerAttention):
                steps = layer.dilation
                steps = [steps] if isinstance(steps, int) else steps
                found |= {(layer.window_size, d, layer.causal) for d in steps}
        return found

    def _facts(self):
        """What a file says of the model."""
        backbone = getattr(self, "backbone", self)
        facts = {
            "model": type(self).__name__,
            "name": self.name,
            "dtype_policy": backbone.dtype_policy.name,
            "config": {
                name: value
                for name, value in backbone.get_config().items()
                if isinstance(value, str | int | float | list | None)
            },
        }
        for name in ("max_sequence_length", "max_global_tokens"):
            if hasattr(backbone, name):
                facts[name] = getattr(backbone, name)
        class_names = getattr(self, "class_names", None)
        if class_names is not None:
            facts["class_names"] = list(class_names)
        tokenizer = getattr(
            getattr(self, "preprocessor", None), "tokenizer", None
        )
        if tokenizer is not None:
            facts["token_ids"] = _special_ids(tokenizer)
        if hasattr(tokenizer, "byte_ids"):  # No `tokenizer.json` can say it.
            facts["byte_ids"] = [int(i) for i in tokenizer.byte_ids]
        return facts

    def _tokenizer_json(self):
        preprocessor = getattr(self, "preprocessor", None)
        tokenizer = getattr(preprocessor, "tokenizer", None)
        if not hasattr(tokenizer, "tokenizer_json"):
            return None
        longest = getattr(self.backbone, "max_sequence_length", None)
        length = getattr(preprocessor, "sequence_length", None) or longest
        return tokenizer.tokenizer_json(length)


def _special_ids(tokenizer):
    """The ids that rows are made with, those that there are."""
    names = ("start", "end", "pad", "mask", "unk")
    found = {n: getattr(tokenizer, f"{n}_token_id", None) for n in names}
    found = {n: int(i) for n, i in found.items() if i is not None}
    if "pad" not in found and hasattr(tokenizer, "row_template"):
        found["pad"] = int(tokenizer.row_template.pad)
    return found
