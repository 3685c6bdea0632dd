"""Measures an exported ONNX file beside the model that it is made of.

Command:
    python scripts/benchmarks/onnx_runtime.py [--layers 2] [--rounds 5]
        [--tokens 100 512 1024 4096]

Exports an encoder of RoBERTa's width in float32 and prints, for one row of each
length, CPU time as a ratio to TensorFlow's graph with `chunked` attention, all
in turns in one process and one thread each: the graph with the compiled kernel
(if `python -m keras_longformer.native.build` has built it), ONNX Runtime, and
OpenVINO where it is installed.

Time and memory: 5 minutes and 4 GB on 2 cores.
"""

import functools
import importlib.util
import os
import pathlib
import tempfile
import time

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_LONGFORMER_NATIVE", "built")

import measure
import numpy as np
import onnxruntime
import tensorflow as tf

import keras_longformer as klf
from keras_longformer.ops.attention import imposed

CHUNKED = "TensorFlow, chunked"


def make_encoder(layers):
    return klf.LongformerBackbone(
        vocabulary_size=1000,
        num_layers=layers,
        num_heads=12,
        hidden_dim=768,
        intermediate_dim=3072,
        window_size=512,
        max_sequence_length=4096,
        max_global_tokens=1,
        pooler=False,
    )


def graph_of(encoder, implementation):
    """The encoder as a compiled function for any number of tokens."""
    names = list(encoder.input)
    specs = [
        tf.TensorSpec([1, None], encoder.input[name].dtype) for name in names
    ]

    @tf.function(input_signature=specs, autograph=False)
    def compute(*tensors):
        with imposed(implementation):
            return encoder(
                dict(zip(names, tensors, strict=True)), training=False
            )

    compute.get_concrete_function()
    return lambda inputs: compute(*(inputs[name] for name in names)).numpy()


def onnx_session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)
    return lambda inputs: session.run(None, inputs)[0]


def openvino_model(path):
    import openvino

    compiled = openvino.Core().compile_model(
        path,
        "CPU",
        {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"},
    )
    return lambda inputs: compiled(inputs)[0]


def methods(encoder, folder):
    found = {CHUNKED: graph_of(encoder, "chunked")}
    try:
        found["TensorFlow, the compiled kernel"] = graph_of(encoder, "native")
    except (RuntimeError, ValueError) as error:
        print(f"Without the compiled kernel: {str(error).splitlines()[0]}")
    encoder.export(str(folder / "encoder.onnx"), format="onnx")
    name = f"ONNX Runtime {onnxruntime.__version__}"
    found[name] = onnx_session(str(folder / "encoder.onnx"))
    if importlib.util.find_spec("openvino"):
        encoder.export(str(folder / "encoder.xml"), format="openvino")
        found["OpenVINO"] = openvino_model(str(folder / "encoder.xml"))
    return found


def main():
    parser = measure.parser(__doc__)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--tokens", type=int, nargs="+", default=[100, 512, 1024, 4096]
    )
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    encoder = make_encoder(options.layers)
    generator = np.random.default_rng(0)
    rows, differences = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        found = methods(encoder, pathlib.Path(folder))
        for length in options.tokens:
            inputs = encoder.example_inputs(1, length, generator)
            outputs = {name: call(inputs) for name, call in found.items()}
            for name, output in outputs.items():
                distance = np.abs(output - outputs[CHUNKED]).max()
                differences[name] = max(distance, differences.get(name, 0))
            seconds = measure.interleaved(
                {
                    name: functools.partial(call, inputs)
                    for name, call in found.items()
                },
                options.rounds,
                clock=time.process_time,
            )
            rows[length] = measure.ratios(measure.medians(seconds), CHUNKED)
    print(
        f"{options.layers} layers of width 768, window 512, one row, one "
        f"thread of {measure.machine()}; CPU time\n"
    )
    print(
        measure.table(
            ["tokens", *found],
            [
                *(
                    [length, *(f"{x:.2f}" for x in each.values())]
                    for length, each in rows.items()
                ),
                ["difference", *(f"{x:.1e}" for x in differences.values())],
            ],
        )
    )


if __name__ == "__main__":
    main()
