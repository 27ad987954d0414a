"""A face in a Pipecat pipeline, by WebRTC to a browser: the part that joins it to your own services."""

from typing import Any

from pipecat.pipeline.pipeline import Pipeline
from pipecat.transports.base_transport import TransportParams

import talkface
from talkface.serve.agents.pipecat import pipecat_face

RATE = 24_000  # Hz, of the speech service and of the transport
animator = talkface.Animator.from_pretrained()


def transport_params(width: int, height: int) -> TransportParams:
    """Parameters of the face for the transport."""
    return TransportParams(
        audio_in_enabled=True,
        audio_out_enabled=True,
        audio_out_sample_rate=RATE,
        video_out_enabled=True,
        video_out_is_live=True,
        video_out_width=width,
        video_out_height=height,
        video_out_framerate=25,
    )


def make_pipeline(photo: str, transport: Any, before: list[Any], after: list[Any]) -> Pipeline:
    """Services up to the speech service, the face, and what follows the transport's output.

    Args:
        photo: of somebody who agreed.
        transport: made with `transport_params`.
        before: such as speech recognition, context, language model and speech service.
        after: such as the context's assistant side.
    """
    face = pipecat_face(animator.live(photo, RATE))
    return Pipeline([transport.input(), *before, face, transport.output(), *after])
