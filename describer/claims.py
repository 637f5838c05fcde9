"""Checks what a text claims of a scene: its things, their places, entry sides and counts, and what touches what."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from describer.colours import clearly_differ
from describer.geometry import entry_side, place_of, raster_of, tip_of
from describer.mentions import Found, affirmed_labels, find_labels, link
from describer.taxonomy import Taxonomy
from describer.types import PLACES, Description, Fault, Mask, Region, Scene
from describer.wording import COUNT_WORDS, colour_told

_ROWS = {"upper": "upper", "top": "upper", "lower": "lower", "bottom": "lower"}
_MIDDLE = ("center", "centre", "middle")
_PLACE = re.compile(
    r"\b(upper|top|lower|bottom|center|centre|middle)[\s-](left|right|center|centre|middle)\b"
    r"|\b(?:in|at|near|around) the (center|centre|middle)\b(?![\s-](?:left|right|center|centre|middle)\b)",
    re.IGNORECASE,
)
_THIRD = re.compile(r"[\s-](left|right|center|centre|middle)\b", re.IGNORECASE)
_SIDE = re.compile(r"\bfrom the (left|right|top|bottom)\b", re.IGNORECASE)
_COUNT = re.compile(
    rf"\b({'|'.join(COUNT_WORDS)}|\d+)\s+(?:(?:pairs|areas|pieces) of |\w+ )?$",
    re.IGNORECASE,
)
_CONTACT = re.compile(
    r"(?<!not )(?<!without )\b(?:(?P<acts>at work on|working on|acting on|acts? on)"
    r"|(?P<near>next to|adjacent to|beside)|touch(?:es|ing)?|touched by|in contact with)\b(?P<nothing>\s+nothing\b)?",
    re.IGNORECASE,
)
# "touching the gallbladder and more fat", but "touching the gallbladder, and two hooks in the center".
_AND = re.compile(
    r"(?:,| and| or)\s+(?:(?:the|an?|another|more|other|some|both|(?:pairs|areas) of)\s+)*", re.IGNORECASE
)
_PLACED = re.compile(
    r"\s+(?:(?:in|at|near) the\b|(?:is|are|lies?|enters?|covers?|fills?|takes?|shows?)\b)", re.IGNORECASE
)
_SENTENCE = re.compile(r"[^.;]+")
# What leads to a word that is one of several, and the article of one that is not.
_LEAD = re.compile(r"(?:,\s+and|,|;|\s+and|\s+or|\s+with)\s+(?:[\w]+\s+(?:of\s+)?)?$|\ban\s+$", re.IGNORECASE)
# Between two things of one list; "another" and "more" begin what is not the same thing, ", and" or a place what is said
# of another one.
_SAME_LIST = re.compile(r"(?:,| and) (?:the |an? )?", re.IGNORECASE)
_OF_TIP = re.compile(r"\b(?:tips?|ends?) (?:(?:is|are|lies?) )?(?:(?:in|at|near) the )?$", re.IGNORECASE)
_ITS_PLACE = re.compile(r"\s+(?:in|at|near) the\b", re.IGNORECASE)
# "Next to" is nearer than this share of the view's longer side.
_NEAR = 0.05
# A thing is in a place that holds this share of it, or of which it fills this share; its tip in one this near to it.
_MUCH, _FILLED, _TIP_NEAR = 0.15, 0.5, 0.03


def faults(
    text: str, scene: Scene, taxonomy: Taxonomy, about: int | None = None, *, hard_only: bool = False
) -> tuple[Fault, ...]:
    """Everything that the scene refutes of a text about one region (or None, the whole scene), in order.

    Hard are the words of labels that the scene lacks and the text does not deny. The others are `refuted`.
    """
    present = {region.label for region in scene.regions}
    absent = [
        Fault(f"{text[word.start : word.end]}: not in the scene", _backs_of_word(text, word), hard=True)
        for word in affirmed_labels(text, taxonomy)
        if word.label not in present
    ]
    if hard_only:
        return tuple(absent)
    mentions, _ = link(text, scene, taxonomy, about)
    claims = refuted(Description(about, text, mentions), scene, taxonomy)
    return tuple(sorted((*absent, *claims), key=lambda fault: max(fault.backs)))


def contradictions(description: Description, scene: Scene, taxonomy: Taxonomy) -> list[str]:
    """What the masks refute of a description, each as one short sentence: see `refuted`."""
    return [fault.what for fault in refuted(description, scene, taxonomy)]


def refuted(description: Description, scene: Scene, taxonomy: Taxonomy) -> list[Fault]:
    """Claims of a description that the scene refutes: on places, sides, counts, contacts, colour, that a thing is
    absent, and that there is one more of what the same list has named.

    A place word belongs to the last mention before it in the same sentence. It is right when the region's
    centroid or tip lies there, or a good part of its mask, or the mask fills half of that cell; behind "tip in the"
    when the tip lies there or beside it. No list names a place twice. "From the left" is right when the mask reaches
    that side. A count is refuted when the scene has fewer such regions, and in a description of the
    whole scene also when it has more. "Touching" and "in contact with" need a contact, "next to" a gap of at most a
    twentieth of the view, "at work on" and "acts on" an action where the scene tells any. Where several regions
    could be meant, one of them is enough.
    """
    text = description.text
    linked = {start: region_id for start, _, region_id in description.mentions}
    found = find_labels(text, taxonomy)
    affirmed = set(affirmed_labels(text, taxonomy))
    meant = {word: _meant(scene, linked.get(word.start), word.label, description.region_id) for word in found}
    out: list[Fault] = []
    for i, word in enumerate(found):
        end = found[i + 1].start if i + 1 < len(found) else len(text)
        stop = re.search(r"[.;]", text[word.end : end])
        clause = (word.end, word.end + stop.start() if stop else end)
        if word not in affirmed:
            if meant[word]:
                out.append(Fault(f"no {word.label}: the masks show {_number(scene, word.label)}", (word.start,)))
            continue
        out += _count_refuted(text[: word.start], word.label, scene, description.region_id is None)
        if meant[word]:
            out += _places_refuted(text, clause, word.label, meant[word])
    out += _named_twice(text, [word for word in found if word in affirmed])
    about = None if description.region_id is None else scene.region(description.region_id)
    if about is not None:
        out += _colour_refuted(text, about)
    for sentence in _SENTENCE.finditer(text):
        words = [word for word in found if sentence.start() <= word.start < sentence.end() and word in affirmed]
        out += _contacts_refuted(text, sentence.span(), words, meant, about, scene)
    return sorted(out, key=lambda fault: max(fault.backs))


def _named_twice(text: str, words: Sequence[Found]) -> list[Fault]:
    """Things that one list names again: "liver, fat and liver"."""
    out, listed = [], set[str]()
    for i, word in enumerate(words):
        goes_on = i and _SAME_LIST.fullmatch(text, words[i - 1].end, word.start)
        if not goes_on or _ITS_PLACE.match(text, word.end):
            listed = set()
        if word.label in listed:
            out.append(Fault(f"{word.label}: named twice", _backs_of_word(text, word)))
        listed.add(word.label)
    return out


def _colour_refuted(text: str, about: Region) -> list[Fault]:
    """A colour that the pixels of the described region do not have: it was measured, unlike other looks."""
    told, look = colour_told(text), about.appearance
    if told is None or look is None or look.colour is None or not clearly_differ(told[0], look.colour):
        return []
    return [Fault(f"{told[0]} {about.label}: its pixels are {look.colour}", (told[1],))]


def _meant(scene: Scene, linked: int | None, label: str, about: int | None) -> list[Region]:
    """Regions that a mention can speak of: the described one itself, otherwise any of its label."""
    if linked is None:
        return []
    if linked == about:
        return [scene.region(linked)]
    return [region for region in scene.regions if region.label == label]


def _backs_of_word(text: str, word: Found) -> tuple[int, ...]:
    """The word itself, and where the list it stands in could end or go on otherwise, or its "an"."""
    lead = _LEAD.search(text[: word.start])
    return (word.start,) if lead is None else (word.start, lead.start())


def _number(scene: Scene, label: str) -> int:
    return sum(region.label == label for region in scene.regions)


def _count_refuted(before: str, label: str, scene: Scene, whole: bool) -> list[Fault]:
    match = _COUNT.search(before)
    if match is None:
        return []
    word = match.group(1).lower()
    claimed = int(word) if word.isdigit() else COUNT_WORDS[word]
    true = _number(scene, label)
    wrong = claimed > true or (whole and claimed != true) or (claimed == 0 and true > 0)
    return [Fault(f"{word} {label}: the masks show {true}", (match.start(1),))] if wrong else []


def _place_word(match: re.Match[str]) -> str:
    row, column, _ = (group and group.lower() for group in match.groups())
    if row is None:
        return "center"
    row = _ROWS.get(row, "center")
    column = "center" if column in _MIDDLE else column
    return "center" if row == column == "center" else f"{row} {column}"


def _places_refuted(text: str, clause: tuple[int, int], label: str, regions: Sequence[Region]) -> list[Fault]:
    out = []
    listed: list[re.Match[str]] = []
    for match in _PLACE.finditer(text, *clause):
        place, of_tip = _place_word(match), _OF_TIP.search(text, clause[0], match.start())
        true = frozenset().union(*(_tip_cells(r.mask) if of_tip else {r.place} | _cells(r.mask) for r in regions))
        if place not in true:
            what = f"{label}'s tip in the {place}" if of_tip else f"{label} in the {place}"
            out.append(Fault(f"{what}: its mask lies in the {regions[0].place}", _backs_of_place(match, place, true)))
        if more := _THIRD.match(text, match.end()):
            out.append(Fault(f"{match.group()}{more.group()}: no such place", (more.start(1), match.start())))
        listed = [*listed, match] if listed and _AND.fullmatch(text, listed[-1].end(), match.start()) else [match]
        if place in map(_place_word, listed[:-1]):
            backs = (*_backs_of_place(match, place, true - {place}), listed[-2].end())
            out.append(Fault(f"{place}: named twice", backs))
    for match in _SIDE.finditer(text, *clause):
        side, sides = match.group(1).lower(), [_sides(region.mask) for region in regions]
        if not any(side in reached for reached in sides):
            enters = entry_side(raster_of(regions[0].mask)) or "no side"
            out.append(Fault(f"{label} from the {side}: its mask enters from {enters}", (match.start(1),)))
    return out


def _backs_of_place(match: re.Match[str], place: str, true: frozenset[str]) -> tuple[int, ...]:
    """The second word of a place when another would make it right, else the first."""
    if match.group(3):
        return (match.start(3),)
    row = place.split(maxsplit=1)[0]
    half_right = any(other.split(maxsplit=1)[0] == row for other in true)
    return (match.start(2), match.start(1)) if half_right else (match.start(1),)


@functools.lru_cache(maxsize=4096)
def _cells(encoded: Mask) -> frozenset[str]:
    """The places that a mask has its tip in, much of itself in, or fills half; every place for a mask too thin to be
    judged."""
    mask = raster_of(encoded)
    rows, columns = (np.minimum(3 * (np.arange(side) + 0.5) // side, 2).astype(int) for side in mask.shape)
    cells = 3 * rows[:, None] + columns
    held, whole = np.bincount(cells[mask], minlength=9), np.bincount(cells.ravel(), minlength=9)
    there = np.flatnonzero((held >= _MUCH * held.sum()) | (held >= _FILLED * whole))
    return frozenset({PLACES[int(cell)] for cell in there} | _tip_cells(encoded))


@functools.lru_cache(maxsize=4096)
def _tip_cells(encoded: Mask) -> frozenset[str]:
    """The places within `_TIP_NEAR` of a mask's tip; every place for a mask too thin to be judged."""
    mask = raster_of(encoded)
    if not mask.any():
        return frozenset(PLACES)
    height, width = mask.shape
    x, y = tip_of(mask)
    by, sides = _TIP_NEAR * max(height, width), (width, height)
    return frozenset(place_of((x + dx, y + dy), sides) for dx in (-by, 0, by) for dy in (-by, 0, by))


