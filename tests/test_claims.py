import pytest

from describer.claims import contradictions
from describer.mentions import link
from describer.taxonomy import load_taxonomy
from describer.types import Description
from tests.scenes import disc, rod, scene_of

CORE = load_taxonomy("core")
SCENE = scene_of(
    ("grasper", rod((0, 10), (40, 20))),  # upper left, from the left
    ("hook", rod((159, 64), (84, 64))),  # center right, tip in the center
    ("liver", disc((30, 110), (20, 12))),  # lower left
    ("liver", disc((130, 110), (20, 12))),  # lower right
)


@pytest.mark.parametrize(
    ("about", "text", "count"),
    [
        (None, "A grasper in the upper left and a hook in the center right.", 0),
        (None, "A grasper in the lower right.", 1),
        (None, "A grasper in the top-left corner, a hook at the right.", 0),
        (None, "A hook with its tip in the center.", 0),
        (None, "A hook with its tip in the lower left.", 1),
        (None, "A grasper enters from the left.", 0),
        (None, "A grasper enters from the right.", 1),
        (None, "The hook lies in the center left.", 1),
        (None, "Two graspers and a hook.", 1),
        (None, "Two areas of liver.", 0),
        (None, "One liver.", 1),
        (3, "The liver lies in the lower left.", 0),
        (3, "The liver lies in the lower right.", 1),  # that is the other one
        (1, "One grasper above two areas of liver.", 0),
        (None, "The liver in the lower left. It is seen in the upper center.", 0),  # another sentence
        (None, "No snare in the upper left.", 0),  # ungrounded, which is counted elsewhere
        (None, "No grasper is in view.", 1),
    ],
)
def test_place_side_and_count_words_are_checked(about, text, count):
    mentions, ungrounded = link(text, SCENE, CORE, about)
    found = contradictions(Description(about, text, mentions, 1.0, ungrounded), SCENE, CORE)
    assert len(found) == count, found
