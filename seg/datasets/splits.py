"""Which frames train and which are held out: the official split where there is one, else whole groups by a hash.

Groups are ranked by a seeded hash of their names; the first share is "val", the next "test", the rest "train". So the
same folder always splits the same way, a new video moves at most its neighbours in the ranking, and neighbouring
frames of a video are never on both sides. Where an official split has no "val", it is taken from its "train" in
the same way; its "test" is never touched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from describer.errors import InputError
from describer.seg.datasets.dataset import SPLITS, Item, Listed, Problem

SHARES = {"val": 0.15, "test": 0.15}


def assign(listed: Iterable[tuple[str, str | None]], seed: int = 0) -> dict[tuple[str, str | None], str]:
    """The split of every (group, official split or None) that occurs."""
    given = set(listed)
    official = {split for _, split in given if split is not None}
    loose = {pair for pair in given if pair[1] is None}
    splits = {pair: str(pair[1]) for pair in given if pair[1] is not None}
    if loose and not official:
        splits |= _ranked(loose, ("val", "test"), seed)
    elif "val" not in official:
        train = {pair for pair in given if pair[1] in (None, "train")}
        splits |= _ranked(train, ("val",), seed)
    else:
        splits |= dict.fromkeys(loose, "train")
    return splits


def _ranked(pairs: set[tuple[str, str | None]], held: tuple[str, ...], seed: int) -> dict[tuple[str, str | None], str]:
    groups = sorted({group for group, _ in pairs}, key=lambda group: _hash(group, seed))
    of: dict[str, str] = {}
    for split in held:
        # Training keeps at least one group, and so does every split before the next one gets any.
        count = min(max(1, round(SHARES[split] * len(groups))), len(groups) - len(of) - 1)
        of |= dict.fromkeys(groups[len(of) : len(of) + count], split)
    return {pair: of.get(pair[0], "train") for pair in pairs}


def _hash(group: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}:{group}".encode(), digest_size=8).digest()


def in_split(read: Callable[[], Iterator[Listed]], split: str, seed: int) -> Iterator[Listed]:
    """The items of one split, with it written into them; Problems come along with "train".

    ``read`` lists the dataset; it is walked twice, so that memory holds the groups and never the frames. InputError at
    once when the split is unknown or has no frame.
    """
    if split not in SPLITS:
        raise InputError(f"split {split!r} is unknown; use one of {', '.join(SPLITS)}.")
    splits = assign(((item.group, item.split) for item in read() if isinstance(item, Item)), seed)
    if split not in splits.values():
        groups = len({group for group, _ in splits})
        have = ", ".join(name for name in SPLITS if name in splits.values()) or "no frames at all"
        why = f"{groups} group{'s' * (groups != 1)} of frames" if splits else "no usable frame"
        raise InputError(
            f"there is no {split!r} split ({why}; it has {have}); add frames of another operation, each operation in "
            "a folder of its own."
        )
    return _chosen(read(), splits, split)


def _chosen(listed: Iterator[Listed], splits: Mapping[tuple[str, str | None], str], split: str) -> Iterator[Listed]:
    for item in listed:
        if isinstance(item, Problem):
            if split == "train":
                yield item
        elif splits[item.group, item.split] == split:
            yield replace(item, split=split)
