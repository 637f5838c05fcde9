"""One operation in several datasets: what is trained on in one must not be held out in another.

CholecSeg8k and CholecT50 name the videos of Cholec80 that they are cut from; the scene masks and the instrument types
of EndoVis 2018 are of the same sequences. Endoscapes shares videos with the former too, but under numbers of its own:
that is said, because it cannot be checked here.
"""

from __future__ import annotations

from collections.abc import Iterable

from describer.errors import InputError
from describer.seg.datasets.catalogue import DATASETS
from describer.seg.datasets.cholecseg8k import cholec80_video

FLAG = "--allow-overlap"
_UNKNOWN = "endoscapes"


def video_of(dataset: str, group: str) -> str | None:
    """The public name of the video behind a group; None where nobody else has it or where that is not known."""
    known = next((each for each in DATASETS if each.name == dataset), None)
    if known is not None:
        return known.video_of(group)
    # Sources of an index.json, such as "cholect50val", are named after the dataset that they were taken from.
    return cholec80_video(group) if dataset.startswith("cholec") else None


def check_overlap(used: Iterable[tuple[str, str, str]], allow: bool = False) -> list[str]:
    """What to know of the (dataset, group, split) of everything in one training, as sentences.

    InputError when a video is trained on in one dataset and held out ("val" or "test") in another, unless ``allow``.
    Splits within one dataset are its own affair.
    """
    found: dict[str, dict[str, set[str]]] = {}
    datasets = set()
    for dataset, group, split in used:
        datasets.add(dataset)
        video = video_of(dataset, group)
        if video is not None:
            found.setdefault(video, {}).setdefault("train" if split == "train" else "held out", set()).add(dataset)
    clashes = [_clash(video, sides) for video, sides in sorted(found.items())]
    leaks = [text for text in clashes if text]
    if leaks and not allow:
        more = f" (and {len(leaks) - 1} more)" if len(leaks) > 1 else ""
        raise InputError(f"{leaks[0]}{more}; leave one of them out, or give {FLAG} and do not trust that score.")
    return leaks + _unchecked(datasets)


def _clash(video: str, sides: dict[str, set[str]]) -> str | None:
    train, held = sides.get("train", set()), sides.get("held out", set())
    pairs = sorted((a, b) for a in train for b in held if a != b)
    return f"{video} is trained on in {pairs[0][0]} and held out in {pairs[0][1]}" if pairs else None


def _unchecked(datasets: set[str]) -> list[str]:
    others = sorted(name for name in datasets if name.startswith("cholec"))
    if _UNKNOWN not in datasets or not others:
        return []
    return [f"Endoscapes shares videos with Cholec80 under other numbers: overlap with {', '.join(others)} not checked"]
