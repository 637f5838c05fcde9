"""Questions on a clip: answered frame by frame from scenes followed through time, and told with their frames.

Regions are followed by `describer.tracking`, and activities smoothed, as by ``annotate --track``. What a scene answers
exactly is read off every frame; what only the language model answers is asked of the last one.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from describer.errors import InputError
from describer.frames import iter_frames
from describer.prompts.evidence import Evidence
from describer.prompts.questions.base import number
from describer.tracking import Tracker
from describer.types import Answer, Frame, FrameRef, Scene
from describer.vqa import Answerer, Question, answer_all, evidence_of
from describer.wording import sentence_case

CLIP_S = 4.0
"""How much of a video before the time asked about makes its clip, in seconds, at a frame a second."""
_WHEN = re.compile(r"^(?:when|at what times?|in which (?:frames?|pictures?|seconds?))\s+", re.IGNORECASE)
_DIFFERENT = re.compile(r"\b(?:different|distinct|in all|altogether|in total|in the (?:whole )?clip)\b", re.IGNORECASE)


class OpenedClip:
    """Frames in order whose scenes have been found and followed: any number of questions cost the scenes once."""

    def __init__(self, answerer: Answerer, frames: Sequence[Frame], scenes: Sequence[Scene]) -> None:
        if not frames:
            raise InputError("the clip has no frames; give at least one.")
        self.frames, self.scenes = tuple(frames), tuple(_followed(frames, scenes))
        self.taxonomy = answerer.taxonomy
        self._answerer = answerer

    def of(self, answer: Answer) -> tuple[Frame, Scene]:
        """The frame that an answer's region ids belong to, the last of its frames, and its scene."""
        last = answer.frames[-1] if answer.frames else self.frames[-1].ref
        at = next(i for i, frame in enumerate(self.frames) if frame.ref == last)
        return self.frames[at], self.scenes[at]

    def ask(self, question: str, region: int | None = None, choices: Sequence[str] | None = None) -> Answer:
        """The answer to one question; ``region`` is one of the last frame's."""
        return self.ask_all([question], region, choices)[0]

    def ask_all(
        self, questions: Sequence[str | Question], region: int | None = None, choices: Sequence[str] | None = None
    ) -> list[Answer]:
        """An answer a question, in order; ``region`` and ``choices`` are those of the questions given as strings."""
        asked = [Question.of(question, region, choices) for question in questions]
        plain = [replace(question, text=_WHEN.sub("", question.text)) for question in asked]
        last = [(self.frames[-1], self.scenes[-1], question) for question in plain]
        told = zip(asked, plain, answer_all(self._answerer, last))
        return [self._over_time(question, bare, answer) for question, bare, answer in told]

    def _over_time(self, question: Question, bare: Question, last: Answer) -> Answer:
        answer = replace(last, question=question.text)
        if last.scene_answer is None or question.choices or question.region is not None:
            return replace(answer, frames=(self.frames[-1].ref,))
        moments = []
        for frame, scene in zip(self.frames, self.scenes):
            found = evidence_of(scene, bare, self._answerer.taxonomy)[1]
            if found is not None:
                moments.append(_Moment(frame.ref, scene, found))
        different = _different(moments) if _DIFFERENT.search(question.text) and last.kind == "count" else None
        return _with(answer, different or _told(moments, bool(_WHEN.match(question.text))))


@dataclass(frozen=True, slots=True)
class _Moment:
    ref: FrameRef
    scene: Scene
    evidence: Evidence

    @property
    def text(self) -> str:
        return self.evidence.text or ""


@dataclass(frozen=True, slots=True)
class _Told:
    """A text, the moments it holds of, and the regions of the last of them that it rests on."""

    text: str
    moments: tuple[_Moment, ...]


