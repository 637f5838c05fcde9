"""Annotations of a clip as subtitles, SubRip (.srt) and WebVTT (.vtt): what is done, and with which instruments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from describer.types import Annotation, Scene
from describer.wording import sentence_case

_LAST_S = 1.0


@dataclass(frozen=True, slots=True)
class Cue:
    """A text from ``start_s`` to ``end_s`` of the clip."""

    start_s: float
    end_s: float
    text: str


def cues_of(annotations: Sequence[Annotation]) -> list[Cue]:
    """One cue for every stretch of frames of which the same is said; frames without a time are a second apart.

    A frame lasts until the next one, the last one as long as the one before it. Stretches without activity and
    instruments have no cue.
    """
    times = [float(i) if a.frame.time_s is None else a.frame.time_s for i, a in enumerate(annotations)]
    last_s = times[-1] - times[-2] if len(times) > 1 else _LAST_S
    cues: list[Cue] = []
    for annotation, start_s, end_s in zip(annotations, times, [*times[1:], (times[-1] if times else 0.0) + last_s]):
        text = _said(annotation.scene)
        if cues and cues[-1].text == text and cues[-1].end_s == start_s:
            cues[-1] = replace(cues[-1], end_s=end_s)
        elif text:
            cues.append(Cue(start_s, end_s, text))
    return cues


def to_srt(annotations: Sequence[Annotation]) -> str:
    """The annotations as a SubRip file."""
    blocks = [
        f"{number}\n{_clock(cue.start_s, ',')} --> {_clock(cue.end_s, ',')}\n{_plain(cue.text)}\n"
        for number, cue in enumerate(cues_of(annotations), start=1)
    ]
    return "\n".join(blocks)


def to_vtt(annotations: Sequence[Annotation]) -> str:
    """The annotations as a WebVTT file."""
    blocks = [
        f"{_clock(cue.start_s, '.')} --> {_clock(cue.end_s, '.')}\n{_plain(cue.text)}\n" for cue in cues_of(annotations)
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def _said(scene: Scene) -> str:
    """Activity, then the instruments with what they do."""
    lines = [sentence_case(activity.label) for activity in scene.activities if activity.level == "activity"]
    deeds = {deed.region_id: deed for deed in scene.interactions if deed.verb}
    tools = []
    for region in scene.regions:
        if region.kind == "instrument":
            deed = deeds.get(region.id)
            does = f" ({' '.join(filter(None, (deed.verb, deed.target)))})" if deed else ""
            tools.append(f"{region.label}{does}")
    return "\n".join([*lines, *([", ".join(tools)] if tools else [])])


def _plain(text: str) -> str:
    """Without what players would read as markup or as the arrow of a cue."""
    return text.replace("&", "+").replace("<", "(").replace("-->", "to").replace(">", ")")


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(1000 * seconds)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"
