"""ATVGnet's networks, number for number: weights by formula, saved as ATVGnet does, through the converter."""

import functools
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from talkface.__main__ import run
from talkface.audio.mfcc import Cepstrum, FilterPower, frame_windows
from talkface.checkpoints.convert.atvgnet import ATNET, VGNET
from talkface.checkpoints.convert.atvgnet_files import EXAGGERATION
from talkface.checkpoints.format import Checkpoint, load_checkpoint, save_checkpoint
from talkface.checkpoints.load import load_audio2landmark
from talkface.data.interop.atvgnet_shapes import read_atvgnet_shapes
from talkface.errors import CheckpointError
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.models.atnet import Atnet, AtnetMember
from talkface.models.vgnet import VgNet, VgnetConfig
from talkface.models.vgnet_discriminator import RegressionDiscriminator
from talkface.renderers.load import load_renderer

soundfile = pytest.importorskip("soundfile")

EVERY = 5  # rows and columns of the stored pictures


def signed(picture: torch.Tensor) -> torch.Tensor:
    return picture.float() / 127.5 - 1


def points(flat: torch.Tensor) -> torch.Tensor:
    return flat.unflatten(-1, (68, 2))


@pytest.fixture(scope="module")
def convert(golden, tmp_path_factory) -> Callable[..., Checkpoint]:
    """Fill a network by the formula, save it as ATVGnet's scripts do, convert it on the command line, read it."""

    @functools.cache
    def through(name: str, *options: str) -> Checkpoint:
        folder = tmp_path_factory.mktemp(name)
        parallel = {f"module.{key}": tensor for key, tensor in golden(f"atvgnet_{name}").weights().items()}
        torch.save(parallel, folder / "published.pth")
        out = folder / "ours.safetensors"
        assert run(["models", "convert", "auto", str(folder / "published.pth"), str(out), *options]) == 0
        return load_checkpoint(out)

    return through


@pytest.fixture(scope="module")
def basics(tmp_path_factory) -> Path:
    """Arrays of the kind of ATVGnet's folder `basics`."""
    folder, rng = tmp_path_factory.mktemp("basics"), np.random.default_rng(3)
    centred = MEAN_FACE - MEAN_FACE.mean(0)
    shape = centred / np.linalg.norm(centred)
    np.save(folder / "mean_shape_img.npy", 60 * MEAN_FACE + 64)
    np.save(folder / "mean_shape_norm.npy", shape + 0.002 * rng.standard_normal((68, 2)))
    np.save(folder / "mean_lrw1.npy", 5 * shape.reshape(-1))
    np.save(folder / "S.npy", np.linalg.qr(rng.standard_normal((136, 100)))[0].T)
    np.save(folder / "U_lrw1.npy", np.linalg.qr(rng.standard_normal((136, 136)))[0])
    return folder


class Windows(AtnetMember):
    """Takes windows as they are instead of cutting them out of cepstra."""

    def encode_audio(self, features: torch.Tensor) -> torch.Tensor:
        return self.audio(features.flatten(0, 1)[:, None]).reshape(*features.shape[:2], -1)


@pytest.mark.parametrize("name", ["at_net", "at_single"])
def test_atnet_and_its_gradient_are_equal(name: str, convert, golden, parity, counted):
    stored = golden(f"atvgnet_{name}")
    network = load_audio2landmark(convert(name))
    assert isinstance(network, Atnet)
    counted(name, network, stored.count())
    network.member.__class__ = Windows
    windows = stored["mfcc"].requires_grad_()
    coefficients = network.member(windows, stored["example"])
    coefficients.square().sum().backward()
    parity(name, coefficients, stored["coefficients"])
    parity(f"{name}, gradient by the windows", windows.grad, stored["grad_mfcc_of_sum_squares"])


def test_a_converted_atnet_moves_faces_as_the_published_demo_does(convert, basics, golden, parity):
    stored = golden("atvgnet_at_net")
    network = load_audio2landmark(convert("at_net", "--basics", str(basics)))
    assert isinstance(network, Atnet) and network.config == ATNET
    directions, mean = np.load(basics / "U_lrw1.npy")[:, :6], np.load(basics / "mean_lrw1.npy")
    example = (read_atvgnet_shapes(basics).example().reshape(-1) - mean) @ directions
    assert np.allclose(network.usual_example.numpy(), example, atol=1e-6)
    faces = torch.randn(3, 68, 2)
    assert torch.equal(network.encode_faces(faces), network.usual_example.expand(3, -1))  # whatever the photo shows
    silence = torch.zeros(1, 200, 12)
    with torch.no_grad():
        assert network.member(silence, network.usual_example[None])[0, -1].abs().max() < 1e-6
    network.member.__class__ = Windows
    with torch.no_grad():
        ours = network.member(stored["mfcc"], stored["example"])
    difference = ours - stored["coefficients"]
    parity("at_net with its rest taken off", difference - difference[:, :1], torch.zeros_like(difference))
    moved = network.motion(ours[0, 1:] - ours[0, :1]).numpy()
    theirs = (stored["coefficients"][0, 1:] - stored["coefficients"][0, :1]).numpy() * EXAGGERATION @ directions.T
    ratio = np.linalg.norm(moved.reshape(len(moved), -1), axis=1) / np.linalg.norm(theirs, axis=1)
    assert np.ptp(ratio) < 1e-4 * ratio.mean()  # a similarity: the same motion in another unit


