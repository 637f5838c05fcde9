"""Looks are scored word by word against what was rendered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from describer.look_scores import look_scores
from describer.seg.looks import with_looks
from describer.seg.synth import render
from describer.seg.truth import appearances
from describer.types import Scene, View


class Knowing:
    """Tells what was rendered, or the contrary of one word."""

    def __init__(self, lie: bool = False) -> None:
        self.lie, self.seed = lie, 40

    def see(self, image: np.ndarray, scene: Scene) -> Scene:
        rendered = render(self.seed, "mixed", (image.shape[1], image.shape[0]))
        self.seed += 1
        looks = appearances(scene, rendered)
        regions = tuple(
            replace(r, appearance=replace(looks[r.id], glare=looks[r.id].glare != self.lie)) if r.id in looks else r
            for r in scene.regions
        )
        view = rendered.view if not self.lie else View(blur=not rendered.view.blur)
        return replace(scene, regions=regions, view=view)


def test_the_truth_scores_one_and_a_lie_costs_its_own_word_only() -> None:
    true, lying = (look_scores(Knowing(lie), 3, 40) for lie in (False, True))  # type: ignore[arg-type]
    assert all(row["accuracy"] == 1.0 for row in true.values())
    assert true["region cover"]["n"] > true["view smoke"]["n"] == 3
    assert lying["region glare"]["accuracy"] == lying["view blur"]["accuracy"] == 0.0
    assert lying["region colour"] == true["region colour"]


def test_what_is_measured_is_nearly_what_was_rendered_and_no_view_is_told_without_a_head() -> None:
    class Measuring:
        def see(self, image: np.ndarray, scene: Scene) -> Scene:
            return with_looks(scene, image, None)

    scores = look_scores(Measuring(), 4, 40)  # type: ignore[arg-type]
    assert scores["region colour"]["accuracy"] > 0.8 and scores["region glare"]["accuracy"] > 0.8
    assert not any(name.startswith("view") for name in scores)
