"""Adversarial models and odd tokenisers against the guard: nothing absent is said, and nothing else changes."""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from describer.claims import faults
from describer.mentions import find_labels
from describer.prompts.sentences import scene_sentence
from describer.taxonomy import load_taxonomy
from describer.types import Fault, Scene
from describer.vlm.base import ChecksWhileDecoding, Generated, GenerationSettings
from describer.vlm.embedded import build_embedded, train_tokenizer
from describer.vlm.guarded import Following, decode_checked, text_of
from describer.vlm.local import TransformersVLM
from tests.scenes import disc, random_scene, scene_of
from tests.vlm.contract import CHATS
from tests.vlm.tiny import TEXTS, TINY_VISION

CORE = load_taxonomy("core")
END = 0
SETTINGS = GenerationSettings(max_new_tokens=10)
WORDS = [word for label in CORE.labels for word in (label.name, *label.synonyms)]


class Pieces:
    """A tokeniser that is a list of pieces, however odd; 0 is the end."""

    def __init__(self, pieces: list[str]) -> None:
        self.pieces = ["", *dict.fromkeys(pieces)]

    def decode(self, tokens: list[int], skip_special_tokens: bool = True) -> str:
        return "".join(self.pieces[token] for token in tokens)


def letters() -> Pieces:
    return Pieces(list("abcdefghijklmnopqrstuvwxyz ABCDEFGHIKLMNOPRSTUVW-,.;\u2011"))


def whole_words() -> Pieces:
    forms = [form for word in WORDS for form in (word, word.title(), f"{word}s", word.replace(" ", "-"))]
    return Pieces(
        [*(f" {form}" for form in forms), " the", " a", " and", ",", ".", " touching", "stains", "ing", " no"]
    )


def odd_splits() -> Pieces:
    """Every word cut at a place of its own, some pieces over a word's border, and letters to fill in."""
    rng = np.random.default_rng(7)
    pieces = []
    for word in WORDS:
        cut = int(rng.integers(1, len(word)))
        pieces += [f" {word[:cut]}", word[cut:], f"{word[cut:]} and", f"{word[cut:]},", f"a {word[:cut]}"]
    return Pieces([*pieces, *letters().pieces[1:]])


@dataclass(frozen=True)
class Wild:
    """A language model of no sense that wants labels: its scores follow from its seed and the last tokens."""

    tokenizer: Pieces
    seed: int
    greed: float = 3.0

    @functools.cached_property
    def wanted(self) -> torch.Tensor:
        letters = [re.sub("[^a-z]", "", piece.lower()) for piece in self.tokenizer.pieces]
        return torch.tensor([self.greed * (len(p) > 2 and any(p in word for word in WORDS)) for p in letters])

    def scores(self, row: int, said: tuple[int, ...]) -> torch.Tensor:
        key = hashlib.sha256(f"{self.seed} {row} {said[-3:]}".encode()).digest()
        noise = torch.tensor(np.random.default_rng(list(key)).normal(size=len(self.tokenizer.pieces)))
        return noise + self.wanted

    def decode(self, rows, scripts, settings) -> list[Generated]:
        """Greedy, all rows side by side, each by its script."""
        following = Following(scripts, self.tokenizer, {END})
        ids = torch.zeros((len(rows), 0), dtype=torch.long)
        logs = torch.zeros(len(rows))
        for _ in range(settings.max_new_tokens):
            own = torch.stack([self.scores(row, tuple(said)) for row, said in zip(rows, ids.tolist())])
            chosen = following(ids, own).argmax(-1)
            logs += own.log_softmax(-1).gather(1, chosen[:, None])[:, 0]
            ids = torch.cat([ids, chosen[:, None]], dim=1)
        return [self._answer(said, float(log / len(said))) for said, log in zip(ids.tolist(), logs)]

    def _answer(self, ids: list[int], log: float) -> Generated:
        ids = ids[: ids.index(END) + 1] if END in ids else ids
        return Generated(text_of(self.tokenizer, ids), float(np.exp(log)), tuple(ids))


