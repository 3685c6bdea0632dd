"""Asks a TF Serving server, by REST or gRPC."""

import os
import random
import time
import typing
from collections.abc import Sequence

import numpy as np

from keras_longformer.client import transport
from keras_longformer.client.tls import Certificates
from keras_longformer.client.tls import read_address

Transport = transport.RestTransport | transport.GrpcTransport
PROTOCOLS: dict[str, type[Transport]] = {
    "rest": transport.RestTransport,
    "grpc": transport.GrpcTransport,
}


class ServingError(RuntimeError):
    """A server did not answer, or refused.

    Attributes:
        status: str, a gRPC status code's name such as `"INVALID_ARGUMENT"`.
        retried: int, how many times it was asked again.
    """

    def __init__(self, message: str, status: str, retried: int = 0):
        super().__init__(message)
        self.status = status
        self.retried = retried


class VersionStatus(typing.NamedTuple):
    """A `version`, int, and its `state`, str such as `"AVAILABLE"`."""

    version: int
    state: str


class ServingClient:
    """A client of one model on one server.

    Prediction changes nothing on the server, so what failed on the way is
    asked again: a refused or broken connection, and a server that is
    overloaded or restarting (`UNAVAILABLE`, HTTP 502 and 503). Not asked again
    are requests that the server calls wrong, and timeouts: the server may be
    working on them still.

    Args:
        server: str, `host:port` or `http://host:port`, or `https://host:port`
            for TLS, with gRPC too. TF Serving's ports are 8500 for gRPC and
            8501 for REST, which has no TLS unless a proxy adds it.
        model: str, the model's name there.
        protocol: `"rest"` or `"grpc"`; the latter needs the extra `serving`.
        version: int, or `None` for the one that the server takes.
        timeout_seconds: float, for all attempts at one request together.
        retries: int, how often a request is asked again.
        backoff_seconds: float, the wait before the first retry; it doubles
            with each, and a random part of it is taken off, so that clients
            do not come back together.
        batch_size: int, the most texts of one request; a server that batches
            takes no more than its `max_batch_size`.
        root_certificates: path of a PEM file, what the certificate of an
            https server must be signed by. Without, the system's (REST) or
            gRPC's own.
        client_certificate: paths of PEM files, a certificate and its key, for
            servers that ask for one.
        server_name: str, what the server's certificate is made out to, where
            that is not the host in `server`.

    Example:
    ```python
    client = ServingClient("localhost:8501", "reviews")
    client.predict(["a very long text", "another"])["probabilities"]
    client.predict(texts, signature="embed")["mean_embedding"]
    ```
    """

    def __init__(
        self,
        server: str,
        model: str,
        *,
        protocol: str = "rest",
        version: int | None = None,
        timeout_seconds: float = 60.0,
        retries: int = 4,
        backoff_seconds: float = 0.2,
        batch_size: int = 8,
        root_certificates: str | os.PathLike | None = None,
        client_certificate: tuple[str | os.PathLike, str | os.PathLike]
        | None = None,
        server_name: str | None = None,
    ):
        if protocol not in PROTOCOLS:
            raise ValueError(
                f"`protocol` must be one of {tuple(PROTOCOLS)}. "
                f"Received: protocol={protocol!r}"
            )
        if batch_size < 1 or retries < 0 or timeout_seconds <= 0:
            raise ValueError(
                "`batch_size` and `timeout_seconds` must be positive, "
                "`retries` not negative. Received: "
                f"batch_size={batch_size}, timeout_seconds={timeout_seconds}, "
                f"retries={retries}"
            )
        self.server = server
        self.model = model
        self.version = version
        self.timeout_seconds = timeout_seconds
        self.retries = retries
        self.backoff_seconds = backoff_seconds
        self.batch_size = batch_size
        certificates = Certificates(
            root_certificates, client_certificate, server_name
        )
        if certificates and not read_address(server).secure:
            raise ValueError(
                "Certificates are for TLS, which a client speaks with "
                f"'https://host:port'. Received: server={server!r}"
            )
        self._transport = PROTOCOLS[protocol](server, certificates)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._transport.close()

    def predict(
        self,
        texts: Sequence[str | bytes] | dict[str, Sequence[str | bytes]],
        *,
        signature: str = "serving_default",
    ) -> dict[str, np.ndarray]:
        """Asks about texts, at most `batch_size` in one request.

        Args:
            texts: list of str, or of bytes that need not be UTF-8; for a
                signature with other inputs than `text`, a dict of such lists
                by their names, all of one length.
            signature: str, one that takes texts.

        Returns:
            Dict of output to array, its first axis the texts'; strings are
            `bytes` objects. Where requests gave arrays of different widths, as
            masked LMs do, the narrower are padded with zeros or b"".

        Raises:
            TypeError: one text instead of a list.
            ValueError: lists of different lengths.
            ServingError: no answer. It names server, model and signature.
        """
        inputs = texts if isinstance(texts, dict) else {"text": texts}
        inputs = {name: _list(values) for name, values in inputs.items()}
        lengths = {name: len(values) for name, values in inputs.items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(
                f"The inputs must have one length. Received: {lengths}"
            )
        parts = [
            self.predict_inputs(
                {
                    name: values[i : i + self.batch_size]
                    for name, values in inputs.items()
                },
                signature=signature,
            )
            for i in range(0, max(*lengths.values(), 1), self.batch_size)
        ]
        return {name: _joined([p[name] for p in parts]) for name in parts[0]}

    def predict_inputs(
        self,
        inputs: dict[str, Sequence | np.ndarray],
        *,
        signature: str = "serving_default",
    ) -> dict[str, np.ndarray]:
        """Sends one request, with inputs by name, and returns its outputs."""
        return self._ask(
            lambda seconds: self._transport.predict(
                self.model, self.version, signature, inputs, seconds
            ),
            signature,
        )

    def status(self) -> list[VersionStatus]:
        """Returns the model's versions on the server, the highest last, and
        their states."""
        versions = self._ask(
            lambda seconds: self._transport.status(
                self.model, self.version, seconds
            ),
            None,
        )
        return sorted(VersionStatus(*version) for version in versions)

    def _ask(self, send, signature):
        """Sends until there is an answer, or no point or time left."""
        deadline = time.monotonic() + self.timeout_seconds
        wait = self.backoff_seconds
        for attempt in range(self.retries + 1):
            try:
                return send(max(deadline - time.monotonic(), 0.001))
            except transport.Failure as failure:
                pause = wait * random.uniform(0.5, 1.0)
                wait *= 2
                if (
                    not failure.may_retry
                    or attempt == self.retries
                    or time.monotonic() + pause >= deadline
                ):
                    raise self._error(failure, signature, attempt) from failure
            time.sleep(pause)
        raise AssertionError  # The last attempt returns or raises.

    def _error(self, failure, signature, retried):
        version = "" if self.version is None else f" version {self.version}"
        asked = "its status" if signature is None else f"'{signature}'"
        times = f" after {retried} retries" if retried else ""
        return ServingError(
            f"{self.server}: model '{self.model}'{version}, asked for {asked}"
            f"{times}: {failure.status}: {failure}",
            failure.status,
            retried,
        )


def _list(texts):
    if isinstance(texts, str | bytes):
        raise TypeError(
            "`texts` must be a list of texts. Received one "
            f"{type(texts).__name__}; put it into a list."
        )
    return [_bytes(text) for text in texts]


def _bytes(text):
    return text if isinstance(text, bytes) else text.encode(errors="replace")


def _joined(parts):
    """Concatenates along the first axis, padding the others."""
    if len(parts) == 1:
        return parts[0]
    full = [part for part in parts if part.size] or parts[:1]
    shape = np.max([part.shape[1:] for part in full], axis=0).astype(int)
    dtype = full[0].dtype
    joined = np.full(
        [sum(map(len, parts)), *shape], b"" if dtype.kind == "O" else 0, dtype
    )
    start = 0
    for part in parts:
        # JSON cannot say how wide an empty array is.
        if part.size:
            rows = joined[start : start + len(part)]
            rows[tuple(slice(size) for size in part.shape)] = part
        start += len(part)
    return joined
