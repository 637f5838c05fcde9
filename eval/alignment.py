"""METEOR's alignment of two sentences: most words covered, in the fewest chunks, over the shortest distances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

_BEAM = 40


class Match(NamedTuple):
    """Words ``begin`` to ``end`` of the candidate stand for words ``other_begin`` to ``other_end`` of the reference."""

    begin: int
    end: int
    other_begin: int
    other_end: int
    weight: float


class _Partial(NamedTuple):
    """An alignment of the first words; ordered by what it still has to win, best first."""

    uncovered: int
    chunks: int
    distance: int
    used: int
    begin: int
    other_begin: int
    matches: tuple[Match, ...]

    def with_match(self, match: Match) -> _Partial:
        follows = self.matches and (self.begin, self.other_begin) == (match.begin, match.other_begin)
        return _Partial(
            self.uncovered - (match.end - match.begin) - (match.other_end - match.other_begin),
            self.chunks + (not follows),
            self.distance + abs(match.begin - match.other_begin),
            self.used | _span(match),
            match.end,
            match.other_end,
            (*self.matches, match),
        )


def _span(match: Match) -> int:
    """The words of the reference that a match takes, as bits."""
    return (1 << match.other_end) - (1 << match.other_begin)


def align(matches: Sequence[Match], length: int) -> tuple[tuple[Match, ...], int]:
    """The best subset of ``matches`` in which no word stands twice, and its number of chunks.

    ``length`` is the candidate's number of words. A beam of 40 partial alignments goes over them from left
    to right, as the published implementation does. Source: Denkowski and Lavie, WMT 2011.
    """
    starting: list[list[Match]] = [[] for _ in range(length)]
    for match in matches:
        starting[match.begin].append(match)
    beam = [_Partial(0, 0, 0, 0, 0, 0, ())]
    for i, options in enumerate(starting):
        if not options:
            continue
        grown = list(beam)
        for partial in beam:
            if partial.begin > i:
                continue
            grown.extend(partial.with_match(match) for match in options if not partial.used & _span(match))
        beam = _best(grown)
    return beam[0].matches, beam[0].chunks


def _best(partials: list[_Partial]) -> list[_Partial]:
    """The first 40, one for each state that can go on differently."""
    kept: dict[tuple[int, int, int], _Partial] = {}
    for partial in sorted(partials, key=lambda p: p[:3]):
        kept.setdefault((partial.used, partial.begin, partial.other_begin), partial)
        if len(kept) == _BEAM:
            break
    return list(kept.values())
