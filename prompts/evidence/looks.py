"""How things look and what disturbs the view, as far as the scene model looked; else what is to be looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from describer.geometry import tip_xy
from describer.prompts.evidence.found import Evidence, Groups, first_of
from describer.prompts.evidence.reading import Query
from describer.prompts.questions.base import ids_of, yes_no
from describer.prompts.questions.looks import BLOOD_ANSWERS, SMOKE_ANSWERS
from describer.prompts.sentences import view_sentence
from describer.types import Appearance, Region, Scene, View
from describer.wording import COVER_PHRASES, joined, sentence_case, view_words

# A word of an answer about a region, and the score that says how sure it is: None where it was measured.
_Word = Callable[[Appearance, Query], "str | None"]
_OF_REGION: Mapping[str, tuple[_Word, str | None]] = {
    "colour": (lambda look, query: look.colour, None),
    "hop colour": (lambda look, query: look.colour, None),
    "jaws": (lambda look, query: look.state, "state"),
    "jaws open": (lambda look, query: look.state and _is(look.state == "open", query), "state"),
    "cover": (lambda look, query: COVER_PHRASES.get(look.cover, "nothing"), "cover"),
    "covered with": (lambda look, query: query.cover and yes_no(look.cover == query.cover), "cover"),
    "glare": (lambda look, query: _is(look.glare, query), None),
    "sharp": (lambda look, query: _is(look.sharp, query), "sharp"),
}
_OF_VIEW: Mapping[str, Callable[[View, Query], str]] = {
    "smoke": lambda view, query: SMOKE_ANSWERS[view.smoke],
    "blood": lambda view, query: BLOOD_ANSWERS[view.blood],
    "view glare": lambda view, query: _is(view.glare, query),
    "dirt": lambda view, query: _is(view.dirt, query),
    "blur": lambda view, query: _is(not view.blur, query),
    "clear": lambda view, query: _is(view_words(view) == ([], []), query),
    "disturbs": lambda view, query: view_sentence(view),
}

_RIM = 0.02  # of width or height


def _is(true: bool, query: Query) -> str:
    return yes_no(true != query.negated)


def of_region(scene: Scene, query: Query, groups: Groups) -> Evidence:
    """How the regions look that are asked of."""
    return looks_of(query, first_of(groups))


def tip_visible(scene: Scene, query: Query, groups: Groups) -> Evidence:
    """An instrument that ends at the rim of the picture has its working end outside."""
    about = first_of(groups)
    tips = [tip_xy(region.mask) for region in about if region.kind == "instrument"]
    inside = {min(x, y, 1 - x, 1 - y) > _RIM for x, y in tips}
    if query.unclear or len(inside) != 1:
        return of_region(scene, query, groups)
    sure = min(region.score for region in about)
    return Evidence("tip visible", _is(inside == {True}, query), ids_of(about), round(sure, 4))


def looks_of(query: Query, about: list[Region], besides: tuple[Region, ...] = ()) -> Evidence:
    """How ``about`` look; without an answer where nobody looked or the question may ask for the contrary."""
    word, score = _OF_REGION.get(query.kind, (None, None))
    ids, sure = ids_of([*about, *besides]), min((region.score for region in [*about, *besides]), default=1.0)
    unsaid = Evidence(query.kind, None, ids, sure, about[0].id if len(about) == 1 else None)
    looks = [region.appearance for region in about]
    if word is None or query.unclear or not all(looks):
        return unsaid
    known = [look for look in looks if look is not None]
    words = [word(look, query) for look in known]
    told = list(dict.fromkeys(said.rstrip(".") for said in words if said))
    if not told or (len(told) > 1 and query.yes_no):
        return unsaid
    if score is not None:
        sure = min(sure, *(look.scores.get(score, 1.0) for look in known))
    return Evidence(query.kind, sentence_case(f"{joined(told)}."), ids, round(sure, 4), unsaid.look_at)


def of_view(scene: Scene, query: Query, groups: Groups) -> Evidence:
    """What disturbs the whole view."""
    if scene.view is None or query.unclear:
        return Evidence(query.kind, None)
    scores = scene.view.scores
    sure = scores.get(query.kind, 1.0)
    if query.kind in ("clear", "disturbs"):
        sure = min(scores.values(), default=1.0)
    return Evidence(query.kind, _OF_VIEW[query.kind](scene.view, query), (), round(sure, 4))
