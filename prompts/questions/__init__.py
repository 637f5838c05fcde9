"""Questions and their true short answers, made from a Scene and, where known, from how things look.

A question about a single thing names a label with one region, or points at its region (`QA.about`). Some ask of what is
not there. Answers of yes and no come about equally often.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from describer.prompts.questions.base import KINDS, QA, TYPES, Asker
from describer.prompts.questions.doing import actions, activity, hops
from describer.prompts.questions.looks import attributes, visibility
from describer.prompts.questions.offers import offered, pool_of
from describer.prompts.questions.relating import comparisons, relations
from describer.prompts.questions.things import counting, existence, location
from describer.prompts.questions.wordings import Split
from describer.taxonomy import Taxonomy, load_taxonomy
from describer.types import Appearance, Scene, View

__all__ = ["KINDS", "QA", "TYPES", "drawn", "questions"]

_GENERATORS = (
    *(existence, counting, location, attributes, relations),
    *(actions, activity, comparisons, hops, visibility),
)
_OFFERED = 0.12  # of the questions that can be are asked as multiple choice


def questions(
    scene: Scene,
    appearances: Mapping[int, Appearance],
    view: View | None,
    rng: np.random.Generator,
    *,
    tips: Mapping[int, bool] | None = None,
    taxonomy: Taxonomy | None = None,
    split: Split = "train",
) -> list[QA]:
    """One or two questions of each kind that the scene allows, in the order of TYPES.

    What the scene, ``appearances`` (by region id), ``tips`` (whether an instrument's tip can be seen, by region id) or
    ``view`` do not tell is not asked. ``split`` "unseen" asks in wordings that no training sees. ``taxonomy`` names
    what may be asked of, by default the core set.
    """
    known = taxonomy or load_taxonomy("core")
    ask = Asker(scene, appearances, view, tips or {}, known, rng, split)
    asked = [qa for generator in _GENERATORS for qa in generator(ask)]
    return [_perhaps_offered(ask, qa) for qa in asked]


def _perhaps_offered(ask: Asker, qa: QA) -> QA:
    pool = pool_of(ask, qa)
    return offered(ask, qa, pool) if pool and ask.chance(_OFFERED) else qa


def drawn(asked: Sequence[QA], n: int, rng: np.random.Generator) -> list[QA]:
    """``n`` of the questions (all, if there are fewer), types and within a type kinds in turn, by chance."""
    by_type: dict[str, list[QA]] = defaultdict(list)
    for i in rng.permutation(len(asked)):
        by_type[asked[i].type].append(asked[i])
    found: list[QA] = []
    while len(found) < n and by_type:
        names = sorted(by_type)
        for k in rng.permutation(len(names))[: n - len(found)]:
            group = by_type[names[k]]
            taken = {qa.kind for qa in found}
            fresh = next((i for i, qa in enumerate(group) if qa.kind not in taken), 0)
            found.append(group.pop(fresh))
            if not group:
                del by_type[names[k]]
    return found
