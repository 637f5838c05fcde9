"""Entries of a run and of its references brought together: by id, by the frame's pixels, by the file's name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from describer.errors import InputError
from describer.evaluate.files import Entry, Side
from describer.types import Annotation

_FEW = 3


@dataclass(frozen=True, slots=True)
class Pair:
    """What a run and its reference say of one item of one video."""

    id: str
    video: str
    run: Entry
    reference: Entry


@dataclass(frozen=True, slots=True)
class Matched:
    """Pairs in the order of the references, counted by how they were matched, and what has no partner."""

    pairs: tuple[Pair, ...]
    by: Mapping[str, int]
    unknown: tuple[str, ...]
    missing: tuple[str, ...]


def match(run: Side, references: Side, video_of: Callable[[Entry], str], partial: bool) -> Matched:
    """Pair the entries.

    The rules, first that fits: the same id or other name; the same pixels (both annotations); the same end of the
    path ("images/1.png" and "1.png") where only one entry has it. InputError when nothing pairs, when two entries
    of the run pair with one reference, or, unless ``partial``, when either side has an id that the other lacks.
    """
    rules = {"id": _by_name(references), "pixels": _by_pixels(references), "end of path": _by_path_end(references)}
    partner: dict[str, Entry] = {}
    by: Counter[str] = Counter()
    unknown = []
    for entry in run.entries.values():
        how, found = next(((how, f) for how, rule in rules.items() if (f := rule(entry)) is not None), (None, None))
        if how is None or found is None:
            unknown.append(entry.id)
            continue
        if found in partner:
            raise InputError(
                f"{run.path}: {partner[found].id!r} and {entry.id!r} are both {found!r} of {references.path}; "
                "keep one of them."
            )
        partner[found] = entry
        by[how] += 1
    missing = tuple(name for name in references.entries if name not in partner)
    _check(run, references, len(partner), tuple(unknown), missing, partial)
    pairs = tuple(
        Pair(name, video_of(entry), partner[name], entry)
        for name, entry in references.entries.items()
        if name in partner
    )
    return Matched(pairs, dict(by), tuple(unknown), missing)


def video_rule(pattern: str | None) -> Callable[[Entry], str]:
    """The video of an entry: what ``pattern`` finds in its id, or its own field, video file or folder.

    InputError when the pattern is no regular expression; an id that it does not fit is an InputError when met.
    """
    if pattern is None:
        return _own_video
    try:
        wanted = re.compile(pattern)
    except re.error as error:
        raise InputError(f"--video-pattern {pattern!r} is not a regular expression: {error}.") from error

    def found(entry: Entry) -> str:
        fit = wanted.search(entry.id)
        if fit is None:
            raise InputError(f"--video-pattern {pattern!r} finds nothing in the id {entry.id!r}; mend the pattern.")
        return str(fit[1] if wanted.groups else fit[0])

    return found


def _own_video(entry: Entry) -> str:
    if entry.video is not None:
        return entry.video
    name = next((name for name in (entry.id, *entry.names) if "#" in name or "/" in name), entry.id)
    name = name.split(" | ", maxsplit=1)[0]
    video, hashed, _ = name.rpartition("#")
    return video if hashed else str(PurePosixPath(name).parent)


def _by_name(side: Side) -> Callable[[Entry], str | None]:
    index = {name: entry.id for entry in side.entries.values() for name in entry.names}
    index |= {name: name for name in side.entries}
    return lambda entry: next((index[name] for name in (entry.id, *entry.names) if name in index), None)


def _by_pixels(side: Side) -> Callable[[Entry], str | None]:
    index = _unique(
        (entry.record.frame.sha256, entry.id) for entry in side.entries.values() if isinstance(entry.record, Annotation)
    )
    return lambda e: index.get(e.record.frame.sha256) if isinstance(e.record, Annotation) else None


def _by_path_end(side: Side) -> Callable[[Entry], str | None]:
    """Whole parts of the path only; the longest end decides."""
    names = [(name, entry.id) for entry in side.entries.values() for name in (entry.id, *entry.names)]
    whole = _unique(names)
    ends = _unique((end, entry_id) for name, entry_id in names for end in _ends(name))

    def rule(entry: Entry) -> str | None:
        for name in (entry.id, *entry.names):
            if name in ends:
                return ends[name]
            shorter = next((whole[end] for end in _ends(name) if end in whole), None)
            if shorter is not None:
                return shorter
        return None

    return rule


def _ends(name: str) -> list[str]:
    path, bar, question = name.partition(" | ")
    parts = path.split("/")
    return ["/".join(parts[i:]) + bar + question for i in range(1, len(parts))]


def _unique(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Keys with one value only."""
    found: dict[str, set[str]] = {}
    for key, value in pairs:
        found.setdefault(key, set()).add(value)
    return {key: next(iter(values)) for key, values in found.items() if len(values) == 1}


def _check(
    run: Side, references: Side, n: int, unknown: tuple[str, ...], missing: tuple[str, ...], partial: bool
) -> None:
    if not n:
        raise InputError(
            f"{run.path} and {references.path} share no id: {few(unknown)} against {few(missing)}; "
            "are they of the same data?"
        )
    if partial or not (unknown or missing):
        return
    lacks = [
        f"{len(ids)} of {side.path} are not in {other.path} ({few(ids)})"
        for ids, side, other in ((unknown, run, references), (missing, references, run))
        if ids
    ]
    raise InputError(f"ids differ: {'; '.join(lacks)}. Mend them, or score the {n} shared ones with --partial.")


def few(names: tuple[str, ...]) -> str:
    """The first three names, and that there are more."""
    return ", ".join(map(repr, names[:_FEW])) + (" ..." if len(names) > _FEW else "")
