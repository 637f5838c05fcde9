import numpy as np
import pytest

from describer.errors import RecordError
from describer.geometry import make_region
from describer.types import Description, Frame, FrameRef, Mask, Region, Relation, Scene
from tests.scenes import SIZE_WH, disc, scene_of

MASK = disc((40, 40), (10, 8))
SHA = "0" * 64


def region(**changes) -> Region:
    good = make_region(1, "liver", "anatomy", MASK, 0.9)
    fields = {name: getattr(good, name) for name in Region.__slots__}
    return Region(**{**fields, **changes})


@pytest.mark.parametrize("seed", range(5))
def test_mask_round_trip(seed):
    array = np.random.default_rng(seed).random((37, 53)) < 0.4
    mask = Mask.from_array(array)
    assert mask.size_hw == (37, 53)
    assert mask.area_px == np.count_nonzero(array)
    np.testing.assert_array_equal(mask.to_array(), array)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"id": 0}, "id"),
        ({"kind": "organ"}, "kind"),
        ({"score": 1.2}, "score"),
        ({"place": "middle"}, "place"),
        ({"box_xyxy": (5, 5, 5, 9)}, "box"),
        ({"box_xyxy": (0, 0, SIZE_WH[0] + 1, 9)}, "box"),
    ],
)
def test_region_refuses(changes, why):
    with pytest.raises(RecordError, match=why):
        region(**changes)


def test_mask_refuses_other_shapes():
    with pytest.raises(RecordError, match="shape"):
        Mask.from_array(np.zeros((2, 3, 4), bool))
    with pytest.raises(RecordError, match="positive"):
        Mask((0, 4), "")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Scene(SIZE_WH, (region(), region())), "unique"),
        (lambda: Scene(SIZE_WH, (region(),), (Relation(1, "touches", 2),)), "not in the scene"),
        (lambda: Scene((10, 10), (region(),)), "against frame"),
        (lambda: Relation(1, "likes", 2), "predicate"),
        (lambda: Description(None, "short", ((0, 9, 1),)), "outside"),
        (lambda: FrameRef("a.png", 0, None, SIZE_WH, "abc"), "sha256"),
        (lambda: Frame(np.zeros((4, 4), np.uint8), FrameRef("a.png", 0, None, (4, 4), SHA)), "RGB"),
    ],
)
def test_values_refuse(make, why):
    with pytest.raises(RecordError, match=why):
        make()


def test_scene_finds_regions_and_neighbours():
    scene = scene_of(("liver", disc((50, 50), (30, 30))), ("fat", disc((90, 50), (15, 15))))
    assert scene.region(2).label == "fat"
    assert scene.related(1, "touches") == (2,)
    assert scene.related(2, "touches") == (1,)
    with pytest.raises(RecordError, match=r"no region 7.*\[1, 2\]"):
        scene.region(7)
