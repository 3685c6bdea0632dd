"""One request to TF Serving and its answer, over REST or gRPC.

A transport has `predict`, `status` and `close`, and raises `Failure`.
"""

import base64
import http.client
import json
import socket
import ssl
import threading
import urllib.parse

import numpy as np

from keras_longformer.client.tls import Certificates
from keras_longformer.client.tls import read_address
from keras_longformer.text.assertions import sentence_of

# What TF Serving and the proxies before it say while they restart or are full.
RETRIED_HTTP = (502, 503)
RETRIED_GRPC = ("UNAVAILABLE",)

STATUS_OF_HTTP = {
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    412: "FAILED_PRECONDITION",
    413: "RESOURCE_EXHAUSTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}

# What gRPC's `UNAVAILABLE` says where asking again cannot help.
TLS_SIGNS = ("handshake failed", "verification check", "peer certificate")


class Failure(Exception):
    """No answer; `status` is a gRPC status code's name."""

    def __init__(self, message: str, status: str, may_retry: bool):
        super().__init__(message)
        self.status = status
        self.may_retry = may_retry


class RestTransport:
    """JSON over HTTP, one connection a thread, by the standard library."""

    def __init__(self, server: str, certificates: Certificates):
        self._address = read_address(server)
        self._certificates = certificates
        if self._address.secure:
            _ = certificates.context  # Wrong files are known now.
        self._local = threading.local()
        self._names: dict = {}

    def predict(self, model, version, signature, inputs, seconds):
        body = {
            "signature_name": signature,
            "inputs": {name: _to_json(x) for name, x in inputs.items()},
        }
        path = f"{_path(model, version)}:predict"
        answer = self._request("POST", path, json.dumps(body), seconds)
        outputs = answer.get("outputs")
        if not isinstance(outputs, dict):  # A single one comes without name.
            name = self._only_output(model, version, signature, seconds)
            outputs = {name: outputs}
        return {name: _from_json(x) for name, x in outputs.items()}

    def status(self, model, version, seconds):
        answer = self._request("GET", _path(model, version), None, seconds)
        return [
            (int(status["version"]), status["state"])
            for status in answer["model_version_status"]
        ]

    def _only_output(self, model, version, signature, seconds):
        """The name of a signature's output, asked for once."""
        key = model, version, signature
        if key not in self._names:
            path = f"{_path(model, version)}/metadata"
            answer = self._request("GET", path, None, seconds)
            signatures = answer["metadata"]["signature_def"]["signature_def"]
            (self._names[key],) = signatures[signature]["outputs"]
        return self._names[key]

    def close(self):
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def _request(self, method, path, body, seconds):
        connection = self._connected(seconds)
        try:
            connection.request(
                method,
                self._address.path + path,
                body,
                {"Content-Type": "application/json"},
            )
            response = connection.getresponse()
            content = response.read()
        except TimeoutError as error:
            self.close()
            raise Failure(
                f"no answer in {seconds:.3g} s", "DEADLINE_EXCEEDED", False
            ) from error
        except ssl.SSLError as error:
            self.close()
            raise Failure(
                _tls_error(error), "UNAUTHENTICATED", False
            ) from error
        except socket.gaierror as error:
            self.close()
            raise Failure(
                f"unknown host: {error}", "NOT_FOUND", False
            ) from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Failure(repr(error), "UNAVAILABLE", True) from error
        return self._answer(response, content)

    def _connected(self, seconds):
        connection = getattr(self._local, "connection", None)
        if connection is None:
            if self._address.secure:
                connection = _TlsConnection(
                    self._address.host, self._certificates
                )
            else:
                connection = http.client.HTTPConnection(self._address.host)
            self._local.connection = connection
        connection.timeout = seconds
        if connection.sock is not None:
            connection.sock.settimeout(seconds)
        return connection

    def _answer(self, response, content):
        try:
            answer = json.loads(content)
        except ValueError:
            answer = {"error": f"no JSON: {content[:200]!r}"}
        if response.status == 200 and "error" not in answer:
            return answer
        said = str(answer.get("error", content[:200]))
        message = f"HTTP {response.status}: {sentence_of(said) or said}"
        status = STATUS_OF_HTTP.get(response.status, "UNKNOWN")
        raise Failure(message, status, response.status in RETRIED_HTTP)


class _TlsConnection(http.client.HTTPSConnection):
    """Expects the server's certificate to be made out to another name."""

    def __init__(self, host, certificates):
        super().__init__(host, context=certificates.context)
        self._certificates = certificates

    def connect(self):
        http.client.HTTPConnection.connect(self)
        try:
            self.sock = self._certificates.context.wrap_socket(
                self.sock,
                server_hostname=self._certificates.server_name or self.host,
            )
        except OSError:
            self.close()
            raise


class GrpcTransport:
    """TF Serving's own messages over gRPC; needs `tensorflow-serving-api`."""

    # Whatever the server sends; its own limit is on what it receives.
    OPTIONS = (
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", -1),
        # A server that comes back is found soon.
        ("grpc.max_reconnect_backoff_ms", 1000),
    )

    def __init__(self, server: str, certificates: Certificates):
        try:
            import grpc
            from tensorflow_serving.apis import get_model_status_pb2
            from tensorflow_serving.apis import model_service_pb2_grpc
            from tensorflow_serving.apis import predict_pb2
            from tensorflow_serving.apis import prediction_service_pb2_grpc
        except ImportError as error:
            raise ImportError(
                'protocol="grpc" needs `tensorflow-serving-api`: '
                "pip install 'keras_longformer[serving]'"
            ) from error
        self._grpc = grpc
        self._channel = self._connect(read_address(server), certificates)
        self._predict_pb2 = predict_pb2
        self._status_pb2 = get_model_status_pb2
        self._prediction = prediction_service_pb2_grpc.PredictionServiceStub(
            self._channel
        )
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def _connect(self, address, certificates):
        if not address.secure:
            return self._grpc.insecure_channel(
                address.host, options=self.OPTIONS
            )
        options = self.OPTIONS
        if certificates.server_name is not None:
            name = "grpc.ssl_target_name_override"
            options += ((name, certificates.server_name),)
        return self._grpc.secure_channel(
            address.host,
            self._grpc.ssl_channel_credentials(**certificates.contents()),
            options=options,
        )

    def predict(self, model, version, signature, inputs, seconds):
        import tensorflow as tf

        request = self._predict_pb2.PredictRequest()
        self._name(request.model_spec, model, version)
        request.model_spec.signature_name = signature
        for name, value in inputs.items():
            value = tf.make_tensor_proto(value)
            request.inputs[name].CopyFrom(value)
        response = self._call(self._prediction.Predict, request, seconds)
        return {
            name: tf.make_ndarray(x) for name, x in response.outputs.items()
        }

    def status(self, model, version, seconds):
        request = self._status_pb2.GetModelStatusRequest()
        self._name(request.model_spec, model, version)
        response = self._call(self._models.GetModelStatus, request, seconds)
        states = self._status_pb2.ModelVersionStatus.State
        return [
            (status.version, states.Name(status.state))
            for status in response.model_version_status
        ]

    def close(self):
        self._channel.close()

    def _call(self, method, request, seconds):
        try:
            return method(request, timeout=seconds)
        except self._grpc.RpcError as error:
            status, details = error.code().name, error.details() or "no message"
            if any(sign in details.lower() for sign in TLS_SIGNS):
                status, details = "UNAUTHENTICATED", _tls_error(details)
            details = sentence_of(details) or details
            raise Failure(details, status, status in RETRIED_GRPC) from error

    def _name(self, model_spec, model, version):
        model_spec.name = model
        if version is not None:
            model_spec.version.value = version


def _tls_error(error):
    return (
        f"no secure connection: {error} (`root_certificates` say whom to "
        "trust, `server_name` whom the server's certificate is made out to, "
        "`client_certificate` who asks)"
    )


def _path(model, version):
    path = f"/v1/models/{urllib.parse.quote(model, safe='')}"
    return path if version is None else f"{path}/versions/{version}"


def _to_json(value):
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"b64": base64.b64encode(value).decode()}
    if isinstance(value, list | tuple):
        return [_to_json(x) for x in value]
    return value


def _from_json(value):
    array = np.array(value)
    if array.dtype.kind == "U":
        encoded = [text.encode() for text in array.ravel().tolist()]
        array = np.array(encoded, object).reshape(array.shape)
    elif array.dtype.kind == "f":
        array = array.astype(np.float32)
    return array