def check_of(seed: int):
    scene = random_scene(np.random.default_rng(seed))
    return scene, functools.partial(faults, scene=scene, taxonomy=CORE, about=None)


@pytest.mark.parametrize("tokenizer", [whole_words(), odd_splits()], ids=["words", "odd"])
@pytest.mark.parametrize("seed", range(2))
def test_24_rows_of_different_scenes_never_say_what_is_absent(tokenizer, seed):
    wild = Wild(tokenizer, seed)
    scenes, checks = zip(*(check_of(100 * seed + k) for k in range(24)))
    free = wild.decode(range(24), [None] * 24, SETTINGS)
    guarded = decode_checked(wild.decode, tokenizer, checks, SETTINGS)
    assert sum(any(f.hard for f in check(said.text)) for check, said in zip(checks, free)) >= 2, "nothing to keep out"
    for before, after, scene, check in zip(free, guarded, scenes, checks):
        left = check(after.generated.text)
        assert not any(fault.hard for fault in left), after.generated.text
        if not check(before.text):
            assert after.generated == before and after.withheld == ()
        if any(fault.hard for fault in check(before.text)):
            assert after.withheld and after.generated.text != before.text
        labels = {found.label for found in find_labels(after.generated.text, CORE)}
        assert labels <= {region.label for region in scene.regions} or " no" in after.generated.text


@dataclass(frozen=True)
class Stubborn(Wild):
    """Wants one text and, wherever that is closed to it, the nearest thing to it."""

    wish: str = ""

    def scores(self, row: int, said: tuple[int, ...]) -> torch.Tensor:
        scores = torch.full((len(self.tokenizer.pieces),), -8.0)
        rest = self.wish[len(self.tokenizer.decode(list(said))) :]
        for token, piece in enumerate(self.tokenizer.pieces):
            if piece and rest.lower().startswith(piece.lower()):
                scores[token] = len(piece) + (piece == rest[: len(piece)])
        scores[END] = 0.0 if rest else 20.0
        return scores


@pytest.mark.parametrize(
    "wish",
    [
        "the snare",
        "THE SNARES",
        "a needle-driver, needle\u2011drivers",
        "Grasping Forceps and forceps",
        "a Polypectomy-Snare",
        "bipolar forceps",
        "bleeding; BLEEDING. Bleeding",
        "knives, electric knives",
    ],
)
@pytest.mark.parametrize("tokenizer", [letters(), odd_splits()], ids=["letters", "odd"])
def test_casing_hyphens_and_plurals_do_not_help(tokenizer, wish):
    model = Stubborn(tokenizer, 0, wish=wish)
    check = functools.partial(faults, scene=Scene((160, 128)), taxonomy=CORE)
    (free,) = model.decode([0], [None], GenerationSettings(max_new_tokens=40))
    assert free.text.lower() == wish.lower()
    (held,) = decode_checked(model.decode, tokenizer, [check], GenerationSettings(max_new_tokens=40))
    assert find_labels(held.generated.text, CORE) == ()
    assert held.withheld


@pytest.mark.parametrize(
    ("wish", "absent"),
    [
        ("bloodstains and a hooked livery", ("blood", "hook", "liver")),  # words that only begin like labels
        ("a needle-driver", ("hook",)),
        ("bipolar forceps", ("grasper",)),  # whose synonym is "forceps"
        ("a clip applier, clipping", ("hook",)),
        ("no snare and no hook", ("snare", "hook")),  # true
    ],
)
def test_longer_words_and_denials_stay_to_the_character(wish, absent):
    def check(text: str, hard_only: bool = False) -> tuple[Fault, ...]:
        present = tuple(label for label in CORE.names if label not in absent)
        return faults(text, _holding(present), CORE, hard_only=True)

    model = Stubborn(odd_splits(), 0, wish=wish)
    settings = GenerationSettings(max_new_tokens=40)
    (free,) = model.decode([0], [None], settings)
    (held,) = decode_checked(model.decode, model.tokenizer, [check], settings)
    assert held.generated == free and held.generated.text == wish


@functools.cache
def _holding(labels):
    return scene_of(*((label, disc((20 + 5 * i, 60), (6, 6))) for i, label in enumerate(labels)))


