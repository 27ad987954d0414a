"""The page in a real browser: a photo and speech are chosen, a video is made and played, a person talks live."""

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn

from talkface.inference.request import AnimateOptions
from talkface.media.read import read_frames
from talkface.options import options_of
from talkface.serve.app import create_app
from talkface.serve.options import user_options
from talkface.serve.server import Server
from talkface.testing.clips import draw_person, mouth_motion, speech_of

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WORDS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --use-fake-ui-for-media-stream --use-fake-device-for-media-stream "
    "--autoplay-policy=no-user-gesture-required"
)
PATIENCE_MS = 60_000
CODECS = 'video/mp4; codecs="avc1.42E01F,mp4a.40.2"'  # as docs/serve.md says, for Media Source


@pytest.fixture(scope="module")
def url(server: Server) -> Iterator[str]:
    listening = socket.create_server(("127.0.0.1", 0))
    web = uvicorn.Server(uvicorn.Config(create_app(server), log_level="warning"))
    thread = threading.Thread(target=lambda: web.run(sockets=[listening]), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    web.should_exit = True
    thread.join(timeout=30)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    play = pytest.importorskip("playwright.sync_api")
    if BROWSER is None:
        pytest.skip("needs a browser: apt-get install chromium")
    with play.sync_playwright() as driver:
        shown = driver.chromium.launch(executable_path=BROWSER, args=WORDS.split())
        yield shown
        shown.close()


@pytest.fixture
def page(browser: Any, url: str) -> Iterator[Any]:
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.set_default_timeout(PATIENCE_MS)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(url)
    page.wait_for_selector("#option-fps", state="attached")
    yield page
    assert not faults
    page.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, photo: bytes, to_wav: Any) -> tuple[Path, Path]:
    folder, rng = tmp_path_factory.mktemp("uploads"), np.random.default_rng(7)
    (folder / "ada.png").write_bytes(photo)
    sound = speech_of(mouth_motion(rng, 40), draw_person(rng), rng)
    (folder / "speech.wav").write_bytes(to_wav(sound))
    return folder / "ada.png", folder / "speech.wav"


def choose(page: Any, files: tuple[Path, Path]) -> None:
    page.set_input_files("#photo", files[0])
    page.set_input_files("#speech", files[1])
    page.wait_for_selector("#photo-notes .good")
    page.wait_for_selector("#speech-notes .good")


def test_a_video_is_made_and_plays_to_its_end(page: Any, files: tuple[Path, Path]) -> None:
    assert page.is_disabled("#make")
    choose(page, files)
    assert page.is_disabled("#make")  # without consent
    page.check("#consent")
    page.click("#fold-1 summary")
    page.check("#option-still")
    page.click("#make")
    page.wait_for_selector("#done:not([hidden])")
    assert "40 frames" in page.inner_text("#status")
    page.evaluate("document.getElementById('player').playbackRate = 4")
    page.wait_for_function("document.getElementById('player').ended")
    size = page.evaluate(
        "[document.getElementById('player').videoWidth, document.getElementById('player').videoHeight]"
    )
    assert size == [160, 160]
    with page.expect_download() as download:
        page.click("#download")
    assert Path(download.value.path()).read_bytes()[4:8] == b"ftyp"
    page.click("#side")
    assert page.is_visible("#beside") and page.is_visible("#player")
    assert page.inner_text("#jobs .pill") == "done"
    page.click("#jobs button:has-text('Delete')")
    page.wait_for_selector("#jobs-card", state="hidden")


def test_a_video_is_captioned_and_checked(page: Any, files: tuple[Path, Path], tmp_path: Path) -> None:
    choose(page, files)
    (tmp_path / "words.srt").write_text("1\n00:00:00,000 --> 00:00:01,500\nhello there\n")
    page.set_input_files("#captions", tmp_path / "words.srt")
    page.wait_for_selector("#captions-notes .good")
    page.check("#consent")
    page.click("#make")
    page.wait_for_selector("#done:not([hidden])")
    with page.expect_download() as download:
        page.click("#download")
    made = tmp_path / "made.mp4"
    download.value.save_as(made)
    frame, _ = next(read_frames(made))
    bottom = frame[int(0.7 * frame.shape[0]) :].astype(int)
    assert (bottom.min(-1) > 150).sum() > 20  # white letters; nothing else there is as bright
    page.set_input_files("#verify", made)
    page.wait_for_selector("#verify-layers li:nth-child(3)")
    assert "synthetic, says the file itself" in page.inner_text("#verify-summary")
    assert page.locator("#verify-layers .good").count() >= 2
    page.set_input_files("#verify", files[0])
    page.wait_for_function("document.getElementById('verify-summary').textContent.includes('no mark')")
    page.set_input_files("#verify", files[1])
    page.wait_for_selector("#verify-summary.error")
    page.click("#captions-off")
    assert page.locator("#captions-notes li").count() == 0
    page.click("#jobs button:has-text('Delete')")
    page.wait_for_selector("#jobs-card", state="hidden")