@functools.lru_cache(maxsize=4096)
def _sides(encoded: Mask) -> frozenset[str]:
    """The sides of the frame that a mask reaches."""
    mask = raster_of(encoded)
    edges = {"left": mask[:, :2], "right": mask[:, -2:], "top": mask[:2], "bottom": mask[-2:]}
    return frozenset(side for side, edge in edges.items() if edge.any())


def _contacts_refuted(
    text: str,
    span: tuple[int, int],
    words: Sequence[Found],
    meant: dict[Found, list[Region]],
    about: Region | None,
    scene: Scene,
) -> list[Fault]:
    """Of one sentence. The subject is the last thing named before the contact word that is no object of another."""
    out: list[Fault] = []
    subjects, name, said_until = ([about], about.label, span[0]) if about else ([], "", span[0])
    cues = list(_CONTACT.finditer(text, *span))
    for i, cue in enumerate(cues):
        named = [word for word in words if said_until <= word.start < cue.start()]
        if named:
            subjects, name = meant[named[-1]], named[-1].label
        said_until, end = cue.end(), cues[i + 1].start() if i + 1 < len(cues) else span[1]
        if cue.group("nothing"):
            if subjects and all(scene.related(subject.id, "touches") for subject in subjects):
                at = cue.start("nothing") + 1
                out.append(Fault(f"{name} {cue.group()}: its mask touches something", (at, cue.start())))
            continue
        for word, back in _objects(text, cue, [word for word in words if cue.end() <= word.start < end]):
            said_until = word.end
            if subjects and meant[word] and not _in_contact(scene, subjects, meant[word], cue):
                what = f"{name} {cue.group().lower()} {word.label}: the masks do not show it"
                others = {region.label for subject in subjects for region in _touched(scene, subject)} - {word.label}
                backs = (word.start, back) if others else (back, cue.start())
                out.append(Fault(what, backs))
    return out


