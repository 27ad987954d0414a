"""Photo and speech in a browser, by Gradio: pip install 'talkface[gradio]'; python demo/app.py"""

import os
import tempfile
from pathlib import Path

import gradio
import numpy as np

import talkface

HERE = Path(__file__).parent
animator = talkface.Animator.from_pretrained()


def make(
    photo: np.ndarray | None,
    speech: str | None,
    still: bool,
    expression_scale: float,
    seed: float,
    consent: bool,
    progress: gradio.Progress = gradio.Progress(),  # noqa: B008 - this default makes Gradio show it
) -> tuple[str, str]:
    """One video, and the remarks on photo and speech."""
    if photo is None or speech is None:
        raise gradio.Error("Give a photo and speech.")
    if not consent:
        raise gradio.Error("Animate only people who agreed.")
    handle, out = tempfile.mkstemp(suffix=".mp4", prefix="talkface_")
    os.close(handle)
    try:
        options = talkface.AnimateOptions(still=still, expression_scale=expression_scale, seed=int(seed), force=True)
        clip = animator.animate(photo, speech, options)
        result = clip.save(out, progress=lambda done, total: progress((done, total), unit="frames"))
    except talkface.errors.TalkfaceError as error:
        raise gradio.Error(str(error)) from error
    return out, "\n".join(result.notes)


page = gradio.Interface(
    make,
    [
        gradio.Image(label="Photo", sources=["upload", "webcam", "clipboard"]),
        gradio.Audio(label="Speech", type="filepath"),
        gradio.Checkbox(label="Keep the head still"),
        gradio.Slider(0, 2, 1, label="Motion of mouth and brows"),
        gradio.Number(0, label="Seed", precision=0, minimum=0),
        gradio.Checkbox(label="The person in the photo agreed, or it is me"),
    ],
    [gradio.Video(label="Video, marked as synthetic"), gradio.Textbox(label="Remarks")],
    title="talkface",
    description="A photo and a speech clip become a video of that person speaking.",
    examples=[[str(HERE / "portraits" / "collins.jpg"), str(HERE / "speech" / "english.flac"), False, 1, 0, True]],
    cache_examples=False,
    flagging_mode="never",
)

if __name__ == "__main__":
    page.queue(max_size=20).launch()
