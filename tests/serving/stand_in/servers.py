"""The stand-in's gRPC services and REST endpoint."""

import base64
import concurrent.futures
import http.server
import json
import re
import sys
import threading

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import get_model_status_pb2
from tensorflow_serving.apis import model_service_pb2_grpc
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.apis import prediction_service_pb2_grpc

from keras_longformer.client.transport import STATUS_OF_HTTP
from tests.serving.stand_in.versions import Refused

# `ToHTTPStatusCode` in the server's http_server.cc.
HTTP_OF_STATUS = {status: http for http, status in STATUS_OF_HTTP.items()} | {
    "FAILED_PRECONDITION": 400,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
}


def find(models, name):
    if name not in models:
        raise Refused(
            "NOT_FOUND", f"Servable not found for request: Latest({name})"
        )
    return models[name]


def version_of(model_spec):
    has_one = model_spec.HasField("version")
    return model_spec.version.value if has_one else None


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, models):
        self.models = models

    def Predict(self, request, context):  # noqa: N802
        spec = request.model_spec
        try:
            inputs = {
                key: tf.make_ndarray(x) for key, x in request.inputs.items()
            }
        except (ValueError, TypeError) as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        try:
            model = find(self.models, spec.name)
            number, outputs = model.predict(
                spec.signature_name, inputs, version_of(spec)
            )
        except Refused as error:
            context.abort(grpc.StatusCode[error.status], str(error)[:4000])
        response = predict_pb2.PredictResponse()
        response.model_spec.name = spec.name
        response.model_spec.version.value = number
        response.model_spec.signature_name = spec.signature_name
        for key, value in outputs.items():
            response.outputs[key].CopyFrom(tf.make_tensor_proto(value))
        return response


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, models):
        self.models = models

    def GetModelStatus(self, request, context):  # noqa: N802
        try:
            model = find(self.models, request.model_spec.name)
        except Refused as error:
            context.abort(grpc.StatusCode[error.status], str(error))
        response = get_model_status_pb2.GetModelStatusResponse()
        state = get_model_status_pb2.ModelVersionStatus.State
        for number, name in model.states():
            response.model_version_status.add(
                version=number, state=state.Value(name)
            )
        return response


def start_grpc(models, port=0, max_message_bytes=None, credentials=None):
    """Returns a started server and its port, on loopback."""
    limit = -1 if max_message_bytes is None else max_message_bytes
    server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(32),
        options=[
            ("grpc.max_receive_message_length", limit),
            ("grpc.max_send_message_length", -1),
        ],
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionService(models), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(
        ModelService(models), server
    )
    address = f"127.0.0.1:{port}"
    if credentials is None:
        port = server.add_insecure_port(address)
    else:
        port = server.add_secure_port(address, credentials)
    server.start()
    return server, port


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    PATH = re.compile(
        r"/v1/models/([^/:]+)(?:/versions/(\d+))?(:predict|/metadata)?"
    )

    def do_GET(self):  # noqa: N802
        is_metadata = self.path.endswith("/metadata")
        self._answer(self._metadata if is_metadata else self._status)

    def do_POST(self):  # noqa: N802
        self._answer(self._predict)

    def _answer(self, handle):
        try:
            status, content = 200, handle()
        except Refused as error:
            status = HTTP_OF_STATUS.get(error.status, 500)
            content = {"error": str(error)[:4000]}
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _model(self):
        match = self.PATH.fullmatch(self.path)
        if match is None:
            raise Refused("INVALID_ARGUMENT", f"Malformed request: {self.path}")
        number = None if match[2] is None else int(match[2])
        return find(self.server.models, match[1]), number

    def _status(self):
        states = self._model()[0].states()
        return {
            "model_version_status": [
                {"version": str(number), "state": state}
                for number, state in states
            ]
        }

    def _metadata(self):
        signatures = {
            name: json_format.MessageToDict(signature)
            for name, signature in self._model()[0].signatures().items()
        }
        return {"metadata": {"signature_def": {"signature_def": signatures}}}

    def _predict(self):
        length = int(self.headers.get("Content-Length", 0))
        limit = self.server.max_message_bytes
        if limit is not None and length > limit:
            self.close_connection = True
            while length > 0:  # Or the client would see a broken connection.
                length -= len(self.rfile.read(min(length, 1 << 16))) or length
            raise Refused("RESOURCE_EXHAUSTED", f"more than {limit} bytes")
        content = self.rfile.read(length)
        model, number = self._model()
        try:
            request = json.loads(content)
            columns = "inputs" in request
            values = request["inputs" if columns else "instances"]
        except (ValueError, KeyError, TypeError) as error:
            raise Refused(
                "INVALID_ARGUMENT", f"JSON Parse error: {error!r}"
            ) from error
        name = request.get("signature_name") or "serving_default"
        inputs = _inputs(model, name, values, columns)
        _, outputs = model.predict(name, inputs, number)
        outputs = {key: _plain(x.tolist()) for key, x in outputs.items()}
        if len(outputs) == 1:  # The server leaves its name out.
            (only,) = outputs.values()
            return {"outputs" if columns else "predictions": only}
        if columns:
            return {"outputs": outputs}
        rows = [dict(zip(outputs, row)) for row in zip(*outputs.values())]
        return {"predictions": rows}

    def log_message(self, *_):
        pass


