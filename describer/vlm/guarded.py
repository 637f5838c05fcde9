"""Texts held against a check while they are decoded: what must not be said is taken back and said otherwise.

A text without faults is never touched. Where one says what its check forbids, decoding goes back to before the word,
closes the token that began it at that place, and goes on from there, so that the sentence is built anew around what
may be said instead of being broken off in the middle of a word. A model that comes to the same again and again is
decoded once more with every token closed that would complete a forbidden word, which cannot fail.

The check reads text, never tokens: it holds for any tokeniser, casing and spelling that the check itself knows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor
from transformers import LogitsProcessor

from describer.types import Fault
from describer.vlm.base import Check, Checked, Generated, GenerationSettings

_ROUNDS = 4
_SOFT_ROUNDS = 3
# At one place this many words are tried before a place farther back is.
_TRIES = 2
_CANDIDATES = 64

Tokens = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """How one text is decoded again.

    It begins with ``prefix``; after the beginnings in ``closed`` the tokens named there are not taken; with ``check``
    no token is taken that makes the text so far have a hard fault.
    """

    prefix: Tokens
    closed: dict[Tokens, set[int]]
    check: Check | None = None


Decode = Callable[[Sequence[int], Sequence[Script | None], GenerationSettings], list[Generated]]
"""Answers of the rows of these numbers, each by its script."""


class Following(LogitsProcessor):
    """Makes each row of a batch follow its script; rows without one are left as they are."""

    def __init__(self, scripts: Sequence[Script | None], tokenizer: Any, ends: set[int | None]) -> None:
        self._scripts, self._tokenizer, self._ends = scripts, tokenizer, ends
        self._start: int | None = None

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        self._start = input_ids.shape[1] if self._start is None else self._start
        scores = scores.clone()
        for row, script in enumerate(self._scripts):
            if script is not None:
                said = input_ids[row, self._start :].tolist()
                if not self._ends.intersection(said):
                    self._close(scores[row], tuple(said), script)
        return scores

    def _close(self, scores: Tensor, said: Tokens, script: Script) -> None:
        """Set to -inf, in place, what this row must not take next."""
        if len(said) < len(script.prefix):
            scores.fill_(-float("inf"))
            scores[script.prefix[len(said)]] = 0.0
            return
        shut = list(script.closed.get(said, ()))
        scores[shut] = -float("inf")
        if script.check is not None:
            self._close_faulty(scores, said, script.check)

    def _close_faulty(self, scores: Tensor, said: Tokens, check: Check) -> None:
        """Close the likeliest tokens until one may be said; the text so far may always end."""
        for token in scores.topk(min(_CANDIDATES, scores.shape[0])).indices.tolist():
            if token in self._ends or not _hard(check(text_of(self._tokenizer, (*said, token)))):
                return
            scores[token] = -float("inf")
        scores.fill_(-float("inf"))
        scores[[end for end in self._ends if end is not None]] = 0.0


@dataclass(slots=True)
class _Row:
    """One text on its way: what it says now, the best it said, and what is closed to it."""

    now: Generated
    faults: tuple[Fault, ...]
    best: Generated
    left: tuple[Fault, ...]
    seen: list[str] = field(default_factory=list)
    closed: dict[Tokens, set[int]] = field(default_factory=dict)

    def take(self, said: Generated, faults: tuple[Fault, ...]) -> None:
        self.now, self.faults = said, faults
        self.seen += [fault.what for fault in faults]
        # Of texts that are as faulty as each other the one that the model said first.
        if _weight(faults) < _weight(self.left):
            self.best, self.left = said, faults


def decode_checked(
    decode: Decode, tokenizer: Any, checks: Sequence[Check], settings: GenerationSettings
) -> list[Checked]:
    """Answers to all rows without hard faults, and with as few others as a few tries give.

    ``decode`` is given row numbers and scripts. Rows whose first answer has no fault are decoded once.
    """
    first = decode(range(len(checks)), [None] * len(checks), settings)
    rows = []
    for said, check in zip(first, checks, strict=True):
        faults = check(said.text)
        rows.append(_Row(said, faults, said, faults, [fault.what for fault in faults]))
    for turn in range(_ROUNDS):
        todo = [i for i, row in enumerate(rows) if row.faults and (turn < _SOFT_ROUNDS or _hard(row.faults))]
        scripts = [_another_way(rows[i], tokenizer) for i in todo]
        _again(decode, rows, todo, scripts, checks, settings)
    # The model's own words are tried from where the best text went wrong, then from the start.
    for keep in (True, False):
        todo = [i for i, row in enumerate(rows) if _hard(row.left)]
        scripts = [_closed_to_faults(rows[i], tokenizer, checks[i], keep) for i in todo]
        _again(decode, rows, todo, scripts, checks, replace(settings, temperature=0.0))
    return [Checked(row.best, _withheld(row)) for row in rows]


def _again(
    decode: Decode,
    rows: list[_Row],
    todo: list[int],
    scripts: list[Script],
    checks: Sequence[Check],
    settings: GenerationSettings,
) -> None:
    if todo:
        for i, said in zip(todo, decode(todo, scripts, settings)):
            rows[i].take(said, checks[i](said.text))


def _another_way(row: _Row, tokenizer: Any) -> Script:
    """Back to before the first fault, with the token closed that began it."""
    prefix: Tokens = ()
    for back in row.faults[0].backs:
        prefix = _tokens_before(row.now, back, tokenizer)
        if len(row.closed.get(prefix, ())) < _TRIES:
            break
    row.closed.setdefault(prefix, set()).add(row.now.tokens[len(prefix)])
    return Script(prefix, row.closed)


def _closed_to_faults(row: _Row, tokenizer: Any, check: Check, keep: bool) -> Script:
    fault = next(fault for fault in row.left if fault.hard)
    prefix = _tokens_before(row.best, fault.backs[0], tokenizer) if keep else ()
    return Script(prefix, {}, check)


def _tokens_before(said: Generated, offset: int, tokenizer: Any) -> Tokens:
    """The tokens of an answer up to the one that holds the character at ``offset`` of its text."""
    low, high = 0, len(said.tokens) - 1
    while low < high:
        middle = (low + high) // 2
        if len(text_of(tokenizer, said.tokens[: middle + 1])) > offset:
            high = middle
        else:
            low = middle + 1
    return said.tokens[:low]


def text_of(tokenizer: Any, tokens: Sequence[int]) -> str:
    """The text of an answer's tokens, as answers are given."""
    return str(tokenizer.decode(list(tokens), skip_special_tokens=True)).strip()


def _hard(faults: Sequence[Fault]) -> bool:
    return any(fault.hard for fault in faults)


def _weight(faults: Sequence[Fault]) -> tuple[int, int]:
    return sum(fault.hard for fault in faults), len(faults)


def _withheld(row: _Row) -> tuple[str, ...]:
    left = {fault.what for fault in row.left}
    return tuple(what for what in dict.fromkeys(row.seen) if what not in left)
