"""Motion of heads -> PNG plots: angles over time, real beside made, and velocity spectra."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from talkface.evaluation.report.speech_plots import SPEECH_PLOT, plain_axes, plain_text, save_figure
from talkface.evaluation.rows import REAL
from talkface.evaluation.tables.headmotion_scores import Baseline, HeadRow, band_hz, by_system, spectra
from talkface.metrics.stats import nanmean

COLOURS = {
    REAL: "0.15",
    Baseline.RHYTHM: "tab:blue",
    Baseline.WALK: "tab:green",
    Baseline.OTHER: "0.6",
    Baseline.STILL: "0.8",
}
"""By system; the network's is red."""
AXES = ("pitch", "yaw", "roll", "x", "y")


def plot_angles(path: Path, clips: Sequence[Mapping[str, HeadRow]], system: str) -> None:
    """Pitch, yaw and roll over ten seconds, a row per clip: the real head, the network and the rhythm.

    Args:
        path: PNG to write.
        clips: by system, in the order of the rows.
        system: name of the network.
    """
    figure = Figure(figsize=(13, 0.9 + 1.7 * len(clips)), dpi=SPEECH_PLOT.dpi, layout="constrained")
    panels = figure.subplots(len(clips), 3, squeeze=False, sharey="row")
    for row, clip in zip(panels, clips, strict=True):
        for axis, axes in enumerate(row):
            for name in (Baseline.RHYTHM, REAL, system):
                track = clip[name].tracks[0][:250]
                colour = COLOURS.get(name, "tab:red")
                degrees, label = np.degrees(track[:, axis]), plain_text(name)
                axes.plot(np.arange(len(track)) / 25, degrees, color=colour, lw=1.3, label=label)
            plain_axes(axes)
            axes.tick_params(labelsize=8)
        row[0].set_title(plain_text(f"{clip[REAL].person}, {clip[REAL].clip}"), fontsize=9, loc="left", pad=3)
    for axes, name in zip(panels[-1], AXES, strict=False):
        axes.set_xlabel(f"{name} over time (s)")
    figure.supylabel("degrees about the mean", fontsize=10)
    save_figure(figure, panels[0][0], path)


def plot_spectra(path: Path, rows: Sequence[HeadRow], system: str) -> None:
    """Power of the velocity over frequency, mean over people, a panel per axis of the head."""
    figure = Figure(figsize=(14, 3.4), dpi=SPEECH_PLOT.dpi, layout="constrained")
    panels = figure.subplots(1, len(AXES))
    people = sorted({row.person for row in rows})
    for name, mine in by_system(rows).items():
        if name == Baseline.STILL:
            continue
        power = nanmean(spectra(mine, people), 0)
        colour, width = COLOURS.get(name, "tab:red"), 2.4 if name in (REAL, system) else 1.2
        for axis, axes in enumerate(panels):
            axes.plot(band_hz(), 10 * np.log10(power[:, axis] + 1e-12), color=colour, lw=width, label=plain_text(name))
    for axes, name in zip(panels, AXES, strict=True):
        axes.set(title=name, xlabel="Hz")
        plain_axes(axes)
    panels[0].set_ylabel("velocity power (dB)")
    save_figure(figure, panels[0], path)