def test_every_option_of_requests_is_on_the_page(page: Any) -> None:
    assert page.locator("#folds details").count() == 3
    shown = {found.get_attribute("id") for found in page.locator("#folds input, #folds select").all()}
    assert "option-gaze-2" in shown  # of a pair, each number has its slider
    shown.remove("option-gaze-2")
    assert shown == {f"option-{name}" for name in user_options()}
    help_texts = page.locator("#folds .option small").all_text_contents()
    assert set(help_texts) == {options_of(AnimateOptions)[name].meta["help"] for name in user_options()}


def test_what_is_wrong_is_said_beside_it(page: Any, files: tuple[Path, Path]) -> None:
    page.set_input_files("#photo", files[1])
    page.wait_for_selector("#photo-notes .bad")
    assert page.is_disabled("#mic")
    choose(page, files)
    page.check("#consent")
    page.click("#fold-0 summary")
    page.fill("#option-fps", "nine")
    page.keyboard.press("Tab")
    page.click("#make")
    page.wait_for_selector("#error:not([hidden])")
    assert "invalid fps 'nine'" in page.inner_text("#error") and page.is_enabled("#make")


def test_the_keyboard_reaches_everything_in_order(page: Any) -> None:
    reached = []
    for _ in range(14):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    wanted = ["photo", "webcam", "speech", "record"]
    assert [each for each in reached if each in wanted][:4] == wanted and "consent" in reached


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_without_scrolling_sideways(browser: Any, url: str, scheme: str) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 700}, color_scheme=scheme)
    page.goto(url)
    page.wait_for_selector("#option-fps", state="attached")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    shades = page.evaluate("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]")
    ground, ink = (sum(map(int, shade[4:-1].split(",")[:3])) for shade in shades)
    assert (ground > ink) is (scheme == "light")
    page.close()


def test_a_photo_by_camera_and_speech_by_microphone(page: Any) -> None:
    page.click("#webcam")
    page.wait_for_function("document.getElementById('camera-video').videoWidth > 0")
    page.click("#snap")
    page.wait_for_selector("#photo-notes .bad")  # the browser's stand-in for a camera shows no face
    page.click("#record")
    page.wait_for_function("document.getElementById('record-status').textContent > '0.5'")
    page.click("#record")
    page.wait_for_selector("#speech-notes .good")


def test_a_person_talks_live_and_is_interrupted(page: Any, files: tuple[Path, Path]) -> None:
    choose(page, files)
    page.check("#consent")
    page.click("#say")
    page.wait_for_function("Number(document.getElementById('live').dataset.shown) > 30")
    page.click("#hush")
    page.click("#mic")
    page.wait_for_function("document.getElementById('mic').classList.contains('on')")
    page.click("#end")
    page.wait_for_selector("#live-stage", state="hidden")
    assert page.inner_text("#live-status") == "Ended."


def test_media_source_plays_the_growing_mp4(page: Any, files: tuple[Path, Path]) -> None:
    if not page.evaluate(f"MediaSource.isTypeSupported({CODECS!r})"):
        pytest.skip("this browser has no H.264")
    page.set_input_files("#photo", files[0])
    page.wait_for_selector("#photo-notes .good")
    page.evaluate(
        """kind => {
            const media = new MediaSource(), video = document.getElementById('player'), waiting = [];
            video.src = URL.createObjectURL(media); video.muted = true;
            media.onsourceopen = () => {
                const buffer = media.addSourceBuffer(kind);
                const next = () => { if (!buffer.updating && waiting.length) buffer.appendBuffer(waiting.shift()); };
                buffer.onupdateend = next;
                const socket = new WebSocket(`ws://${location.host}/v1/live`); socket.binaryType = 'arraybuffer';
                socket.onopen = async () => {
                    socket.send(JSON.stringify({photo: state.photo.size, rate: 16000, format: 'mp4', consent: true}));
                    socket.send(await state.photo.arrayBuffer());
                };
                socket.onmessage = event => {
                    if (typeof event.data !== 'string') { waiting.push(event.data); next(); }
                };
                video.play();
            };
        }""",
        CODECS,
    )
    until = time.monotonic() + 30
    while page.evaluate("document.getElementById('player').currentTime") < 1 and time.monotonic() < until:
        time.sleep(0.1)
    assert page.evaluate("document.getElementById('player').currentTime") >= 1
    assert page.evaluate("document.getElementById('player').error") is None
