"""Video and what it was made of -> the same video with a signed C2PA manifest, and back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from talkface.errors import MediaError
from talkface.files.check import matches
from talkface.files.read import refusing
from talkface.media.mark.signer import authority, local_credentials, open_signer, own_credentials
from talkface.media.mark.tag import Credentials, Origin, can_sign

KINDS = {
    **{".mp4": "video/mp4", ".m4v": "video/x-m4v", ".mov": "video/quicktime"},
    **{".gif": "image/gif", ".png": "image/png"},
}
"""Files that get a manifest, by suffix; there is none for WebM."""
SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""A photo's own pixels and a network's together, which is true of every renderer here."""
DETAILS = "talkface.provenance"
OFFLINE = {"remote_manifest_fetch": False, "ocsp_fetch": False}


@dataclass(frozen=True)
class Manifest:
    """Content of a file's manifest, and whether its signature is valid.

    Attributes:
        state: `trusted` (by the local authority or given ones), `valid` (signed by somebody unknown) or `invalid`.
        signer: common name and organisation of the certificate.
        altered: the file's bytes are not those that were signed.
        failures: C2PA's codes of what is wrong, empty where nothing is.
        synthetic: it says that a network made or changed the content.
        details: talkface's own part: inputs, networks, consent and invisible mark; empty in files of others.
    """

    state: str
    signer: str
    altered: bool
    failures: tuple[str, ...]
    synthetic: bool
    details: Mapping[str, Any]


def find_credentials(certificate: Path | None, key: Path | None, time_stamp: str | None) -> Credentials | None:
    """The user's own credentials, else the local ones; None without the extra `provenance`.

    Raises:
        ConfigError, MediaError, MissingExtraError: they cannot be used.
    """
    if certificate is not None and key is not None:
        return own_credentials(certificate, key, time_stamp)
    return local_credentials(time_stamp) if can_sign() else None


def sign_file(source: Path, target: Path, kind: str, origin: Origin, mark: bytes | None) -> None:
    """Write `source` with a signed manifest to `target`; contacts nobody unless a time stamp was asked for.

    Args:
        source: the finished file.
        target: where to write it again, with the manifest inside.
        kind: one of the values of `KINDS`.
        origin: what the file was made of.
        mark: payload of the invisible mark in it.

    Raises:
        MediaError: it cannot be signed.
    """
    import c2pa

    assert origin.credentials is not None
    settings = {"verify": {**OFFLINE, "verify_after_sign": False}, "builder": {"thumbnail": {"enabled": False}}}
    try:
        with (
            open_signer(origin.credentials) as signer,
            c2pa.Context.from_dict(settings) as context,
            c2pa.Builder(_claims(origin, mark), context=context) as builder,
            source.open("rb") as unsigned,
            target.open("w+b") as signed,
        ):
            builder.sign(signer, kind, unsigned, signed)
    except c2pa.C2paError as error:
        raise MediaError(f"{target} cannot be signed: {error}; --no-sign leaves the signature out") from error


def _claims(origin: Origin, mark: bytes | None) -> dict[str, Any]:
    ours = {"name": "talkface", "version": version("talkface")}
    created = {"action": "c2pa.created", "digitalSourceType": SOURCE, "softwareAgent": ours}
    details: dict[str, Any] = {"inputs": dict(origin.inputs), "networks": dict(origin.networks)}
    details |= {"invisible_mark": mark.hex()} if mark is not None else {}
    details |= {"consent": origin.consent} if origin.consent else {}
    return {
        "claim_generator_info": [ours],
        "ingredients": [
            {"title": what, "relationship": "inputTo", "instance_id": f"sha256:{digest}"}
            for what, digest in origin.inputs.items()
        ],
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [created]}},
            {"label": DETAILS, "data": details},
        ],
    }


def read_manifest(path: Path, trusted: bytes | None = None) -> Manifest | None:
    """The manifest inside a file; None where there is none, or the kind of file cannot hold one.

    Args:
        path: any file.
        trusted: certificates of authorities as PEM, beside the local one.

    Raises:
        MissingExtraError: the package that reads manifests is not installed.
    """
    import c2pa

    kind = kind_of(path)
    if kind is None:
        return None
    anchors = b"".join(filter(None, (authority(), trusted))).decode()
    settings: dict[str, Any] = {"verify": {**OFFLINE, "verify_trust": True}}
    settings |= {"trust": {"trust_anchors": anchors}} if anchors else {}
    try:
        with (
            path.open("rb") as file,
            c2pa.Context.from_dict(settings) as context,
            c2pa.Reader(kind, file, context=context) as reader,
        ):
            content = json.loads(reader.json())
    except c2pa.C2paError as error:
        if "ManifestNotFound" in str(error):
            return None
        return Manifest("invalid", "", False, (str(error).partition(":")[0],), False, {})
    with refusing(f"{path}: its C2PA manifest is damaged", MediaError):
        return _manifest(content)


def kind_of(path: Path) -> str | None:
    """Media type of a file that can hold a manifest, by its first bytes, whatever its name; None for all others."""
    with path.open("rb") as file:
        start = file.read(12)
    if start[4:8] == b"ftyp":
        return "video/quicktime" if start[8:12] == b"qt  " else "video/mp4"
    if start[:4] == b"RIFF" and start[8:] == b"WEBP":
        return "image/webp"
    signs = {b"\x89PNG": "image/png", b"GIF8": "image/gif", b"\xff\xd8\xff": "image/jpeg"}
    return next((kind for sign, kind in signs.items() if start.startswith(sign)), None)


def _manifest(content: dict[str, Any]) -> Manifest:
    active = content["manifests"][content["active_manifest"]]
    results = content.get("validation_results", {}).get("activeManifest", {})
    failures = tuple(dict.fromkeys(str(item["code"]) for item in results.get("failure", [])))
    broken = tuple(code for code in failures if code != "signingCredential.untrusted")
    signature = active.get("signature_info", {})
    signer = ", ".join(filter(None, (signature.get("common_name"), signature.get("issuer"))))
    assertions = active.get("assertions", [])
    details: Any = next((item["data"] for item in assertions if item["label"] == DETAILS), {})
    return Manifest(
        state=str(content.get("validation_state", "invalid")).lower() if not broken else "invalid",
        signer=signer,
        altered=any("ash.mismatch" in code for code in failures),
        failures=broken,
        synthetic="lgorithmicMedia" in json.dumps(assertions),
        details=details if matches(details, dict[str, Any]) else {},
    )