def _with(answer: Answer, told: _Told) -> Answer:
    last = told.moments[-1] if told.moments else None
    return replace(
        answer,
        text=told.text,
        scene_answer=told.text,
        frames=tuple(moment.ref for moment in told.moments),
        region_ids=answer.region_ids if last is None else last.evidence.region_ids,
    )


def _followed(frames: Sequence[Frame], scenes: Sequence[Scene]) -> list[Scene]:
    tracker, followed = Tracker(), []
    for i, (frame, scene) in enumerate(zip(frames, scenes, strict=True)):
        # Frames of any origin are one clip here, in the order given.
        ref = replace(frame.ref, index=i) if frame.ref.time_s is None else frame.ref
        followed.append(tracker.follow(ref, scene))
        tracker = tracker.after(ref, followed[-1])
    return followed


def _told(moments: Sequence[_Moment], when: bool) -> _Told:
    """One text for the whole clip: the answer that holds throughout, when it is yes, or what holds when."""
    yes = [moment for moment in moments if moment.text.startswith("Yes")]
    if when or (yes and len(yes) < len(moments)):
        if not yes:
            return _Told("At no time.", tuple(moments))
        spans = _spans(moments, yes)
        return _Told(sentence_case(f"{spans}.") if when else f"Yes, {spans}.", tuple(yes))
    runs = [(text, list(run)) for text, run in itertools.groupby(moments, key=lambda moment: moment.text)]
    if len(runs) == 1:
        return _Told(runs[0][0], tuple(moments))
    parts = [f"{sentence_case(_span(moments, run))}: {text[:1].lower()}{text[1:]}" for text, run in runs]
    return _Told(" ".join(parts), tuple(moments))


def _different(moments: Sequence[_Moment]) -> _Told:
    """How many things were counted in all, each once however many frames show it."""
    tracks = {moment.scene.region(i).track_id for moment in moments for i in moment.evidence.region_ids}
    holding = [moment for moment in moments if moment.evidence.region_ids] or list(moments)
    return _Told(number(len(tracks)), tuple(holding))


def _spans(moments: Sequence[_Moment], some: Sequence[_Moment]) -> str:
    """ "from 2.0 to 4.0 s and at 6.0 s"."""
    chosen = {id(moment) for moment in some}
    runs = [list(run) for is_one, run in itertools.groupby(moments, key=lambda m: id(m) in chosen) if is_one]
    return " and ".join(_span(moments, run) for run in runs)


def _span(moments: Sequence[_Moment], run: Sequence[_Moment]) -> str:
    first, last = run[0], run[-1]
    if first.ref.time_s is not None and last.ref.time_s is not None:
        start, end = first.ref.time_s, last.ref.time_s
        return f"at {start:.1f} s" if first is last else f"from {start:.1f} to {end:.1f} s"
    numbers = [1 + next(i for i, moment in enumerate(moments) if moment is one) for one in (first, last)]
    return f"in frame {numbers[0]}" if first is last else f"in frames {numbers[0]} to {numbers[1]}"


def video_clip(path: str | Path, at_s: float) -> list[Frame]:
    """A video's frames of the `CLIP_S` seconds up to a time, a second apart.

    InputError when the video cannot be read there or is shorter.
    """
    if at_s < 0:
        raise InputError(f"--at must be 0 or more seconds, got {at_s:g}.")
    clip: list[Frame] = []
    # Steps counted back from the time itself, so that its own frame is the last.
    wanted = [at_s - step for step in range(int(CLIP_S), -1, -1) if at_s - step >= 0]
    end = 0.0
    for frame in iter_frames(str(path)):
        if not isinstance(frame, Frame):
            raise InputError(frame.error)
        if frame.ref.time_s is None:
            raise InputError(f"{path} is no video; leave out --at.")
        end = frame.ref.time_s
        if frame.ref.time_s + 1e-6 >= wanted[0]:
            clip.append(frame)
            wanted.pop(0)
        if not wanted:
            return clip
    raise InputError(f"{path} ends at {end:.1f} s; --at {at_s:g} is after that.")
