"""A language model on held-out training chats, scored with this project's own metrics while it is being tuned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from describer.chat_files import ChatFile, Example
from describer.eval import metric
from describer.eval.answers import same_answer
from describer.eval.truth import Rate, entity_f1, labels_of
from describer.taxonomy import load_taxonomy
from describer.vlm.base import GenerationSettings, VisionLanguageModel


def drawn_rows(file: ChatFile, n: int, seed: int) -> list[int]:
    """At most ``n`` chats' numbers, by chance and in order: the same each time, so that scores can be compared."""
    chosen = np.random.default_rng([seed, 11]).permutation(len(file))[:n]
    return sorted(int(i) for i in chosen)


def chat_scores(
    vlm: VisionLanguageModel, examples: Sequence[Example], taxonomy: str, settings: GenerationSettings
) -> dict[str, float]:
    """What the model says to the chats against their true answers.

    Of descriptions: entity F1, hallucination (labels said that the scene in the prompt lacks, of all said) and CIDEr-D;
    of questions: accuracy. A score that nothing was there for is left out; ``n`` is how many chats were answered.
    """
    said = [generated.text for generated in vlm.generate([e.chat for e in examples], settings)]
    pairs = list(zip(said, examples, strict=True))
    told = [(text, e) for text, e in pairs if not e.kind.startswith("question")]
    asked = [(text, e) for text, e in pairs if e.kind.startswith("question")]
    scores: dict[str, float] = {"n": len(examples)}
    if told:
        words = load_taxonomy(taxonomy)
        texts, true = [text for text, _ in told], [e.answer for _, e in told]
        scores["entity_f1"] = entity_f1(texts, true, words).f1
        made_up = Rate(0, 0)
        for text, example in told:
            if example.labels is not None:
                names = labels_of(text, words)
                made_up += Rate(len(names - set(example.labels)), len(names))
        scores["hallucination"] = made_up.value
        scores["cider_d"] = metric("cider_d").function(texts, true).corpus["cider_d"]
    if asked:
        scores["vqa_accuracy"] = float(np.mean([same_answer(text, e.answer) for text, e in asked]))
    return {name: round(float(value), 4) for name, value in scores.items()}
