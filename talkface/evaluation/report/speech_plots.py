"""Scored clips -> PNG plots: the mouth's opening over time, real beside predicted, and the scores of every speaker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from talkface.evaluation.tables.speech_scores import Baseline, ScoredClip
from talkface.files.write import atomic_file
from talkface.metrics.landmark import opening_series
from talkface.metrics.stats import Score
from talkface.metrics.sync import frame_levels
from talkface.types import FloatArray, Waveform


@dataclass(frozen=True)
class SpeechPlotSettings:
    """Size and length of the speech plots."""

    dpi: int = 110
    most_speakers: int = 60  # on one picture: of more, the worst, the best and as many evenly between
    longest_s: float = 8.0  # of a clip on the plot: more and syllables run together


SPEECH_PLOT = SpeechPlotSettings()


def plot_openings(path: Path, clips: Sequence[ScoredClip], system: str) -> None:
    """Inner-lip opening over time, one panel per clip: real, predicted, and the sound's level behind them.

    Args:
        path: PNG to write.
        clips: in the order of the panels.
        system: name of the network among the scores.
    """
    figure = Figure(figsize=(11, 0.9 + 1.75 * len(clips)), dpi=SPEECH_PLOT.dpi, layout="constrained")
    panels = figure.subplots(len(clips), 1, squeeze=False)[:, 0]
    for axes, scored in zip(panels, clips, strict=True):
        _opening_panel(axes, scored, system)
    panels[-1].set_xlabel("time (s)")
    figure.supylabel("inner-lip opening\n(% of the outer-eye distance)", fontsize=10)  # one panel is no higher
    save_figure(figure, panels[0], path)


def plot_speakers(path: Path, rows: Sequence[tuple[str, Mapping[str, Mapping[str, Score]]]], system: str) -> None:
    """Scores of every speaker as dots with their intervals over clips, network beside the baselines.

    Args:
        path: PNG to write.
        rows: (what the axis says, system -> speaker -> score), one panel each.
        system: name of the network, whose order the speakers follow.
    """
    speakers = sorted(rows[0][1][system], key=lambda name: rows[0][1][system][name].value)
    speakers = [
        speakers[i] for i in np.unique(np.linspace(0, len(speakers) - 1, SPEECH_PLOT.most_speakers).round().astype(int))
    ]
    height = 1.4 + 0.26 * len(speakers)
    figure = Figure(figsize=(12, height), dpi=SPEECH_PLOT.dpi, layout="constrained")
    panels = figure.subplots(1, len(rows), sharey=True, squeeze=False)[0]
    for axes, (label, systems) in zip(panels, rows, strict=True):
        _dot_panel(axes, label, systems, speakers, system)
    panels[0].set_yticks(range(len(speakers)), [plain_text(name) for name in speakers], fontsize=8)
    save_figure(figure, panels[-1], path)


def _opening_panel(axes: Axes, scored: ScoredClip, system: str) -> None:
    clip = scored.clip
    count = min(len(clip), round(SPEECH_PLOT.longest_s * clip.fps))
    times = np.arange(count) / float(clip.fps)
    real = 100 * clip.openings[:count]
    top = 1.15 * max(float(np.nanmax(real)), float(100 * opening_series(scored.motions[system]).max()), 1.0)
    axes.fill_between(times, 0, top * _level(scored, count), color="0.9", lw=0, label="sound level")
    for colour, width, name, values in (
        ("tab:blue", 0.8, "predicted from another clip's sound", opening_series(scored.motions[Baseline.OTHER])),
        ("0.15", 2.2, "real", clip.openings),
        ("tab:red", 1.6, f"predicted ({system})", opening_series(scored.motions[system])),
    ):
        axes.plot(times, 100 * values[:count], color=colour, lw=width, label=plain_text(name))
    axes.set(xlim=(0, max(times[-1], 1e-3)), ylim=(0, top))
    plain_axes(axes)
    axes.tick_params(labelsize=8)
    row = next(row for row in scored.rows if row.system == system)
    words = f"{clip.speaker}, {clip.key}    r {row['r']:.2f}, lag {row['lag']:+.0f}, LMD {100 * row['lmd']:.1f} %"
    axes.set_title(plain_text(words), fontsize=9, loc="left", pad=3)


def _level(scored: ScoredClip, count: int) -> FloatArray:
    """Sound under every frame in 0..1, 40 dB deep."""
    levels = frame_levels(Waveform(scored.clip.prepared.audio), scored.clip.fps, len(scored.clip))[:count]
    decibels = 20 * np.log10(np.maximum(levels / max(levels.max(), 1e-9), 1e-4))
    return np.asarray(np.clip(1 + decibels / 40, 0, 1))


def _dot_panel(
    axes: Axes, label: str, systems: Mapping[str, Mapping[str, Score]], speakers: Sequence[str], system: str
) -> None:
    colours = {system: "tab:red", Baseline.OTHER: "tab:blue"}
    for name, scores in systems.items():
        places = [(row, scores[speaker]) for row, speaker in enumerate(speakers) if scores[speaker].count]
        colour = colours.get(name, "0.5")
        for row, score in places:
            axes.plot([score.low, score.high], [row, row], color=colour, lw=1.2, alpha=0.6)
        values, marks = [score.value for _, score in places], [row for row, _ in places]
        axes.plot(values, marks, "o", color=colour, ms=5, label=plain_text(name))
    axes.set_xlabel(label)
    plain_axes(axes)


def plain_text(text: str) -> str:
    """A dollar sign would begin a formula, an underscore in front would hide a line from the legend."""
    return text.replace("$", r"\$").lstrip("_")


def plain_axes(axes: Axes) -> None:
    """Thin grid, no frame at the top and right."""
    axes.grid(alpha=0.3, lw=0.5)
    axes.spines[["top", "right"]].set_visible(False)


def save_figure(figure: Figure, named: Axes, path: Path) -> None:
    """Write a PNG with a legend of the lines of one panel, whole or not at all."""
    handles, labels = named.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=len(labels), frameon=False, fontsize=9)
    with atomic_file(path) as part:
        figure.savefig(part, format="png")
