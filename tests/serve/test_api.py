"""The HTTP API: what a client sends and gets, in the right order and in every wrong one."""

import io
import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from starlette.testclient import TestClient

import talkface
from talkface.errors import ConfigError, MediaError
from talkface.inference.request import AnimateOptions
from talkface.media.mark.tag import verify_mark
from talkface.media.read import probe_video
from talkface.options import options_of
from talkface.serve.app import create_app
from talkface.serve.options import TEXTS, ServeOptions, read_options, user_options
from talkface.serve.replies import CODES
from talkface.serve.server import Server, open_server

Wait = Callable[..., dict[str, Any]]


def form(photo: bytes | None, speech: bytes | None, **fields: str) -> dict[str, Any]:
    files = {"photo": ("../../p.png", photo), "speech": ("s.wav", speech)}
    return {"files": {k: v for k, v in files.items() if v[1] is not None}, "data": {"consent": "true", **fields}}


def code(response: Any) -> str:
    body = response.json()
    assert set(body) == {"error"} and set(body["error"]) == {"code", "message"}
    assert "\n" not in body["error"]["message"] and body["error"]["message"]
    return body["error"]["code"]


def test_a_photo_and_speech_become_a_marked_video(
    client: TestClient, photo: bytes, speech: bytes, wait_for: Wait, video_file: Path, server: Server
) -> None:
    asked = client.post("/v1/videos", **form(photo, speech, options='{"fps": 20, "still": true}'))
    assert asked.status_code == 202, asked.text
    job = asked.json()
    assert job["progress"]["total"] == 20 and job["photo"]["faces"] == 1 and len(job["photo"]["box"]) == 4
    done = wait_for(client, job["id"])
    assert done["state"] == "done" and done["progress"] == {"frames": 20, "total": 20}
    assert done["expires"] > done["created"]
    answer = client.get(done["video"])
    assert answer.headers["content-type"] == "video/mp4"
    video_file.write_bytes(answer.content)
    info = probe_video(video_file)
    assert info.fps == 20 and info.size == (160, 160) and verify_mark(video_file)
    part = client.get(done["video"], headers={"Range": "bytes=0-9"})
    assert part.status_code == 206 and part.content == answer.content[:10]
    assert done["id"] in {each["id"] for each in client.get("/v1/jobs").json()["jobs"]}
    assert client.delete(f"/v1/jobs/{job['id']}").json()["state"] == "deleted"
    assert client.get(f"/v1/jobs/{job['id']}").status_code == 404
    assert not server.studio.job_folder(job["id"]).exists()


def test_a_person_is_enrolled_once(client: TestClient, photo: bytes, speech: bytes, wait_for: Wait) -> None:
    made = client.post("/v1/identities", files={"photo": photo}, data={"name": "Ida", "consent": "true"})
    assert made.status_code == 201 and made.json()["name"] == "Ida"
    key = made.json()["id"]
    assert [each["id"] for each in client.get("/v1/identities").json()["identities"]] == [key]
    job = client.post("/v1/videos", **form(None, speech, identity=key))
    assert job.status_code == 202, job.text
    assert wait_for(client, job.json()["id"])["state"] == "done"
    assert client.delete(f"/v1/identities/{key}").status_code == 200
    assert code(client.delete(f"/v1/identities/{key}")) == "not_found"
    assert code(client.post("/v1/videos", **form(None, speech, identity=key))) == "not_found"


