"""Texts held against a check while they are decoded: what must not be said is taken back and said otherwise.

A text without faults is never touched. Where one says what its check forbids, decoding goes back to before the word,
closes the token that began it at that place, and goes on from there, so that the sentence is built anew around what
may be said instead of being broken off in the middle of a word. From how far back is tried side by side, and what the
model itself finds likeliest is kept. A model that comes to the same again and again is decoded once more with every
token closed that would complete a forbidden word, which cannot fail.

The check reads text, never tokens: it holds for any tokeniser, casing and spelling that the check itself knows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor
from transformers import LogitsProcessor

from describer.types import Fault
from describer.vlm.base import Check, Checked, Generated, GenerationSettings

_ROUNDS = 4
_SOFT_ROUNDS = 2
# Nats a token that a text may become less likely where its fault was not a hard one: dearer, it stays and is flagged.
_DEAR = 0.1
_CANDIDATES = 64

Tokens = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """How one text is decoded again.

    It begins with ``prefix``, whose tokens' log-probabilities are ``logs`` where they are known; after the beginnings
    in ``closed`` the tokens named there are not taken; with ``check`` no token is taken that makes the text so far
    have a hard fault.
    """

    prefix: Tokens
    closed: dict[Tokens, set[int]]
    check: Check | None = None
    logs: tuple[float, ...] = ()


Decode = Callable[[Sequence[int], Sequence[Script | None], GenerationSettings], list[Generated]]
"""Answers of the rows of these numbers, each by its script."""


class Following(LogitsProcessor):
    """Makes each row of a batch follow its script; rows without one are left as they are.

    With ``begun`` what the model reads ends with the rows' prefixes; else they are its first tokens.
    """

    def __init__(
        self, scripts: Sequence[Script | None], tokenizer: Any, ends: set[int | None], begun: bool = False
    ) -> None:
        self._scripts, self._tokenizer, self._ends, self._begun = scripts, tokenizer, ends, begun
        self._start: int | None = None

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        self._start = input_ids.shape[1] if self._start is None else self._start
        scores = scores.clone()
        for row, script in enumerate(self._scripts):
            if script is not None:
                new = tuple(input_ids[row, self._start :].tolist())
                if not self._ends.intersection(new):
                    self._close(scores[row], (*script.prefix, *new) if self._begun else new, script)
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
            if token in self._ends or not check(text_of(self._tokenizer, (*said, token)), hard_only=True):
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
    least: float
    seen: list[str] = field(default_factory=list)
    closed: dict[Tokens, set[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, said: Generated, faults: tuple[Fault, ...]) -> _Row:
        least = -float("inf") if _hard(faults) else _log(said) - _DEAR
        return cls(said, faults, said, faults, least, [fault.what for fault in faults])

    def take(self, tried: Sequence[tuple[Generated, tuple[Fault, ...]]]) -> None:
        """Go on with the least faulty of some texts, of those the likeliest; with none when all are too unlikely."""
        good = [(said, faults) for said, faults in tried if said.text and _log(said) >= self.least]
        if not good:
            self.faults = ()
            return
        self.now, self.faults = min(good, key=lambda pair: (_weight(pair[1]), -_log(pair[0])))
        self.seen += [fault.what for fault in self.faults]
        # Of texts that are as faulty as each other the one that the model said first.
        if _weight(self.faults) < _weight(self.left):
            self.best, self.left = self.now, self.faults
            if not _hard(self.left):
                self.least = _log(self.best) - _DEAR


def decode_checked(
    decode: Decode, tokenizer: Any, checks: Sequence[Check], settings: GenerationSettings
) -> list[Checked]:
    """Answers to all rows without hard faults, and with as few others as a few tries give.

    ``decode`` is given row numbers and scripts. Rows whose first answer has no fault are decoded once.
    """
    first = decode(range(len(checks)), [None] * len(checks), settings)
    rows = [_Row.of(said, check(said.text)) for said, check in zip(first, checks, strict=True)]
    for turn in range(_ROUNDS):
        todo = {
            i: _other_ways(row, tokenizer)
            for i, row in enumerate(rows)
            if row.faults and (turn < _SOFT_ROUNDS or _hard(row.left))
        }
        _again(decode, rows, todo, checks, settings)
    # The model's own words are kept up to where the best text went wrong; only when that fails, none of them.
    for keep in (True, False):
        last = {
            i: [_closed_to_faults(row, tokenizer, checks[i], keep)] for i, row in enumerate(rows) if _hard(row.left)
        }
        _again(decode, rows, last, checks, replace(settings, temperature=0.0))
    # What was tried in vain was not withheld.
    return [Checked(row.best, () if row.best is said else _withheld(row)) for row, said in zip(rows, first)]


def _again(
    decode: Decode,
    rows: list[_Row],
    todo: dict[int, list[Script]],
    checks: Sequence[Check],
    settings: GenerationSettings,
) -> None:
    """Decode some rows by all of their scripts, together, and let each take the best."""
    numbers = [i for i, scripts in todo.items() for _ in scripts]
    if not numbers:
        return
    said = decode(numbers, [script for scripts in todo.values() for script in scripts], settings)
    for i in todo:
        tried = [answer for number, answer in zip(numbers, said) if number == i]
        rows[i].take([(answer, checks[i](answer.text)) for answer in tried])


def _other_ways(row: _Row, tokenizer: Any) -> list[Script]:
    """Back to before the first fault, as far as each of its ways back, with the token closed that led to it."""
    ways: dict[Tokens, Script] = {}
    for back in row.faults[0].backs:
        prefix = _tokens_before(row.now, back, tokenizer)
        row.closed.setdefault(prefix, set()).add(row.now.tokens[len(prefix)])
        ways[prefix] = Script(prefix, row.closed, logs=row.now.logs[: len(prefix)])
    return list(ways.values())


def _closed_to_faults(row: _Row, tokenizer: Any, check: Check, keep: bool) -> Script:
    fault = next(fault for fault in row.left if fault.hard)
    prefix = _tokens_before(row.best, fault.backs[0], tokenizer) if keep else ()
    return Script(prefix, {}, check, row.best.logs[: len(prefix)])


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


def _log(said: Generated) -> float:
    return math.log(max(said.confidence or 0.0, 1e-9))


def _weight(faults: Sequence[Fault]) -> tuple[int, int]:
    return sum(fault.hard for fault in faults), len(faults)


def _withheld(row: _Row) -> tuple[str, ...]:
    left = {fault.what for fault in row.left}
    return tuple(what for what in dict.fromkeys(row.seen) if what not in left)
