"""An authority made for one run, and a certificate of it for the exchange's host names."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kline_harness.errors import writing

HOSTS = ("fapi.binance.com", "fstream.binance.com", "api.binance.com", "stream.binance.com")
AUTHORITY_FILE = "authority.pem"
_SERVER_FILE = "server.pem"
# Long before any recording and long after: a service whose clock is the recording's must trust it.
_FROM = datetime(2009, 1, 1, tzinfo=UTC)
_DAYS = 36_500


def server_context(folder: Path) -> ssl.SSLContext:
    """Make an authority and a server's certificate in a folder; return what a server needs.

    `AUTHORITY_FILE` is the certificate that clients have to trust: `SSL_CERT_FILE`,
    `REQUESTS_CA_BUNDLE`, `NODE_EXTRA_CA_CERTS`. The authority's key is never written, so it can
    sign nothing after the run.

    Raises OutputError where the files cannot be written.
    """
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    name = _name("kline-harness, an authority for one run")
    authority = (
        _builder(name, name, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    certificate = (
        _builder(_name("kline-harness"), name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(_names()), critical=False)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    server = folder / _SERVER_FILE
    try:
        with writing(folder):
            (folder / AUTHORITY_FILE).write_bytes(authority.public_bytes(pem))
            server.touch(mode=0o600)
            server.write_bytes(private + certificate.public_bytes(pem))
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(server)
    finally:
        # OpenSSL takes a key from a file alone; nobody needs it there afterwards.
        server.unlink(missing_ok=True)
    return context


def _names() -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [x509.DNSName(host) for host in (*HOSTS, "localhost")]
    return names + [x509.IPAddress(ipaddress.ip_address(one)) for one in ("127.0.0.1", "::1")]


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_FROM)
        .not_valid_after(_FROM + timedelta(days=_DAYS))
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )
