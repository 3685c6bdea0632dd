"""Which certificates a client trusts and shows."""

import functools
import os
import ssl
import typing
import urllib.parse


class Address(typing.NamedTuple):
    """Where a server is.

    Attributes:
        host: str, `host:port`.
        path: str, in front of `/v1/models`, for a server behind a proxy.
        secure: bool, whether to speak TLS.
    """

    host: str
    path: str
    secure: bool


def read_address(server: str) -> Address:
    """Returns the parts of `host:port` or of an http(s) URL.

    Raises:
        ValueError: it is neither.
    """
    url = urllib.parse.urlsplit(
        server if "://" in server else f"http://{server}"
    )
    if url.scheme not in ("http", "https") or not url.netloc:
        raise ValueError(
            "`server` must be host:port or an http(s) URL. "
            f"Received: server={server!r}"
        )
    return Address(url.netloc, url.path.rstrip("/"), url.scheme == "https")


class Certificates:
    """PEM files for TLS, read and checked once.

    Args:
        root_certificates: path of those that a server's must be signed by, or
            `None` for the system's (REST) or gRPC's own.
        client_certificate: paths of a certificate and its key, shown to
            servers that ask for one.
        server_name: str, what the server's certificate must be made out to,
            where that is not the host.

    Raises:
        ValueError: a file that cannot be read or holds something else.
    """

    def __init__(
        self,
        root_certificates: str | os.PathLike | None = None,
        client_certificate: tuple[str | os.PathLike, str | os.PathLike]
        | None = None,
        server_name: str | None = None,
    ):
        self.root_certificates = root_certificates
        self.client_certificate = client_certificate
        self.server_name = server_name

    def __bool__(self):
        return any(
            (self.root_certificates, self.client_certificate, self.server_name)
        )

    @functools.cached_property
    def context(self) -> ssl.SSLContext:
        """For Python's sockets."""
        context = ssl.create_default_context()
        if self.root_certificates is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._load(
                "root_certificates",
                self.root_certificates,
                context.load_verify_locations,
                self.root_certificates,
            )
        if self.client_certificate is not None:
            self._load(
                "client_certificate",
                self.client_certificate,
                context.load_cert_chain,
                *self.client_certificate,
            )
        return context

    def contents(self) -> dict[str, bytes | None]:
        """What `grpc.ssl_channel_credentials` takes."""
        _ = self.context  # OpenSSL says at once what gRPC says at a call.
        certificate, key = self.client_certificate or (None, None)
        return {
            "root_certificates": _read(self.root_certificates),
            "private_key": _read(key),
            "certificate_chain": _read(certificate),
        }

    def _load(self, name, value, load, *paths):
        try:
            load(*paths)
        except (OSError, ssl.SSLError) as error:
            raise ValueError(
                f"`{name}` must be PEM files, a client's certificate with its "
                f"own key. Received: {name}={value!r}, which cannot be loaded: "
                f"{error}"
            ) from error


def _read(path):
    if path is None:
        return None
    with open(path, "rb") as file:
        return file.read()