def _inputs(model, name, values, columns):
    """`inputs` by name, or a list of rows, as arrays of the right types."""
    signatures = model.signatures()
    if signatures and name not in signatures:
        raise Refused(
            "INVALID_ARGUMENT",
            f'Serving signature name: "{name}" not found in signature def',
        )
    wanted = signatures[name].inputs if signatures else {}
    if not columns:
        if not isinstance(values, list):
            raise Refused("INVALID_ARGUMENT", "`instances` must be a list")
        rows = [
            row
            if isinstance(row, dict) and "b64" not in row
            else {next(iter(wanted), "text"): row}
            for row in values
        ]
        names = {key for row in rows for key in row}
        values = {key: [row.get(key) for row in rows] for key in names}
    elif not isinstance(values, dict):
        values = {next(iter(wanted), "text"): values}
    for key in set(wanted) - set(values):
        raise Refused(
            "INVALID_ARGUMENT",
            f"Missing named input: {key} in 'inputs' object.",
        )
    return {
        key: _array(key, x, wanted[key].dtype if key in wanted else None)
        for key, x in values.items()
    }


def _array(key, value, dtype):
    try:
        if dtype is not None and tf.as_dtype(dtype) == tf.string:
            return np.array(_texts(value), object)
        array = np.array(value)
        if array.dtype.kind == "f" or array.dtype.kind not in "iu":
            raise ValueError("not integers")
        return array.astype(tf.as_dtype(dtype or "int64").as_numpy_dtype)
    except (ValueError, TypeError, OverflowError) as error:
        raise Refused(
            "INVALID_ARGUMENT",
            f"JSON Value of {key} is not of expected type: {error}",
        ) from error


def _texts(value):
    if isinstance(value, list):
        return [_texts(x) for x in value]
    if isinstance(value, dict) and set(value) == {"b64"}:
        return base64.b64decode(value["b64"], validate=True)
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.40} is no string")
    return value.encode()


def _plain(value):
    if isinstance(value, list):
        return [_plain(x) for x in value]
    return value.decode() if isinstance(value, bytes) else value


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """Says nothing of clients that break off, as in a TLS handshake."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def start_rest(models, port=0, max_message_bytes=None, context=None):
    """Returns a started server and its port, on loopback."""
    server = _Server(("127.0.0.1", port), _Handler)
    if context is not None:
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    server.models = models
    server.max_message_bytes = max_message_bytes
    threading.Thread(
        target=server.serve_forever, args=(0.05,), daemon=True
    ).start()
    return server, server.server_port
