"""Writes a model as a SavedModel that TF Serving answers raw text with."""

import os
import warnings
from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_longformer.serving import manifest
from keras_longformer.serving import probe
from keras_longformer.serving import tracing
from keras_longformer.serving import warmup
from keras_longformer.serving.checks import check_model
from keras_longformer.serving.prompts import export_prompts
from keras_longformer.serving.prompts import reads_prompts
from keras_longformer.serving.publish import publish
from keras_longformer.serving.signatures import BAD_TEXTS
from keras_longformer.serving.signatures import NATIVE
from keras_longformer.serving.signatures import ServedModel
from keras_longformer.serving.signatures import input_specs
from keras_longformer.text.coercion import check_one_of
from keras_longformer.text.packing import length_buckets
from keras_longformer.text.windows import OVER_LONG
from keras_longformer.unfinished import place


def export_saved_model(
    model: keras.Model,
    path: str,
    *,
    preprocessor: keras.layers.Layer | None = None,
    buckets: Sequence[int] | None = None,
    over_long: str | None = None,
    bad_texts: str = "fail",
    class_names: Sequence[str] | None = None,
    batch_sizes: Sequence[int] = (1, 2, 4, 8),
    xla: bool = False,
    native: bool = False,
    served_from: str | None = None,
    max_new_tokens: int | None = None,
) -> str:
    """Exports a model with its tokenizer, for TF Serving.

    Writes the next version, `path/1`, `path/2`, ..., under a temporary name
    and renames it when it is whole, so that a server that polls `path` never
    sees half of one. The graph holds stock TensorFlow operations only, and the
    weights once, without the optimizer's. Its signatures are

    - `serving_default`: `text`, string `(b,)`, of any length;
    - `tokens`: `token_ids`, int32 `(b, n)`, `<s> ... </s>`; padding after a
      row's last `</s>` is recognised whatever its id;
    - `embed`: `text`, to `mean_embedding` (over all tokens of the text) and
      `start_embedding` (of `<s>`), float32 `(b, m)`, of length 1.

    What the first two return is the task's own, and stands in the docstring of
    its `served_cls` and in the manifest: classes and probabilities of texts or
    words, answers with their characters, tokens for each `<mask>`, the best
    choice, an embedding. A task of several texts has one input for each:
    `text` and `text_pair`, `question` and `context`, ... For a
    `LongformerBackbone` `serving_default` is `embed`, and `embed_tokens` takes
    `token_ids`.

    What is served is what was fitted: texts are read by the preprocessor's
    `rows` and `model_inputs`, a subclass's too, and the SavedModel's answers
    are compared with the model's own `predict` of raw texts: short, empty,
    longer than the model, with special tokens, not UTF-8.

    Rows of one batch run at about their own lengths: each is padded to the
    least of `buckets` that holds it, and rows of one bucket run together.

    Args:
        model: a `LongformerBackbone`, or a task: any subclass of
            `LongformerTask` with a `served_cls`.
        path: str, the model's folder; made if it is not there.
        preprocessor: what turns texts into token ids, instead of the model's;
            a backbone has none of its own.
        buckets: ints in ascending order, the lengths that rows are padded to.
            The last one is the most tokens of a row. By default 256, 512, ...
            up to the preprocessor's `sequence_length`.
        over_long: what is read of a text with more tokens; by default what the
            preprocessor's `fit` and `predict` read. `"truncate"`: its
            beginning; `"head_tail"`: a quarter of the room from its beginning
            and the rest from its end; `"windows"`: all of it, in windows that
            overlap, whose results are averaged, or the best of which is
            taken for answers to questions.
        bad_texts: what a text with more than the tokenizer's `max_text_bytes`
            does, or one with too many masks, or a row of token ids that cannot
            be. `"fail"`: its request fails as an invalid argument, and on a
            server that batches so do the requests that were batched with it.
            `"report"`: its row of the outputs is zeros, the output `error`,
            string `(b,)`, says why, and other rows have "" there.
        class_names: list of str, the names of a classifier's classes.
        batch_sizes: ints in ascending order, the sizes that a server shall
            batch requests to (`batching_params.pbtxt`), each of which is
            warmed up at each bucket and signature. A large model is warm
            sooner with fewer.
        xla: bool, whether to add `tokens_xla` (`embed_tokens_xla`), compiled
            by XLA. A server refuses it, and because of its warm-up requests
            the whole version, unless it runs with
            `--xla_cpu_compilation_enabled` or `--xla_gpu_compilation_enabled`.
        native: bool, whether to add `serving_native`, with the inputs of
            `serving_default`, and `tokens_native` (`embed_tokens_native`),
            whose attention is the compiled kernel. They need a GPU of compute
            capability 8.0 or more, TensorFlow 2.20 or 2.21, and a server that
            runs with `--xla_gpu_compilation_enabled`; elsewhere a request to
            them fails, and all other signatures work. There are no warm-up
            requests for them, so that the version loads anywhere: their first
            request at each bucket and batch size waits for XLA. Such a
            SavedModel was never run on a GPU.
        served_from: str, this model's folder as the server will see it, such
            as `/models/reviews`; writes `models.config` and
            `monitoring.config` into `path`.
        max_new_tokens: int, of models that write alone: how many tokens at
            most. `LongformerCharLM` goes on with prompts for 256 by default,
            `LongformerSeq2SeqLM` writes about documents as many as its
            preprocessor says. Their `serving_default` takes `text` and answers
            as the sampler chooses: see `served_cls`, whose `options` are those
            of the others here that are for it. Warm-up requests, where there
            are buckets, are of one text each.

    Returns:
        str, the version's folder. Beside the SavedModel, its `manifest.json`
        says what is in it: configuration, versions, signatures, the rules for
        texts, and the largest difference between what this model's `predict`
        says of texts and what the SavedModel, loaded again, answers.

    Raises:
        TypeError: another kind of model or preprocessor.
        ValueError: a model without preprocessor, one whose `fit` or `predict`
            reads texts in a way that a graph cannot follow, or options that
            cannot be.
        RuntimeError: the SavedModel's answers differ from `predict`'s.

    Example:
    ```python
    keras_longformer.export_saved_model(classifier, "saved_models/reviews")
    served = tf.saved_model.load("saved_models/reviews/1")
    served.signatures["serving_default"](text=tf.constant(["Long texts ..."]))
    ```
    """
    if reads_prompts(model):
        options = {
            "preprocessor": preprocessor,
            "buckets": buckets,
            "over_long": over_long,
            "class_names": class_names,
            "xla": xla or None,
            "native": native or None,
            "bad_texts": None if bad_texts == "fail" else bad_texts,
        }
        return export_prompts(
            model, path, max_new_tokens, served_from, batch_sizes, options
        )
    if max_new_tokens is not None:
        raise ValueError(
            "`max_new_tokens` is for language models, which go on with a "
            f"text. Received: a {type(model).__name__}."
        )
    if preprocessor is None:
        preprocessor = getattr(model, "preprocessor", None)
    check_model(model, preprocessor)
    if over_long is None:
        over_long = preprocessor.over_long
    check_one_of("over_long", over_long, OVER_LONG)
    check_one_of("bad_texts", bad_texts, BAD_TEXTS)
    buckets = _buckets(model, preprocessor, buckets)
    if xla:
        _check_xla(model)
    native_platforms = tracing.check_native(model) if native else []
    sizes = warmup.check_batch_sizes(batch_sizes, len(buckets), 3 + xla)
    served = ServedModel(
        model,
        preprocessor,
        buckets,
        over_long=over_long,
        bad_texts=bad_texts,
        class_names=class_names,
    )
    os.makedirs(path, exist_ok=True)
    with place(path) as temporary:
        with tracing.stock_operations():
            functions = served.signatures(xla)
        if native:
            with tracing.native_kernel():
                functions |= served.native_signatures()
        module = _module(served, functions)
        tf.saved_model.save(module, temporary, signatures=module.functions)
        difference = probe.write(served, temporary)
        records = _write_for_servers(
            served, module.functions, temporary, path, sizes
        )
        manifest.write(
            served,
            module.functions,
            temporary,
            difference=difference,
            warmup_requests=records,
            batch_sizes=sizes,
            native_platforms=native_platforms,
        )
        if served_from is not None:
            warmup.write_server_configs(path, served_from)
        return publish(temporary, path)