def _objects(text: str, cue: re.Match[str], words: Sequence[Found]) -> Iterator[tuple[Found, int]]:
    """The things listed after a contact word, and where what leads to each begins: its article, or "and"."""
    last = cue.end()
    for i, word in enumerate(words):
        between = text[last : word.start]
        if i == 0:
            if re.search(r"[,:]", between):
                return
            yield word, last + len(between) - len(between.lstrip())
        else:
            if not _AND.fullmatch(between) or _PLACED.match(text, word.end):
                return
            yield word, last
        last = word.end


def _touched(scene: Scene, region: Region) -> list[Region]:
    ids = {i for kind in ("touches", "overlaps", "inside", "acts on") for i in scene.related(region.id, kind)}
    return [scene.region(i) for i in sorted(ids)]


def _in_contact(scene: Scene, subjects: Sequence[Region], objects: Sequence[Region], cue: re.Match[str]) -> bool:
    pairs = [(a, b) for a in subjects for b in objects if a.id != b.id]
    if cue.group("acts"):
        deeds = {(r.subject, r.object) for r in scene.relations if r.predicate == "acts on"}
        # A scene that tells no actions refutes none.
        return not (deeds or scene.interactions) or any((a.id, b.id) in deeds for a, b in pairs)
    touched = {a.id: {region.id for region in _touched(scene, a)} for a in subjects}
    if any(b.id in touched[a.id] for a, b in pairs):
        return True
    return bool(cue.group("near")) and any(_near(a.mask, b.mask) for a, b in pairs)


@functools.lru_cache(maxsize=4096)
def _near(first: Mask, second: Mask) -> bool:
    one, other = raster_of(first), raster_of(second)
    if not one.any() or not other.any():
        return True
    away = cv2.distanceTransform((~one).astype(np.uint8), cv2.DIST_L2, 3)
    return bool(away[other].min() <= _NEAR * max(one.shape))
