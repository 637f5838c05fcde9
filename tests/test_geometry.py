import numpy as np
import pytest

from describer.geometry import (
    entry_side,
    make_region,
    place_of,
    raster,
    size_word,
    tip_of,
    touching,
)
from describer.types import PLACES
from tests.scenes import SIZE_WH, disc, rod


@pytest.mark.parametrize("index", range(9))
def test_every_cell_has_its_place(index):
    x, y = (index % 3 + 0.5) * 100, (index // 3 + 0.5) * 60
    assert place_of((x, y), (300, 180)) == PLACES[index]


@pytest.mark.parametrize(
    ("point", "place"), [((0, 0), "upper left"), ((300, 180), "lower right"), ((-1, 90), "center left")]
)
def test_place_at_the_border(point, place):
    assert place_of(point, (300, 180)) == place


@pytest.mark.parametrize(
    ("area", "word"),
    [
        (0.0, "tiny"),
        (0.0099, "tiny"),
        (0.01, "small"),
        (0.05, "medium"),
        (0.15, "large"),
        (0.35, "very large"),
    ],
)
def test_size_words(area, word):
    assert size_word(area) == word


@pytest.mark.parametrize(
    ("start", "side"),
    [((0, 60), "left"), ((159, 60), "right"), ((80, 0), "top"), ((80, 127), "bottom")],
)
def test_an_instrument_enters_where_it_leaves_the_view_and_its_tip_is_inside(start, side):
    mask = rod(start, (80, 64))
    assert entry_side(mask) == side
    x, y = tip_of(mask)
    assert abs(x - 80) < 12 and abs(y - 64) < 12


def test_an_instrument_inside_of_the_view_enters_nowhere():
    assert entry_side(rod((40, 40), (100, 90))) is None


def test_tip_of_tiny_masks():
    for pixels in (1, 2, 3):
        mask = np.zeros((20, 20), bool)
        mask[10, 5 : 5 + pixels] = True
        x, y = tip_of(mask)
        assert 5 <= x <= 8 and y == 10.5


@pytest.mark.parametrize("scale", [1, 3])
def test_geometry_does_not_depend_on_resolution(scale):
    size_wh = (SIZE_WH[0] * scale, SIZE_WH[1] * scale)
    mask = rod((0, 20 * scale), (90 * scale, 70 * scale), 8 * scale, size_wh)
    region = make_region(1, "hook", "instrument", mask, 0.5)
    assert (region.place, size_word(region.area_fraction), entry_side(mask)) == (
        "center left",
        "small",
        "left",
    )
    assert place_of(tip_of(mask), size_wh) == "center"


def test_raster_is_small_and_keeps_thin_parts():
    mask = rod((0, 300), (900, 700), 6, (1280, 1024))
    small = raster(mask)
    assert max(small.shape) == 256
    assert small.any()


def test_make_region_refuses_an_empty_mask():
    with pytest.raises(ValueError, match="empty mask"):
        make_region(3, "fat", "anatomy", np.zeros((4, 4), bool), 1.0)


def test_touching_is_listed_once_lower_id_first():
    masks = [disc((40, 60), (20, 20)), disc((78, 60), (20, 20)), disc((140, 60), (10, 10))]
    regions = [make_region(i + 1, "fat", "anatomy", mask, 1.0) for i, mask in enumerate(masks)]
    found = touching(regions, masks)
    assert [(r.subject, r.predicate, r.object) for r in found] == [(1, "touches", 2)]