def _check_xla(model):
    backbone = getattr(model, "backbone", model)
    if "mask_positions" in model.input:
        raise ValueError(
            "`xla=True` needs fixed shapes, and the number of masks in a text "
            "is not fixed. Export the masked LM without it."
        )
    if backbone.max_global_tokens is None:
        raise ValueError(
            "`xla=True` needs fixed shapes, and without `max_global_tokens` "
            "their number is read from the mask. Build the backbone with "
            "`max_global_tokens=1`."
        )


def _buckets(model, preprocessor, buckets):
    """Checked, or the default ones for what the model can read."""
    backbone = getattr(model, "backbone", model)
    longest = backbone.max_sequence_length
    if getattr(preprocessor, "sequence_length", None) is not None:
        longest = min(longest, preprocessor.sequence_length)
    if buckets is None:
        return length_buckets(longest)
    buckets = list(buckets)
    if (
        not buckets
        or buckets != sorted(set(buckets))
        or buckets[-1] > longest
        or buckets[0] < 4
    ):
        raise ValueError(
            "`buckets` must be ascending lengths from 4 up to the model's "
            f"{longest} tokens. Received: buckets={buckets}"
        )
    return buckets


def _module(served, functions):
    """A `tf.Module` of the signatures and just what they read."""
    module = tf.Module()
    module.functions = functions
    # Keras' export would write the weights a second time beside these.
    module.weights = list(
        {
            id(variable): variable
            for function in module.functions.values()
            for variable in function.variables
        }.values()
    )
    module.tokenizer = served.tokenizer  # Its tables are assets of the graph.
    return module


def _write_for_servers(served, functions, folder, path, sizes):
    """Writes warm-up and batching; returns the warm-up's number of requests,
    `None` where its messages are not installed."""
    warmup.write_batching_parameters(folder, sizes)
    requests = warmup.warmup_inputs(
        {
            name: list(input_specs(function))
            for name, function in functions.items()
            if not name.endswith(NATIVE)
        },
        served,
        sizes,
    )
    name = os.path.basename(os.path.abspath(path))
    try:
        return warmup.write_warmup(folder, name, requests)
    except ImportError as error:
        warnings.warn(
            "Exported without warm-up requests: the first requests to a "
            f"server will be slow. {error}",
            stacklevel=3,
        )
        return None
