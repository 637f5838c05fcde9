import subprocess
import sys

import numpy as np
import pytest

from describer.eval.truth import (
    Rate,
    SceneTruth,
    Tally,
    appearance_scores,
    contradiction_rate,
    entity_f1,
    hallucination_rate,
    omission_rate,
    run_summary,
    scene_truth,
)
from describer.prompts.grounding import ground
from describer.prompts.sentences import region_sentence, scene_sentence
from describer.taxonomy import load_taxonomy
from describer.types import Annotation, Appearance, Provenance
from tests.scenes import disc, frame_of, random_appearance, random_scene, rod, scene_of

CORE = load_taxonomy("core")
SCENE = scene_of(("grasper", rod((0, 10), (40, 20))), ("liver", disc((110, 90), (30, 20))))


def annotation(*texts: tuple[int | None, str], scene=SCENE) -> Annotation:
    said = tuple(ground(text, scene, CORE, about, 1.0) for about, text in texts)
    return Annotation(frame_of(scene).ref, scene, said, Provenance("test", "test", None, "core"))


@pytest.mark.parametrize(
    ("candidate", "reference", "precision", "recall", "f1"),
    [
        ("A grasper and the liver.", "A grasper and the liver.", 1, 1, 1),
        ("Forceps on the livers.", "A grasper and the liver.", 1, 1, 1),  # a synonym, a plural
        ("A grasper, a grasper.", "A grasper and the liver.", 1, 0.5, 2 / 3),
        ("A snare and the liver.", "A grasper and the liver.", 0.5, 0.5, 0.5),
        ("Nothing.", "A grasper.", 0, 0, 0),
        ("A grasper.", "Nothing.", 0, 0, 0),
        ("A grasper, no liver.", "A grasper and no snare.", 1, 1, 1),  # what is denied is not said
    ],
)
def test_entity_scores(candidate, reference, precision, recall, f1):
    scores = entity_f1([candidate], [reference], CORE)
    assert (scores.precision, scores.recall, scores.f1) == pytest.approx((precision, recall, f1))


def test_entity_scores_are_micro_averaged():
    scores = entity_f1(["liver", "fat and blood"], ["liver", "polyp"], CORE)
    assert (scores.matched, scores.said, scores.expected, scores.n) == (1, 3, 2, 2)
    with pytest.raises(ValueError, match="1 candidates against 2"):
        entity_f1(["liver"], ["liver", "fat"], CORE)


def test_rates():
    bad = annotation((1, "A grasper in the lower right near a snare."), (None, "Two graspers."))
    assert (hallucination_rate([bad]).count, hallucination_rate([bad]).of) == (1, 3)
    assert (omission_rate([bad]).count, omission_rate([bad]).of) == (1, 2)
    assert (contradiction_rate([bad]).count, contradiction_rate([bad]).of) == (2, 2)


@pytest.mark.parametrize(
    ("texts", "hallucination", "omission", "contradiction", "why"),
    [
        (["A grasper and the liver."], (0, 2), (0, 2), (0, 1), "true and whole"),
        (["Forceps.", "The livers."], (0, 2), (0, 2), (0, 2), "whole between two texts, in other words"),
        (["A grasper and a snare."], (1, 2), (1, 2), (0, 1), "a snare that is not there, the liver left out"),
        (["A grasper and no snare."], (0, 1), (1, 2), (0, 1), "a snare denied is not hallucinated"),
        (["No liver is seen, a grasper is."], (0, 1), (1, 2), (1, 1), "the liver denied is left out, and refuted"),
        (["Three graspers near the liver."], (0, 2), (0, 2), (1, 1), "a count the masks refute"),
        (["A grasper in the lower right, the liver."], (0, 2), (0, 2), (1, 1), "a place the masks refute"),
        ([""], (0, 0), (2, 2), (0, 1), "nothing said"),
        ([], (0, 0), (2, 2), (0, 0), "no text"),
    ],
)
def test_texts_from_anywhere_against_a_true_scene(texts, hallucination, omission, contradiction, why):
    truth = scene_truth(texts, SCENE, CORE)
    assert truth == SceneTruth(Rate(*hallucination), Rate(*omission), Rate(*contradiction)), why
    assert (truth + truth).omission == Rate(2 * omission[0], 2 * omission[1])


@pytest.mark.parametrize("seed", range(20))
def test_canonical_sentences_are_without_fault(seed):
    scene = random_scene(np.random.default_rng(seed))
    texts = [(r.id, region_sentence(scene, r.id)) for r in scene.regions]
    good = annotation(*texts, (None, scene_sentence(scene)), scene=scene)
    summary = run_summary([good])
    assert (summary["hallucination_count"], summary["omission_count"], summary["contradiction_count"]) == (
        0,
        0,
        0,
    )


def test_a_summary_adds_up_in_any_split():
    parts = [annotation((1, "A snare.")), annotation((2, "The liver in the upper left."))]
    tally = Tally()
    for part in parts:
        tally.add(part)
    assert (
        tally.summary()
        == run_summary(parts)
        == {
            "frames": 2,
            "regions": 4,
            "descriptions": 2,
            "hallucination_rate": 0.5,
            "hallucination_count": 1,
            "hallucination_of": 2,
            "omission_rate": 0.75,
            "omission_count": 3,
            "omission_of": 4,
            "contradiction_rate": 0.5,
            "contradiction_count": 1,
            "contradiction_of": 2,
        }
    )
    assert run_summary([])["hallucination_rate"] == 0.0


def test_looks_are_scored_where_the_truth_knows_them():
    true = [Appearance("silver", "blood", True, True, "open"), Appearance(None, "none", False, False, None)]
    texts = ["A hook. It is silver with bloodstains, jaws closed.", "Fat. Its surface is pink, out of focus."]
    scores = appearance_scores(texts, true)
    assert {name: (score.accuracy, score.n) for name, score in scores.items()} == {
        "colour": (1.0, 1),
        "cover": (1.0, 2),
        "glare": (0.5, 2),
        "blur": (1.0, 2),
        "jaws": (0.0, 1),
    }


def test_true_sentences_score_full():
    rng = np.random.default_rng(0)
    texts, looks = [], []
    for _ in range(20):
        scene = random_scene(rng)
        for region in scene.regions:
            looks.append(random_appearance(rng, region.kind == "instrument"))
            texts.append(region_sentence(scene, region.id, looks[-1]))
    scores = appearance_scores(texts, looks)
    assert all(score.accuracy == score.macro_f1 == 1.0 and score.n > 20 for score in scores.values())


def test_scores_import_no_heavy_library():
    code = (
        "import sys, describer.eval.truth, describer.eval.segmentation, describer.prompts.build\n"
        "sys.exit(bool({'torch', 'transformers', 'evaluate'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
