"""What TF Serving runs before a version takes requests.

The first run of a graph at a new size is slow: functions are instantiated,
memory is allocated, XLA compiles. TF Serving replays the requests that it
finds beside a version while the version before it still answers.

Reference: https://www.tensorflow.org/tfx/serving/saved_model_warmup
"""

import itertools
import os
from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_longformer.serving.signatures import ServedModel
from keras_longformer.unfinished import write_text

WARMUP_FILE = os.path.join("assets.extra", "tf_serving_warmup_requests")
BATCHING_FILE = "batching_params.pbtxt"
MAX_RECORDS = 1000  # TF Serving refuses to load a version with more.

_BATCHING = """\
# --enable_batching --enable_per_model_batching_parameters read this.
max_batch_size {{ value: {largest} }}
batch_timeout_micros {{ value: 2000 }}
max_enqueued_batches {{ value: 64 }}
num_batch_threads {{ value: 2 }}
{allowed}
# A `tokens` signature tells such padding from tokens.
pad_variable_length_inputs: true
"""

_MODELS = """\
# tensorflow_model_server --model_config_file={path}
model_config_list {{
  config {{
    name: "{name}"
    base_path: "{folder}"
    model_platform: "tensorflow"
  }}
}}
"""

_MONITORING = """\
# tensorflow_model_server --monitoring_config_file={path}
prometheus_config {{
  enable: true
  path: "/monitoring/prometheus/metrics"
}}
"""


def serving_protos():
    """Returns the modules `predict_pb2` and `prediction_log_pb2`.

    Raises:
        ImportError: the extra `serving` is not installed.
    """
    try:
        from tensorflow_serving.apis import predict_pb2
        from tensorflow_serving.apis import prediction_log_pb2
    except ImportError as error:
        raise ImportError(
            "TF Serving's messages are in `tensorflow-serving-api`: "
            "pip install 'keras_longformer[serving]'"
        ) from error
    return predict_pb2, prediction_log_pb2


def warmup_inputs(
    signatures: dict[str, Sequence[str]],
    served: ServedModel,
    batch_sizes: Sequence[int],
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Yields signature names and inputs that run each at each size.

    Args:
        signatures: names of signatures, and of their inputs.
        served: the model: its lengths, tokenizer and inputs.
        batch_sizes: ints.
    """
    for name, inputs in signatures.items():
        for length, size in itertools.product(served.buckets, batch_sizes):
            if "token_ids" in inputs:
                ids = _tokens(served, length)
                yield name, {"token_ids": np.tile(ids, (size, 1))}
                continue
            texts = _texts(served, inputs, length)
            yield (
                name,
                {
                    key: np.array([text] * size, object)
                    for key, text in texts.items()
                },
            )


def write_warmup(folder: str, name: str, requests: Iterator) -> int:
    """Writes `warmup_inputs` where TF Serving reads them.

    Returns:
        int, how many.
    """
    predict_pb2, prediction_log_pb2 = serving_protos()
    path = os.path.join(folder, WARMUP_FILE)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    count = 0
    with tf.io.TFRecordWriter(path) as writer:
        for signature, inputs in requests:
            request = predict_pb2.PredictRequest()
            request.model_spec.name = name
            request.model_spec.signature_name = signature
            for key, value in inputs.items():
                request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
            log = prediction_log_pb2.PredictionLog()
            log.predict_log.request.CopyFrom(request)
            writer.write(log.SerializeToString())
            count += 1
    return count


def write_batching_parameters(folder: str, batch_sizes: Sequence[int]) -> None:
    """Writes `batching_params.pbtxt`, for servers that are told to batch."""
    allowed = "\n".join(f"allowed_batch_sizes: {size}" for size in batch_sizes)
    content = _BATCHING.format(largest=batch_sizes[-1], allowed=allowed)
    write_text(os.path.join(folder, BATCHING_FILE), content)


def write_server_configs(path: str, served_from: str) -> None:
    """Writes `models.config` and `monitoring.config` into a model's folder.

    Args:
        path: str, the folder of the versions.
        served_from: str, the same folder as the server sees it.
    """
    served_from = served_from.rstrip("/")
    name = os.path.basename(served_from)
    for file, content in (
        ("models.config", _MODELS),
        ("monitoring.config", _MONITORING),
    ):
        content = content.format(
            path=f"{served_from}/{file}", name=name, folder=served_from
        )
        write_text(os.path.join(path, file), content)


def check_batch_sizes(
    batch_sizes: Sequence[int], num_buckets: int, num_signatures: int
) -> list[int]:
    """Returns them as a list.

    Raises:
        ValueError: sizes that TF Serving would not take, or too many.
    """
    sizes = list(batch_sizes)
    if not sizes or sizes != sorted(set(sizes)) or sizes[0] < 1:
        raise ValueError(
            "`batch_sizes` must be positive and ascending, as TF Serving wants "
            f"its `allowed_batch_sizes`. Received: {sizes}. Try [1, 2, 4, 8]."
        )
    count = len(sizes) * num_buckets * num_signatures
    if count > MAX_RECORDS:
        raise ValueError(
            f"{num_signatures} signatures, {num_buckets} buckets and "
            f"{len(sizes)} batch sizes make {count} warm-up requests, and TF "
            f"Serving allows {MAX_RECORDS}. Take fewer `buckets` or "
            "`batch_sizes`."
        )
    return sizes


def _tokens(served, length):
    """int32 `(1, length)`: a row of an empty text and a long one, which is a
    row of one text for those who expect that."""
    template = served.preprocessor.row_template
    ends = [*template.start, *template.between]
    ids = np.full((1, length), _ordinary_id(served.tokenizer), np.int32)
    ids[0, : len(ends)] = ends
    ids[0, -len(template.end) :] = template.end
    return ids


def _ordinary_id(tokenizer):
    """An id that ends no text: the unknown token's, where there is one."""
    if tokenizer.unk_token_id is not None:
        return tokenizer.unk_token_id
    special = set(tokenizer.special_token_ids)
    return next(i for i in range(len(special) + 1) if i not in special)


def _texts(served, inputs, length):
    """Texts that together fill a row of `length` tokens, or nearly so."""
    unit = " a"
    sample = len(served.tokenizer.tokenize(unit * 64))
    room = length - served.preprocessor.row_template.num_special(
        min(len(inputs), 2)
    )
    short = {
        name: text
        for name, text in served.answer.short_texts.items()
        if name in inputs
    }
    long = (unit * (max(room, 0) * 64 // sample)).encode()
    return {name: short.get(name, long) for name in inputs}