def test_photos_are_looked_at_without_being_kept(client: TestClient, photo: bytes, server: Server) -> None:
    found = client.post("/v1/photos", files={"photo": photo}).json()
    assert found["faces"] == 1 and found["size"] == [160, 160] and np.shape(found["landmarks"]) == (68, 2)
    left, top, right, bottom = found["box"]
    assert 20 < left < right < 140 and 20 < top < bottom < 150
    assert not [each for each in (server.options.place / "jobs").iterdir() if each.name.startswith("tmp-")]


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"photo": b"GIF89a nothing"}, 422, "bad_media"),
        ({"photo": b""}, 422, "bad_media"),
        ({"photo": None}, 422, "no_photo"),
        ({"speech": None}, 422, "no_speech"),
        ({"speech": b"RIFF0000WAVE"}, 422, "bad_media"),
        ({"speech": "the photo"}, 422, "bad_media"),
        ({"consent": "no"}, 422, "no_consent"),
        ({"options": "{"}, 422, "bad_option"),
        ({"options": "[" * 9000}, 422, "bad_option"),
        ({"options": '{"fps": 0}'}, 422, "bad_option"),
        ({"options": '{"report": "/etc/x"}'}, 422, "bad_option"),
        ({"options": '{"renderer_model": "/etc/passwd"}'}, 422, "bad_option"),
        ({"options": '{"nodding": 1}'}, 422, "bad_option"),
        ({"options": '{"face": 7}'}, 422, "no_face"),
        ({"identity": "../../jobs"}, 404, "not_found"),
        ({"photo": "grey"}, 422, "no_face"),
    ],
)
def test_what_cannot_be_made_is_refused_in_one_line(
    client: TestClient, photo: bytes, speech: bytes, change: dict[str, Any], status: int, says: str, server: Server
) -> None:
    import cv2

    given: dict[str, Any] = {"photo": photo, "speech": speech, **change}
    if given["speech"] == "the photo":
        given["speech"] = photo
    if given["photo"] == "grey":
        given["photo"] = cv2.imencode(".png", np.full((64, 64, 3), 90, np.uint8))[1].tobytes()
    before = len(client.get("/v1/jobs").json()["jobs"])
    answer = client.post("/v1/videos", **form(**given))
    assert (answer.status_code, code(answer)) == (status, says), answer.text
    assert str(server.options.place) not in answer.text and "TALKFACE_" not in answer.text
    assert len(client.get("/v1/jobs").json()["jobs"]) == before


def test_large_things_are_refused(client: TestClient, photo: bytes, speech: bytes, to_wav: Any) -> None:
    import cv2

    large = client.post("/v1/videos", **form(photo, b"\0" * 2_100_000))
    assert large.status_code == 413 and code(large) == "too_large"

    def pieces() -> Any:
        for _ in range(30):
            yield b"x" * 100_000

    endless = client.post("/v1/videos", content=pieces(), headers={"content-type": "multipart/form-data; boundary=x"})
    assert endless.status_code == 413
    wide = cv2.imencode(".png", np.zeros((1100, 1100, 3), np.uint8))[1].tobytes()
    assert "pixels" in client.post("/v1/videos", **form(wide, speech)).json()["error"]["message"]

    long = client.post("/v1/videos", **form(photo, to_wav(np.zeros(16_000 * 21, np.float32))))
    assert code(long) == "bad_media"


@pytest.mark.parametrize(
    "body", [b"", b"--x", b"--x\r\n\r\n--x--", b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--"]
)
def test_malformed_multipart_is_a_bad_request(client: TestClient, body: bytes) -> None:
    answer = client.post("/v1/videos", content=body, headers={"content-type": "multipart/form-data; boundary=x"})
    assert answer.status_code in (400, 422) and code(answer)
    assert code(client.post("/v1/videos", content=body)) == "not_multipart"
    assert (
        code(client.post("/v1/videos", content=body, headers={"content-type": "multipart/form-data"})) == "bad_request"
    )


def test_unknown_places_and_methods_say_so(client: TestClient) -> None:
    assert code(client.get("/nothing")) == "not_found"
    assert code(client.put("/v1/jobs")) == "wrong_method"
    assert code(client.get("/v1/jobs/none")) == "not_found"
    assert code(client.get("/v1/jobs/none/video")) == "not_found"


def test_a_running_job_is_cancelled(client: TestClient, photo: bytes, wait_for: Wait, to_wav: Any) -> None:

    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 16_000 * 19).astype(np.float32)
    jobs = [client.post("/v1/videos", **form(photo, to_wav(noise))).json() for _ in range(2)]
    assert client.delete(f"/v1/jobs/{jobs[1]['id']}").json()["state"] == "cancelled"  # it still waits
    for _ in range(600):
        if client.get(f"/v1/jobs/{jobs[0]['id']}").json()["progress"]["frames"]:
            break
        threading.Event().wait(0.05)
    preview = client.get(f"/v1/jobs/{jobs[0]['id']}/preview")
    assert preview.status_code == 200 and preview.content[:2] == b"\xff\xd8"
    assert code(client.get(f"/v1/jobs/{jobs[0]['id']}/video")) == "not_done"
    client.delete(f"/v1/jobs/{jobs[0]['id']}")
    assert [wait_for(client, job["id"])["state"] for job in jobs] == ["cancelled", "cancelled"]


