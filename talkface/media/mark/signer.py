"""Configuration folder, or a user's own certificate -> the signer of manifests.

Without a certificate of the user's own, one is issued on first use: a local authority and under it a leaf, kept in one
file that only the owner may read. Readers call its signatures valid, not trusted, unless they are given the authority.
"""

import contextlib
import datetime
import io
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image as Pillow

from talkface.errors import ConfigError, MediaError, MissingExtraError
from talkface.files.read import read_bytes
from talkface.files.write import atomic_write

if TYPE_CHECKING:
    import c2pa
from talkface.media.mark.tag import Credentials, can_sign


def open_signer(credentials: Credentials) -> "c2pa.Signer":
    """Signer of the package c2pa; close it after use."""
    import c2pa

    algorithm = getattr(c2pa.C2paSigningAlg, _algorithm(credentials.key))
    return c2pa.Signer.from_info(
        c2pa.C2paSignerInfo(algorithm, credentials.chain, credentials.key, credentials.time_stamp)
    )


def config_folder() -> Path:
    """Where settings of this user are kept: $XDG_CONFIG_HOME/talkface, or ~/.config/talkface."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "talkface"


def local_credentials(time_stamp: str | None = None) -> Credentials:
    """The certificate that this user's talkface has issued to itself, made on first use.

    Raises:
        MediaError: the folder cannot be written, or the file in it is damaged.
    """
    path = config_folder() / "signer.pem"
    if not path.exists():
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise MediaError(f"{path.parent} cannot be made: {error.strerror}; set XDG_CONFIG_HOME") from error
        with contextlib.suppress(MediaError) if os.access(path.parent, os.W_OK) else contextlib.nullcontext():
            atomic_write(path, _issue(), private=True, exclusive=True)  # another process may have been first
    chain, keys = _split(read_bytes(path, "certificate", MediaError))
    if len(chain) != 2 or not keys or _expired(chain[0]):
        raise MediaError(f"{path} is damaged or has expired: delete it, and the next video gets a new one")
    return Credentials(b"".join(chain), keys[0], time_stamp)


def own_credentials(certificate: Path, key: Path, time_stamp: str | None = None) -> Credentials:
    """A user's certificate chain and private key, tried on a picture of one pixel.

    Raises:
        ConfigError: they do not fit, or C2PA does not take such a certificate.
        MissingExtraError: the packages that sign are not installed.
    """
    if not can_sign():
        raise MissingExtraError("--certificate needs c2pa: pip install 'talkface[provenance]'")
    chain, _ = _split(read_bytes(certificate, "certificate", MediaError))
    _, keys = _split(read_bytes(key, "private key", MediaError))
    if not chain or not keys:
        raise ConfigError(f"{certificate} and {key}: expected a certificate chain and a private key, both as PEM")
    import c2pa

    try:
        _sign_pixel(Credentials(b"".join(chain), keys[0]))
    except (c2pa.C2paError, ValueError, TypeError) as error:
        raise ConfigError(f"{certificate} cannot sign: {error}; see docs/provenance.md for what it needs") from error
    return Credentials(b"".join(chain), keys[0], time_stamp)


def authority() -> bytes | None:
    """Certificate of the local authority as PEM; None where there is none yet."""
    path = config_folder() / "signer.pem"
    if not path.is_file():
        return None
    chain, _ = _split(read_bytes(path, "certificate", MediaError))
    return chain[-1] if len(chain) == 2 else None


def _sign_pixel(credentials: Credentials) -> None:
    import c2pa

    pixel = io.BytesIO()
    Pillow.new("L", (1, 1)).save(pixel, "PNG")
    created = {"action": "c2pa.created", "digitalSourceType": "http://c2pa.org/digitalsourcetype/empty"}
    actions = {"label": "c2pa.actions.v2", "data": {"actions": [created]}}
    claims = {"claim_generator_info": [{"name": "talkface"}], "assertions": [actions]}
    with open_signer(credentials) as signer, c2pa.Builder(claims) as builder:
        builder.sign(signer, "image/png", pixel, io.BytesIO())


def _split(text: bytes) -> tuple[list[bytes], list[bytes]]:
    """Certificates and private keys of a PEM file, each in its order."""
    blocks = [
        (match[1], match[0].rstrip() + b"\n")
        for match in re.finditer(rb"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----\n?", text, flags=re.DOTALL)
    ]
    return [block for kind, block in blocks if kind == b"CERTIFICATE"], [
        block for kind, block in blocks if kind.endswith(b"PRIVATE KEY")
    ]


def _algorithm(key: bytes) -> str:
    """Name of C2PA's signing algorithm for a private key."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    private = serialization.load_pem_private_key(key, None)
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return "ED25519"
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return {256: "ES256", 384: "ES384"}.get(private.key_size, "ES512")
    return "PS256"


def _expired(certificate: bytes) -> bool:
    from cryptography import x509

    return x509.load_pem_x509_certificate(certificate).not_valid_after_utc <= datetime.datetime.now(datetime.UTC)


def _issue() -> bytes:
    """Leaf and authority, and their keys, as one PEM text."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    certificates = [_certificate(*keys, leaf=True), _certificate(keys[1], keys[1], leaf=False)]
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    blocks = [certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates]
    return b"".join([*blocks, *(key.private_bytes(*plain) for key in keys)])


def _certificate(key: Any, issuer: Any, *, leaf: bool) -> Any:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def name(common: str) -> x509.Name:
        parts = ((NameOID.ORGANIZATION_NAME, "talkface"), (NameOID.COMMON_NAME, common))
        return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts])

    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
    )
    usage |= {"decipher_only": False, "digital_signature": leaf, "key_cert_sign": not leaf, "crl_sign": not leaf}
    now = datetime.datetime.now(datetime.UTC)
    identifier = x509.SubjectKeyIdentifier.from_public_key
    years = 10  # of validity: without a time stamp, a signature ends with its certificate
    builder = (
        x509.CertificateBuilder()
        .subject_name(name("talkface on this computer" if leaf else "talkface local authority"))
        .issuer_name(name("talkface local authority"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365 * years))
        .add_extension(x509.BasicConstraints(ca=not leaf, path_length=None if leaf else 0), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(identifier(key.public_key()), critical=False)
    )
    if leaf:
        known = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())
        signs_documents = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(signs_documents, critical=False).add_extension(known, critical=False)
    return builder.sign(issuer, hashes.SHA256())
