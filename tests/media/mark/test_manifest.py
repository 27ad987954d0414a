"""Manifests of C2PA: signed on this computer, read back, and broken where bytes were altered."""

import datetime
import stat
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from talkface.errors import ConfigError, MediaError
from talkface.media.mark.spread import payload_of
from talkface.media.mark.tag import mark_comment, verify_mark
from talkface.media.read import read_frames
from talkface.media.write import VideoWriter

pytest.importorskip("c2pa")
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from talkface.media.mark.manifest import SOURCE, find_credentials, read_manifest
from talkface.media.mark.signer import authority, local_credentials
from talkface.media.mark.tag import Origin

INPUTS = {"photo": "0" * 64, "speech": "1" * 64}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "talkface"


def write(path: Path, frame: np.ndarray, origin: Origin | None = None, count: int = 5) -> Path:
    with VideoWriter(path, (frame.shape[1], frame.shape[0]), Fraction(25), origin=origin, force=True) as writer:
        for _ in range(count):
            writer.write(frame)
    return path


def own_certificate(folder: Path, usage: x509.ObjectIdentifier) -> tuple[Path, Path]:
    """Certificate of an authority that talkface does not know, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP384R1())
    name = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Ada Ltd"), x509.NameAttribute(NameOID.COMMON_NAME, "Ada")]
    )
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=9))
        .add_extension(x509.BasicConstraints(False, None), critical=True)
        .add_extension(x509.KeyUsage(True, False, False, False, False, False, False, False, False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA384())
    )
    pem = serialization.Encoding.PEM
    (folder / "chain.pem").write_bytes(certificate.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(private)
    return folder / "chain.pem", folder / "key.pem"


@pytest.mark.parametrize("suffix", [".mp4", ".m4v", ".mov"])
def test_a_video_is_signed_with_what_it_was_made_of(
    config: Path, tmp_path: Path, astronaut: np.ndarray, suffix: str
) -> None:
    origin = Origin(INPUTS, {"hybrid": "2" * 64}, "she agreed", find_credentials(None, None, None))
    path = write(tmp_path / f"o{suffix}", astronaut, origin)
    found = read_manifest(path)
    assert found is not None
    assert (found.state, found.altered, found.failures, found.synthetic) == ("trusted", False, (), True)
    assert found.signer == "talkface on this computer, talkface"
    mark = payload_of(astronaut, mark_comment()).hex()
    wanted = {"inputs": INPUTS, "networks": {"hybrid": "2" * 64}, "consent": "she agreed", "invisible_mark": mark}
    assert found.details == wanted
    assert verify_mark(path) and len(list(read_frames(path))) == 5
    assert SOURCE.encode() in path.read_bytes()
    assert sorted(item.name for item in tmp_path.iterdir() if item.is_file()) == [path.name]


def test_the_certificate_is_made_once_and_for_the_owner_alone(config: Path) -> None:
    first, again = local_credentials(), local_credentials()
    assert first == again
    assert stat.S_IMODE((config / "signer.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE(config.stat().st_mode) == 0o700
    leaf, root = (x509.load_pem_x509_certificate(text) for text in (first.chain, authority()))
    leaf.verify_directly_issued_by(root)
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    (config / "signer.pem").write_text("nonsense")
    with pytest.raises(MediaError, match="damaged or has expired: delete it"):
        local_credentials()


def test_one_altered_byte_is_noticed(config: Path, tmp_path: Path, astronaut: np.ndarray) -> None:
    path = write(tmp_path / "o.mp4", astronaut)
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    found = read_manifest(path)
    assert found is not None and (found.state, found.altered) == ("invalid", True)


def test_another_computer_calls_it_valid_but_unknown(
    config: Path, tmp_path: Path, astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, anchor = write(tmp_path / "o.mp4", astronaut), authority()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "elsewhere"))
    for trusted, state in ((None, "valid"), (anchor, "trusted")):
        found = read_manifest(path, trusted)
        assert found is not None and (found.state, found.failures) == (state, ())


def test_a_certificate_of_ones_own(config: Path, tmp_path: Path, astronaut: np.ndarray) -> None:
    certificate, key = own_certificate(tmp_path, ExtendedKeyUsageOID.EMAIL_PROTECTION)
    found = read_manifest(
        write(tmp_path / "o.mp4", astronaut, Origin(credentials=find_credentials(certificate, key, None)))
    )
    assert found is not None and found.signer == "Ada, Ada Ltd" and found.state in ("valid", "trusted")
    assert not config.exists()


def test_certificates_that_cannot_sign_are_refused_before_any_work(tmp_path: Path, config: Path) -> None:
    certificate, key = own_certificate(tmp_path, ExtendedKeyUsageOID.SERVER_AUTH)
    with pytest.raises(ConfigError, match="cannot sign"):
        find_credentials(certificate, key, None)
    (tmp_path / "text.pem").write_text("words")
    with pytest.raises(ConfigError, match="expected a certificate chain"):
        find_credentials(certificate, tmp_path / "text.pem", None)
    with pytest.raises(MediaError, match="no certificate"):
        find_credentials(tmp_path / "none.pem", key, None)


def test_a_home_that_may_not_be_written_leaves_tag_and_mark(
    tmp_path: Path, astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    path = write(tmp_path / "o.mp4", astronaut)
    assert read_manifest(path) is None and verify_mark(path)


def test_footage_that_is_not_synthetic_is_not_signed(config: Path, tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "o.mp4", (64, 64), Fraction(25), synthetic=False) as writer:
        writer.write(np.zeros((64, 64, 3), np.uint8))
    assert read_manifest(tmp_path / "o.mp4") is None


def test_files_without_a_manifest(tmp_path: Path, astronaut: np.ndarray) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), astronaut)
    (tmp_path / "a.mp4").write_bytes(b"no video")
    (tmp_path / "a.txt").write_bytes(b"text")
    assert read_manifest(tmp_path / "a.png") is None and read_manifest(tmp_path / "a.txt") is None
    broken = read_manifest(tmp_path / "a.mp4")
    assert broken is None or broken.state == "invalid"