def test_metrics_health_options_and_the_api_page(client: TestClient) -> None:
    assert client.get("/healthz").json()["status"] == "ok"
    text = client.get("/metrics").text
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(len(line.rpartition(" ")) == 3 and float(line.rpartition(" ")[2]) >= 0 for line in lines)
    assert any(line.startswith('talkface_jobs{state="done"}') for line in lines)
    schema = client.get("/v1/options").json()
    assert set(schema["properties"]) == set(user_options()) and schema["x-limits"]["max_speech_s"] == 20
    assert {"/v1/videos", "/v1/identities", "/v1/jobs/{job_id}/video"} <= set(
        client.get("/openapi.json").json()["paths"]
    )
    assert client.get("/docs").status_code == 200 and client.get("/").text.startswith("<!doctype html>")


def test_no_option_of_requests_names_files_or_networks() -> None:
    for name in user_options():
        found = options_of(AnimateOptions)[name]
        assert found.choices or found.kind.__name__ in ("bool", "int", "float", "tuple", "Fraction") or name in TEXTS
    assert {"fps", "still", "face", "crop", "expression_scale"} <= set(user_options())
    assert read_options({"head-scale": 0.5}).head_scale == 0.5
    assert read_options({"background": "#00ff7f", "aspect": "9:16", "label_text": "made"}).aspect == "9:16"
    for name, value, says in (
        ("landmarks", "x", "not for requests"),
        ("background", "photo.jpg", "invalid background"),
    ):
        with pytest.raises(ConfigError, match=says):
            read_options({name: value})


@pytest.mark.parametrize(
    ("options", "suffix", "kind"),
    [('{"format": "gif"}', ".gif", "image/gif"), ('{"alpha": true}', ".webm", "video/webm")],
)
def test_other_formats_come_with_their_type(
    client: TestClient, photo: bytes, speech: bytes, wait_for: Wait, options: str, suffix: str, kind: str
) -> None:
    job = client.post("/v1/videos", **form(photo, speech, options=options)).json()
    assert wait_for(client, job["id"])["state"] == "done"
    answer = client.get(f"/v1/jobs/{job['id']}/video")
    assert answer.headers["content-type"] == kind and suffix in answer.headers["content-disposition"]


def test_captions_come_as_a_file(client: TestClient, photo: bytes, speech: bytes, wait_for: Wait) -> None:
    words = b"WEBVTT\n\n00:00.000 --> 00:00.900\nhello there\n"
    parts = {"photo": photo, "speech": speech, "captions": ("../c.vtt", words)}
    data = {"consent": "true", "options": json.dumps({"captions_as": "track", "still": True})}
    job = client.post("/v1/videos", files=parts, data=data).json()
    assert wait_for(client, job["id"])["state"] == "done"
    with av.open(io.BytesIO(client.get(f"/v1/jobs/{job['id']}/video").content)) as video:
        assert [stream.type for stream in video.streams] == ["video", "audio", "subtitle"]
    for wrong, says in ((b"no times", "no captions in the captions"), (bytes(1_500_000), "longer than 1 MB")):
        answer = client.post("/v1/videos", files=parts | {"captions": ("c.srt", wrong)}, data=data)
        assert answer.status_code == 422 and says in answer.json()["error"]["message"]


