"""The grounding guard: a text is held against its scene before it leaves, and nothing is rewritten silently.

"off"     texts leave as the model said them
"flag"    the same texts, with what the scene refutes of them beside them
"strict"  what the scene refutes is said otherwise: a local model is taken back to before the word while it decodes
          (describer.vlm.guarded), another is asked again with its faults named; what is still refuted is flagged

What makes a fault is `describer.claims.faults`, the same for all three and for the reports.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

from describer.claims import faults
from describer.errors import InputError
from describer.messages import Chat
from describer.prompts.again import again_chat
from describer.taxonomy import Taxonomy
from describer.types import Fault, Scene
from describer.vlm.base import Check, ChecksWhileDecoding, Generated, GenerationSettings, VisionLanguageModel

GUARDS = ("off", "flag", "strict")
_ASKED_AGAIN = 2


@dataclass(frozen=True, slots=True)
class Said:
    """An answer; ``flags`` is what the scene refutes of it, ``withheld`` what was refuted and said otherwise."""

    generated: Generated
    flags: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()


def check_guard(guard: str) -> str:
    """The guard's name; InputError for one that is not known."""
    if guard not in GUARDS:
        raise InputError(f"--guard {guard!r} is unknown; use one of {', '.join(GUARDS)}.")
    return guard


def check_of(scene: Scene, taxonomy: Taxonomy, about: int | None) -> Check:
    """What finds the faults of a text about one region of a scene, or None for the whole of it.

    A text is read once, however often it is asked about: while it is decoded, when it is chosen, when it is flagged.
    """
    return lru_cache(maxsize=32)(partial(faults, scene=scene, taxonomy=taxonomy, about=about))


def say(
    vlm: VisionLanguageModel,
    chats: Sequence[Chat],
    checks: Sequence[Check],
    settings: GenerationSettings,
    guard: str,
) -> list[Said]:
    """Answers to the chats, in order, each held against its check as ``guard`` says."""
    if guard == "strict" and isinstance(vlm, ChecksWhileDecoding):
        said = [Said(c.generated, (), c.withheld) for c in vlm.generate_checked(chats, checks, settings)]
    else:
        said = [Said(generated) for generated in vlm.generate(chats, settings)]
        if guard == "strict":
            _ask_again(vlm, said, chats, checks, settings)
    if guard == "off":
        return said
    return [Said(s.generated, _words(check(s.generated.text)), s.withheld) for s, check in zip(said, checks)]


def _ask_again(
    vlm: VisionLanguageModel,
    said: list[Said],
    chats: Sequence[Chat],
    checks: Sequence[Check],
    settings: GenerationSettings,
) -> None:
    """Replace, in place, faulty answers by less faulty ones, where the model gives any."""
    for _ in range(_ASKED_AGAIN):
        found = [check(s.generated.text) for s, check in zip(said, checks)]
        todo = [i for i, wrong in enumerate(found) if wrong]
        if not todo:
            return
        turns = [again_chat(chats[i], said[i].generated.text, _words(found[i])) for i in todo]
        for i, answer in zip(todo, vlm.generate(turns, settings)):
            left = checks[i](answer.text)
            if answer.text.strip() and _weight(left) < _weight(found[i]):
                gone = [what for what in _words(found[i]) if what not in _words(left)]
                said[i] = Said(answer, (), tuple(dict.fromkeys((*said[i].withheld, *gone))))


def _words(found: Sequence[Fault]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(fault.what for fault in found))


def _weight(found: Sequence[Fault]) -> tuple[int, int]:
    return sum(fault.hard for fault in found), len(found)
