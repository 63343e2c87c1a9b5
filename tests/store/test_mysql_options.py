"""What stands after the '?' of a MySQL URL, and most of all what it says of TLS."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from jobreg import BadInput, StoreUnavailable
from jobreg.store import mysql_options, open_store

CA = """
-----BEGIN CERTIFICATE-----
MIIBdjCCAR2gAwIBAgIUD5Im1qNR9M45MILZWNakpWd9AmcwCgYIKoZIzj0EAwIw
EDEOMAwGA1UEAwwFdGVzdHMwIBcNMjYxMjAxMDYxNTM0WhgPMjEyNjExMDcwNjE1
MzRaMBAxDjAMBgNVBAMMBXRlc3RzMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
Sek1Na8nBjjS4UEcFLsiD1Lgqm1V1bipukQvi3NQMsFFWtxKRDTaxLNK5Rw3Zg4H
adH49gO5KhzLPBijYtOOoqNTMFEwHQYDVR0OBBYEFHuZlH0wYJv9byrGHMdTzY0D
KNwSMB8GA1UdIwQYMBaAFHuZlH0wYJv9byrGHMdTzY0DKNwSMA8GA1UdEwEB/wQF
MAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIgET59Eh2vgVQAJqTUoT0vua3dfUaChKK9
qDOYNuH5hQ4CIETuskGGtK2jzezbnBrhd/mvNiqs918xxhPWnz2QCNdk
-----END CERTIFICATE-----
"""
NEVER = ssl.CERT_NONE, False
CERTIFICATE = ssl.CERT_REQUIRED, False
NAME = ssl.CERT_REQUIRED, True


@pytest.fixture
def ca(tmp_path: Path) -> str:
    file = tmp_path / "ca.pem"
    file.write_text(CA)
    return str(file)


def given(options: dict[str, str]) -> dict[str, Any]:
    """What the driver would be given to connect by."""
    engine, found = create_engine("sqlite://"), dict[str, Any]()
    mysql_options.speak_tls(engine, options, ConnectionError)
    engine.dialect.dispatch.do_connect(engine.dialect, None, [], found)
    return found


@pytest.mark.parametrize(
    ("said", "how"),
    [
        ({}, NAME),
        ({"ssl_verify_cert": "true"}, NAME),
        ({"ssl_verify_cert": "ON"}, NAME),
        ({"ssl_verify_identity": "true"}, NAME),
        ({"ssl_verify_identity": "false"}, CERTIFICATE),
        ({"ssl_check_hostname": "false"}, CERTIFICATE),
        ({"ssl_verify_cert": "false"}, NEVER),
    ],
    ids=str,
)
def test_where_a_ca_is_named_the_server_is_verified_unless_the_url_says_no(
    ca: str, said: dict[str, str], how: tuple[ssl.VerifyMode, bool]
) -> None:
    context = given({"ssl_ca": ca, **said})["ssl"]

    assert (context.verify_mode, context.check_hostname) == how
    assert len(context.get_ca_certs()) == 1


def test_without_a_ca_the_systems_own_are_asked_where_the_url_wants_to_know() -> None:
    told = given({"ssl_verify_identity": "true"})["ssl"]

    assert (told.verify_mode, told.check_hostname) == NAME
    assert given({"ssl_disabled": "true"}) == {"ssl_disabled": True}
    assert given({}) == {}


def test_a_file_that_is_not_there_is_an_outage_and_is_looked_for_again(ca: str) -> None:
    store = f"mysql://user@127.0.0.1:1/jobs?ssl_ca={ca}"
    Path(ca).rename(f"{ca}.gone")
    missing = rf"cannot be reached: TLS: No such file or directory \(ssl_ca {ca}\)\. Check what"
    with pytest.raises(StoreUnavailable, match=missing):
        open_store(store)

    Path(ca).write_text("no certificate")
    with pytest.raises(StoreUnavailable, match=r"NO_CERTIFICATE.*Check what stands after the '\?'"):
        open_store(store)

    Path(f"{ca}.gone").replace(ca)
    with pytest.raises(StoreUnavailable, match="See that its server runs"):
        open_store(store)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("ssl=true", "PyMySQL knows no option 'ssl'"),
        ("ssl_mode=REQUIRED", "PyMySQL knows no option 'ssl_mode'"),
        ("conv=1", "PyMySQL knows no option 'conv'"),
        ("port=3307", "PyMySQL knows no option 'port'"),
        ("ssl_verify_cert=VERIFY_CA", "ssl_verify_cert: 'VERIFY_CA' is neither true nor false"),
        ("connect_timeout=soon", "connect_timeout: 'soon' is not a whole number"),
        ("ssl_ca=a&ssl_ca=b", "it has 'ssl_ca' more than once"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused(query: str, told: str) -> None:
    with pytest.raises(BadInput) as refused:
        open_store(f"mysql://user@127.0.0.1:1/jobs?{query}")

    assert str(refused.value) == f"The store URL cannot be used: {told}."