def test_features_are_those_of_the_published_demo(golden, parity):
    stored = golden("atvgnet_mfcc")
    power = FilterPower()(stored["speech"][None])
    cepstra = Cepstrum(ATNET.floor)(power / power.mean())[0]
    whole = 197  # rows whose 25 ms do not pass the end
    parity("MFCC", cepstra[:whole], stored["mfcc"][:whole, 1:], 1e-3)
    windows = frame_windows(cepstra[None])[0]
    inside = [3, 20, 45]  # frames whose 280 ms do not pass the ends
    parity("MFCC windows of 280 ms", windows[inside], stored["windows"], 1e-3)


@pytest.fixture(scope="module")
def vgnet(convert, basics) -> Checkpoint:
    return convert("vg_net", "--basics", str(basics))


@pytest.mark.parametrize(("name", "reset"), [("vg_net", True), ("vg_net_intended_gru", False)])
def test_vgnet_is_equal_as_published_and_as_intended(name: str, reset: bool, vgnet, golden, parity, counted):
    stored, published = golden(f"atvgnet_{name}"), golden("atvgnet_vg_net")
    assert vgnet.config["memory_reset"] and vgnet.config["landmarks"] == "atvgnet"
    with torch.device("meta"):
        network = VgNet(replace(VgnetConfig(**vgnet.config), memory_reset=reset)).eval()
    network.load_state_dict(vgnet.tensors, assign=True)
    counted(name, network, published.count())
    photo, example = signed(published.picture("atvgnet_vg_net_photo")), points(published["example_landmark"])
    with torch.no_grad():
        painted = network(photo, example, points(published["landmarks"]))
    for what, got in (("frames", painted.image), ("attention", painted.attention), ("colour", painted.colour)):
        if what in stored.arrays:
            parity(f"{name}, {what}", got[..., ::EVERY, ::EVERY], stored[what])
    if "landmark_attention" in stored.arrays:
        parity(f"{name}, landmark attention", painted.landmark_attention, stored["landmark_attention"])


def test_discriminator_is_equal_with_running_statistics_and_with_those_of_each_step(convert, golden, parity, counted):
    stored = golden("atvgnet_discriminator")
    checkpoint = convert("discriminator")
    with torch.device("meta"):
        network = RegressionDiscriminator(VgnetConfig(**checkpoint.config))
    network.load_state_dict(checkpoint.tensors, assign=True)
    counted("regression discriminator", network, stored.count())
    four = torch.cat([stored.picture(f"atvgnet_discriminator_four_pictures_{index}") for index in range(4)])
    forward = signed(torch.stack([four[t % 4] if t < 8 else 255 - four[t % 4] for t in range(16)]))
    videos = torch.stack([forward, 0.9 * forward.flip(0)])
    for mode in ("eval", "train"):
        network.train(mode == "train")
        with torch.no_grad():
            score, landmarks = network(videos, points(stored["example_landmark"]))
        parity(f"regression discriminator, {mode}", torch.sigmoid(score), stored[f"probability_{mode}"])
        parity(f"regression discriminator, {mode}, landmarks", landmarks.flatten(2), stored[f"landmarks_{mode}"])


def test_converted_networks_make_a_video(convert, basics, vgnet, astronaut, tmp_path):
    """A photo and speech through a converted AT-net and a converted VG-net, on the command line."""
    speech = 0.1 * np.random.default_rng(0).standard_normal(2400).astype(np.float32)
    soundfile.write(tmp_path / "speech.wav", speech, 16000)
    cv2.imwrite(str(tmp_path / "photo.png"), astronaut[::2, ::2, ::-1])
    save_checkpoint(tmp_path / "at.safetensors", convert("at_net", "--basics", str(basics)))
    save_checkpoint(tmp_path / "vg.safetensors", vgnet)
    words = ["animate", str(tmp_path / "photo.png"), str(tmp_path / "speech.wav"), "-o", str(tmp_path / "out.mp4")]
    words += ["--speech-model", str(tmp_path / "at.safetensors"), "--renderer", "vgnet", "--still"]
    assert (
        run([*words, "--renderer-model", str(tmp_path / "vg.safetensors"), "--save-maps", str(tmp_path / "maps")]) == 0
    )
    assert len(list((tmp_path / "maps").rglob("*.png"))) >= 4 and (tmp_path / "out.mp4").stat().st_size > 1000


def test_without_basics_a_converted_vgnet_says_what_it_needs(tmp_path):
    checkpoint = Checkpoint("vgnet", asdict(replace(VGNET, width=8, blocks=1)), {})
    with torch.random.fork_rng():
        network = VgNet(VgnetConfig(**checkpoint.config))
    save_checkpoint(tmp_path / "vg.safetensors", replace(checkpoint, tensors=network.state_dict()))
    with pytest.raises(CheckpointError, match=r"without ATVGnet's landmark arrays: convert them with --basics"):
        load_renderer("vgnet", "cpu", tmp_path / "vg.safetensors")
