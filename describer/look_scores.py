"""How well the scene model tells looks, held against what was rendered: accuracy, macro-F1 and n of every word."""

from __future__ import annotations

from typing import Any

from describer.eval.classification import class_scores
from describer.instructions import told_frames
from describer.scores import HELD_OUT_VLM_SEED
from describer.seg.predict import ScenePredictor
from describer.types import Appearance, View

FIRST_SEED = HELD_OUT_VLM_SEED + 20_000_000
_OF_REGION = ("colour", "cover", "glare", "sharp", "state")
_OF_VIEW = ("smoke", "blood", "glare", "blur", "dirt")


def look_scores(predictor: ScenePredictor, n: int, first_seed: int = FIRST_SEED) -> dict[str, Any]:
    """Scores on ``n`` rendered frames, of the true regions, so that a mask that is missed is not counted here too.

    By "region cover", "view smoke" and their like; a view is told by a model with a looks head only.
    """
    regions: list[tuple[Appearance, Appearance]] = []
    views: list[tuple[View, View]] = []
    for told in told_frames(first_seed, n):
        seen = predictor.see(told.frame.image, told.scene)
        known = [region for region in seen.regions if region.id in told.looks]
        regions += [(region.appearance, told.looks[region.id]) for region in known if region.appearance is not None]
        if seen.view is not None:
            views.append((seen.view, told.rendered.view))
    found = {f"region {name}": _scored(regions, name) for name in _OF_REGION}
    return found | ({f"view {name}": _scored(views, name) for name in _OF_VIEW} if views else {})


def _scored(pairs: list[tuple[Any, Any]], name: str) -> dict[str, float | int]:
    scores = class_scores([getattr(found, name) for found, _ in pairs], [getattr(true, name) for _, true in pairs])
    return {"accuracy": round(scores.accuracy, 4), "macro_f1": round(scores.macro_f1, 4), "n": scores.n}
