"""How often answers were right at a confidence, by who gave them and to what kind of question: curves to keep.

An answer read off the scene and one of the language model mean different things by 0.5. Here each gets a curve of its
own (`describer.confidence`), and so does each kind of question that was asked often enough.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from describer.confidence import Calibration, Curve, answer_curve, fit_curve, read_calibration, write_calibration
from describer.vqa_evaluation.asking import PLAIN
from describer.vqa_evaluation.scoring import Scored

_FEWEST = 25


def answer_curves(found: Scored, chosen: Iterable[int]) -> dict[str, Curve]:
    """Curves of the chosen answers by their names in a calibration; kinds with fewer than 25 answers have none.

    The curve of who answers is of the kinds that have none of their own, where those are 25, or else of all.
    """
    by_kind: dict[tuple[str, str | None], list[int]] = defaultdict(list)
    for i in chosen:
        said = found.plain[i]
        if said.confidence is not None:
            by_kind[said.by, said.kind].append(i)
    groups: dict[str, list[int]] = {}
    for by in {by for by, _ in by_kind}:
        own = {kind: rows for (who, kind), rows in by_kind.items() if who == by and kind is not None}
        large = {kind: rows for kind, rows in own.items() if len(rows) >= _FEWEST}
        everything = [i for (who, _), rows in by_kind.items() if who == by for i in rows]
        rest = sorted({*everything}.difference(*large.values()))
        groups[answer_curve(by)] = rest if len(rest) >= _FEWEST else everything
        groups.update({answer_curve(by, kind): rows for kind, rows in large.items()})
    return {
        name: fit_curve([found.plain[i].confidence or 0.0 for i in rows], [bool(found.values[i]) for i in rows])
        for name, rows in groups.items()
        if len(rows) >= _FEWEST
    }


def cross_fitted(found: Scored) -> Scored:
    """The answers with calibrated confidences, each from curves of the other half of the videos: none judges itself."""
    half = [hashlib.sha256(video.encode()).digest()[0] % 2 for video in found.videos]
    made = list(found.plain)
    for side in (0, 1):
        curves = answer_curves(found, [i for i, other in enumerate(half) if other != side])
        calibration = Calibration(curves, "the other half")
        for i, own in enumerate(half):
            said = found.plain[i]
            if own == side:
                made[i] = replace(said, confidence=calibration.of_answer(said.by, said.kind, said.confidence))
    return replace(found, said={**found.said, PLAIN: tuple(made)})


def keep_curves(folder: Path, found: Scored, split: str) -> Path | None:
    """Put the curves of all answers beside those of the model's texts; None where there are too few answers."""
    curves = answer_curves(found, range(len(found.questions)))
    if not curves:
        return None
    before = read_calibration(folder)
    kept = {} if before is None else {k: v for k, v in before.curves.items() if not k.startswith("answer")}
    made_with = {} if before is None else before.made_with
    name = split if before is None else f"{before.split}; answers: {split}"
    return write_calibration(folder, Calibration({**kept, **curves}, name, made_with))
