"""The canonical true sentences of a scene: what a model is taught to say, word for word the same each time.

Everything follows from the Scene, plus an Appearance or a view where they are known; what is not known is
not said. Every entity word is the label of a region of the scene.
"""

from __future__ import annotations

from collections.abc import Sequence

from describer.geometry import size_word
from describer.prompts.facts import (
    acted_by_all,
    activity_of,
    contacts_of,
    count_of,
    entry_of,
    grouped,
    listed,
    places_of,
    targets_of,
    tip_place,
    touched_by_all,
)
from describer.types import Appearance, Region, Scene, View
from describer.wording import (
    BLUR_PHRASE,
    COVER_PHRASES,
    counted,
    gloss_word,
    is_mass,
    is_plural,
    is_surface,
    joined,
    plural,
    sentence_case,
    view_words,
    with_article,
)


def region_sentence(scene: Scene, region_id: int, appearance: Appearance | None = None) -> str:
    """One sentence on where a region is and what it touches, and one on how it looks when that is known."""
    region = scene.region(region_id)
    where = _instrument(scene, region) if region.kind == "instrument" else _tissue(scene, region)
    looks = "" if appearance is None else _looks(region, appearance)
    return f"{sentence_case(where)}.{looks}"


def _others(said: Sequence[Region], others: Sequence[Region]) -> list[str]:
    """Noun phrases of other regions, each label once; a label ``said`` before is "another"/"more"."""
    known = {region.label for region in said}
    phrases = []
    for label, group in grouped(others).items():
        kind, own = group[0].kind, label in known
        if is_mass(label) or is_plural(label) or kind == "anatomy":
            phrases.append(f"more {label}" if own else with_article(label, kind))
        elif len(group) > 1:
            phrases.append(f"other {plural(label)}" if own else plural(label))
        else:
            phrases.append(f"another {label}" if own else with_article(label, kind))
    return phrases


def _instrument(scene: Scene, region: Region) -> str:
    many = is_plural(region.label)
    side, tip = entry_of(region), tip_place(region)
    if size_word(region.area_fraction) == "tiny":
        verb = f"{'are' if many else 'is'} just visible"
    elif side is None:
        verb = "lie" if many else "lies"
    else:
        verb = "enter" if many else "enters"
    source = f" in the {region.place}" if side is None else f" from the {side}"
    text = f"{with_article(region.label, region.kind)} {verb}{source}"
    text += f" with {'their' if many else 'its'} tip in the {tip}"
    targets = targets_of(scene, region)
    contacts = tuple(r for r in contacts_of(scene, region) if r not in targets)
    if targets:
        text += f", at work on {joined(_others((region,), targets))}"
    if contacts:
        text += f"{' and' if targets else ','} touching {joined(_others((region, *targets), contacts))}"
    return text if targets or contacts else f"{text}, touching nothing"


def _tissue(scene: Scene, region: Region) -> str:
    name = with_article(region.label, region.kind)
    size, place = size_word(region.area_fraction), region.place
    many = is_plural(region.label)
    if region.kind == "pathology" and not many:
        text = f"{'an' if size[0] in 'aeiou' else 'a'} {size} {region.label} lies in the {place}"
    elif size in {"large", "very large"}:
        text = f"{name} {'fill' if many else 'fills'} a {size} part of the view around the {place}"
    elif size == "medium":
        text = f"{name} {'cover' if many else 'covers'} a medium-sized area in the {place}"
    elif size == "small":
        text = f"{name} {'take' if many else 'takes'} up a small area in the {place}"
    else:
        text = f"{name} {'show' if many else 'shows'} only as a tiny patch in the {place}"
    contacts = contacts_of(scene, region)
    tools = _others((region,), [r for r in contacts if r.kind == "instrument"])
    rest = _others((region,), [r for r in contacts if r.kind != "instrument"])
    if tools:
        text += f", touched by {joined(tools)}"
    if rest:
        text += f"{' and' if tools else ','} next to {joined(rest)}"
    return text


def _looks(region: Region, appearance: Appearance) -> str:
    """ "" or " It is shiny silver-grey with bloodstains, jaws open, out of focus."."""
    many = is_plural(region.label)
    surface = is_surface(region.kind)
    subject = ("Their surface" if many else "Its surface") if surface else ("They" if many else "It")
    be, have, show = ("is", "has", "shows") if surface or not many else ("are", "have", "show")
    gloss = gloss_word(region.kind) if appearance.glare else None
    words = " ".join(word for word in (gloss, appearance.colour) if word)
    cover = COVER_PHRASES.get(appearance.cover)
    extras = [f"jaws {appearance.state}"] if appearance.state else []
    extras += [] if appearance.sharp else [BLUR_PHRASE]
    if words:
        start = f"{be} {words}" + (f" with {cover}" if cover else "")
    elif cover:
        start = f"{show} {cover}"
    elif extras:
        start = f"{have if appearance.state else be} {extras.pop(0)}"
    else:
        return ""
    return f" {subject} {', '.join([start, *extras])}."


def scene_sentence(scene: Scene, view: View | None = None) -> str:
    """Activity, instruments with places and what they touch, then everything else in view, then the view."""
    activity = activity_of(scene)
    tools, rest = _tools(scene), _rest(scene)
    # A comma before "and": each phrase may end in what its instrument touches.
    several = [", ".join(tools[:-1]), tools[-1]] if tools[1:] else tools
    parts = [", and ".join(several) or "no instrument is in view"]
    parts += [rest] if rest else []
    head = f"{sentence_case(activity)}: " if activity else ""
    text = f"{head}{'; '.join(parts)}."
    return sentence_case(text) if view is None else f"{sentence_case(text)} {view_sentence(view)}"


def _tools(scene: Scene) -> list[str]:
    """One phrase a label: "a hook in the center right touching the gallbladder".

    Of several instruments of one label only that is said which holds for each of them.
    """
    phrases = []
    for label, group in grouped(r for r in listed(scene) if r.kind == "instrument").items():
        phrase = f"{counted(label, 'instrument', count_of(scene, label))} in the {joined(places_of(group))}"
        for verb, objects in (("at work on", acted_by_all(scene, group)), ("touching", touched_by_all(scene, group))):
            if objects:
                phrase += f" {verb} {joined([with_article(other.label, other.kind) for other in objects])}"
                break
        phrases.append(phrase)
    return phrases


def _rest(scene: Scene) -> str:
    """ "liver, two areas of fat and a polyp are in view"."""
    names = []
    for label, group in grouped(r for r in listed(scene) if r.kind != "instrument").items():
        total = count_of(scene, label)
        single = total == 1 and group[0].kind == "anatomy"
        names.append(label if single else counted(label, group[0].kind, total))
    if not names:
        return ""
    only = names[0]
    one = len(names) == 1 and not is_plural(only) and " areas of " not in only
    return f"{joined(names)} {'is' if one else 'are'} in view"


def view_sentence(view: View) -> str:
    """ "The view is clear." or what disturbs it."""
    told, things = view_words(view)
    if things and not told:
        return f"The view has {joined(things)}."
    tail = f" with {joined(things)}" if things else ""
    return f"The view is {joined(told) if told else 'clear'}{tail}."
