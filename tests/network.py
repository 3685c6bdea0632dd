"""Tests reach no other machine: an attempt fails, and the test that made it.

Of what is written in Python, that is. Programs that tests start are not looked
at, save one that imports the package: tests/test_network.py.
"""

import ipaddress
import socket

import pytest

_attempts = []
_connect, _getaddrinfo = socket.socket.connect, socket.getaddrinfo
_connect_ex = socket.socket.connect_ex


class NoNetworkError(OSError):
    """Something was to leave this machine."""


def is_here(host: object) -> bool:
    """Says whether a host, a name or an address, is this machine."""
    if isinstance(host, bytes):
        host = host.decode()
    if host in (None, "", "localhost", socket.gethostname()):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _check(host):
    if not is_here(host):
        _attempts.append(host)
        raise NoNetworkError(f"tests reach no other machine: {host!r}")


def _check_address(its, address):
    if its.family in (socket.AF_INET, socket.AF_INET6):
        _check(address[0])


def connect(its, address):
    _check_address(its, address)
    return _connect(its, address)


def connect_ex(its, address):
    _check_address(its, address)
    return _connect_ex(its, address)


def getaddrinfo(host, *arguments, **options):
    _check(host)
    return _getaddrinfo(host, *arguments, **options)


def refuse() -> None:
    """From now on nothing in this process leaves this machine."""
    socket.socket.connect = connect
    socket.socket.connect_ex = connect_ex
    socket.getaddrinfo = getaddrinfo


def attempts() -> list:
    """What was tried since `refuse`; a test that expects it clears it."""
    return _attempts


@pytest.fixture(autouse=True)
def no_network():
    """Fails a test that tried, also where what it called went on without."""
    _attempts.clear()
    yield
    assert not _attempts, f"reaches for {_attempts}"


refuse()
