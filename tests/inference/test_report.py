"""Reports and printed lines name the networks that really made a video."""

from talkface.checkpoints.format import find_weights
from talkface.inference.animator import Animator, network_names, renderer_network
from talkface.inference.request import AnimateOptions
from talkface.renderers.base import DEFAULT_INPAINTER


def test_the_default_renderer_is_named_by_the_network_that_it_loads():
    assert renderer_network(AnimateOptions()) == (DEFAULT_INPAINTER,)
    assert renderer_network(AnimateOptions(renderer="warp")) == ()
    assert renderer_network(AnimateOptions(renderer_model="mine.safetensors")) == ("mine.safetensors",)
    assert network_names(AnimateOptions(head_model="rhythm")) == ("audio2landmark", DEFAULT_INPAINTER)


def test_an_animator_knows_its_files():
    files = Animator.from_pretrained("warp", "cpu").network_files()
    assert files == {name: find_weights(name) for name in ("audio2landmark", "headmotion")}