def test_marks_of_an_upload_are_looked_for(
    client: TestClient, photo: bytes, speech: bytes, wait_for: Wait, server: Server
) -> None:
    pytest.importorskip("c2pa")
    job = client.post("/v1/videos", files={"photo": photo, "speech": speech}, data={"consent": "true"}).json()
    wait_for(client, job["id"])
    made = client.get(f"/v1/jobs/{job['id']}/video").content
    found = client.post("/v1/verify", files={"file": ("renamed.bin", made)}).json()
    assert found["synthetic"] and not found["faults"] and found["c2pa"]["state"] == "trusted"
    assert [layer["state"] for layer in found["layers"]] == ["holds"] * 3
    altered = bytearray(made)
    altered[-60] ^= 1
    broken = client.post("/v1/verify", files={"file": bytes(altered)}).json()
    assert broken["layers"][2]["state"] == "broken" and "altered after it was signed" in broken["summary"]
    plain = client.post("/v1/verify", files={"file": photo}).json()
    assert not plain["synthetic"] and [layer["state"] for layer in plain["layers"]] == ["none"] * 3
    bad = client.post("/v1/verify", files={"file": b"words"})
    assert bad.status_code == 422 and bad.json()["error"]["code"] == "bad_media"
    assert str(server.options.place) not in bad.text
    assert client.post("/v1/verify", files={"photo": photo}).json()["error"]["code"] == "no_file"


def test_pages_of_other_sites_are_refused(client: TestClient, photo: bytes) -> None:
    other = client.post("/v1/photos", files={"photo": photo}, headers={"Origin": "https://evil.example"})
    assert other.status_code == 403 and code(other) == "other_origin"
    assert code(client.get("/v1/jobs", headers={"Host": "rebound.example"})) == "wrong_host"
    own = client.get("/v1/jobs", headers={"Origin": "http://testserver"})
    assert own.status_code == 200 and own.headers["x-content-type-options"] == "nosniff"


def test_a_token_is_needed_where_others_reach_the_server(tmp_path: Path, animator: Any, monkeypatch: Any) -> None:
    monkeypatch.delenv("TALKFACE_TOKEN", raising=False)
    with pytest.raises(ConfigError, match="can be reached from elsewhere"):
        ServeOptions(host="0.0.0.0")
    with pytest.raises(ConfigError, match="16 or more"):
        ServeOptions(host="0.0.0.0", token="short")
    assert ServeOptions(host="::1").is_local and ServeOptions(host="localhost").is_local
    token = "correct-horse-battery"
    monkeypatch.setenv("TALKFACE_TOKEN", token)
    server = open_server(ServeOptions(host="0.0.0.0", folder=tmp_path), animator)
    assert server.options.token == token
    with TestClient(create_app(server)) as client:
        assert client.get("/").status_code == 200 and client.get("/healthz").json()["token"] is True
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": token}, {"Authorization": "Bearer é"}):
            answer = client.get("/v1/jobs", headers={k: v.encode() for k, v in headers.items()})
            assert answer.status_code == 401 and code(answer) == "wrong_token"
        assert client.get("/v1/jobs", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_two_servers_do_not_share_a_folder(server: Server, animator: Any) -> None:
    with pytest.raises(MediaError, match="another server uses"):
        open_server(server.options, animator)
    assert json.loads(json.dumps(server.options.plain()))["port"] == 8000


def test_the_page_of_the_api_has_every_code_and_its_status() -> None:
    """docs/serve.md against the sources: what is refused is documented, by the same number."""
    root = Path(talkface.__file__).parent
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (root / "serve").glob("*.py"))
    written = {(code, status) for status, code in re.findall(r'Refusal\(\s*(\d{3}),\s*"([a-z_]+)"', sources)}
    written |= {(code, str(status)) for status, code in CODES.values()}
    page = (root.parent / "docs/serve.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \| ([\d, ]+) \|", page, re.MULTILINE)
    documented = {
        (word, number)
        for words, numbers in rows
        for word in re.findall(r"`(\w+)`", words)
        for number in numbers.split(", ")
    }
    assert len(written) > 20 and written <= documented, written - documented