def test_true_texts_are_decoded_once():
    calls = []

    def decode(rows, scripts, settings):
        calls.append(list(rows))
        return [Generated(scene_sentence(scenes[i]), 0.9, (1, 2)) for i in rows]

    scenes, checks = zip(*(check_of(seed) for seed in range(6)))
    held = decode_checked(decode, letters(), checks, SETTINGS)
    assert calls == [list(range(6))]
    assert [said.generated.text for said in held] == [scene_sentence(scene) for scene in scenes]


def test_a_claim_is_said_otherwise_only_where_that_is_as_fluent():
    pieces = Pieces([" left", " right", " top", "in the", "."])
    left = (4, 1, 5, END)

    def wrong(text: str, hard_only: bool = False) -> tuple[Fault, ...]:
        return (Fault("left", (text.index("left"),)),) if "left" in text else ()

    def decode_to(other: tuple[int, ...], sure: float):
        def decode(rows, scripts, settings):
            ids = [left if script is None or not script.closed else other for script in scripts]
            return [Generated(text_of(pieces, i), 0.9 if i == left else sure, i) for i in ids]

        return decode

    (fluent,) = decode_checked(decode_to((4, 2, 5, END), 0.88), pieces, [wrong], SETTINGS)
    assert (fluent.generated.text, fluent.withheld) == ("in the right.", ("left",))
    worse = Fault("top", (0,))

    def both(text: str, hard_only: bool = False) -> tuple[Fault, ...]:
        return (worse,) if "top" in text else wrong(text)

    (vain,) = decode_checked(decode_to((4, 3, 5, END), 0.9), pieces, [both], SETTINGS)
    assert (vain.generated.text, vain.withheld) == ("in the left.", ())
    (dear,) = decode_checked(decode_to((4, 3, 5, END), 0.5), pieces, [wrong], SETTINGS)
    assert (dear.generated.text, dear.withheld) == ("in the left.", ())


class TestLocalModel:
    """A real random model whose output layer is made to want the tokens of labels."""

    absent = staticmethod(functools.partial(faults, scene=_holding(("liver",)), taxonomy=CORE))

    @pytest.fixture(scope="class")
    def vlm(self):
        tokenizer = train_tokenizer([*TEXTS, *["a hook and a grasper and liver"] * 30], 330)
        vocabulary = tokenizer.get_vocab()
        sizes = {"hidden_size": 64, "layers": 2, "heads": 2, "intermediate_size": 128, "max_positions": 256}
        model, processor = build_embedded(tokenizer, TINY_VISION, image_px=28, **sizes)
        wanted = torch.zeros(model.lm_head.out_features)
        for word, wish in (("hook", 8.0), ("grasper", 7.0), ("liver", 6.0)):
            wanted[vocabulary[f"Ġ{word}"]] = wish
        plain = model.lm_head.forward
        model.lm_head.forward = lambda hidden: 4 * plain(hidden) + wanted
        return TransformersVLM(model.eval(), processor, "tiny")

    @pytest.mark.parametrize("temperature", [0.0, 0.7])
    def test_wanted_labels_are_kept_out(self, vlm, temperature):
        assert isinstance(vlm, ChecksWhileDecoding)
        settings = GenerationSettings(max_new_tokens=8, batch_size=3, temperature=temperature)
        checks = [self.absent] * len(CHATS)
        free = vlm.generate(CHATS, settings)
        assert any(self.absent(said.text) for said in free)
        held = vlm.generate_checked(CHATS, checks, settings)
        for before, after in zip(free, held):
            assert not any(fault.hard for fault in self.absent(after.generated.text))
            if not self.absent(before.text):
                assert after.generated == before

    def test_probabilities_are_the_model_s_own(self, vlm):
        settings = GenerationSettings(max_new_tokens=6)
        free = vlm.generate(CHATS, settings)
        for before, after in zip(free, vlm.generate_checked(CHATS, [self.absent] * len(CHATS), settings)):
            assert after.generated.confidence <= before.confidence
            assert (after.generated.confidence == before.confidence) == (after.generated.text == before.text)
