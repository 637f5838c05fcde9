"""Looks: colour and glare measured under the masks, the rest as the head says; what the head learns of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from describer.geometry import make_region
from describer.records import scene_from_dict, scene_to_dict
from describer.seg.config import SceneConfig
from describer.seg.image import normalise
from describer.seg.looks import (
    MAX_PARTS,
    REGION_WORDS,
    VIEW_WORDS,
    LookLogits,
    look_ids,
    looks_loss,
    part_shares,
    region_shares,
    with_looks,
)
from describer.seg.model import SceneModel
from describer.seg.predict import ScenePredictor
from describer.types import Appearance, Region, Scene, View

SURE = 9.0


def regions() -> tuple[Region, Region]:
    hook, organ = np.zeros((80, 100), bool), np.zeros((80, 100), bool)
    hook[30:36, 0:50] = True
    organ[40:80, 40:100] = True
    return make_region(1, "hook", "instrument", hook, 0.9), make_region(2, "liver", "anatomy", organ, 0.9)


def picture(hook: tuple[int, int, int], liver: tuple[int, int, int]) -> np.ndarray:
    image = np.full((80, 100, 3), 60, np.uint8)
    for region, rgb in zip(regions(), (hook, liver)):
        image[region.mask.to_array()] = rgb
    return image


def said(hook: Appearance, liver: Appearance, view: View) -> LookLogits:
    def logits(ids: list[int], words: dict) -> torch.Tensor:
        parts = [torch.zeros(len(values)) for values in words.values()]
        for part, i in zip(parts, ids):
            part[i] = SURE
        return torch.cat(parts)

    each = torch.stack([logits(look_ids(look, REGION_WORDS), dict(REGION_WORDS)) for look in (hook, liver)])
    return LookLogits(each[None], logits(look_ids(view, VIEW_WORDS), dict(VIEW_WORDS))[None])


def test_colours_and_glare_are_measured_and_the_rest_is_read() -> None:
    scene = Scene((100, 80), regions())
    image = picture((24, 22, 22), (96, 22, 20))
    image[60:64, 60:80] = 255  # a highlight on the liver: 80 of 2400 pixels
    hook = Appearance(cover="blood", sharp=False, state="open")
    found = with_looks(scene, image, said(hook, Appearance(state="open"), View("light", "a lot", dirt=True)))
    first, second = (region.appearance for region in found.regions)
    assert first is not None and second is not None and found.view is not None
    assert (first.colour, first.cover, first.glare, first.sharp, first.state) == (
        "black",
        "blood",
        False,
        False,
        "open",
    )
    assert (second.colour, second.cover, second.glare) == ("dark red", "none", True)
    assert second.state is None and "state" not in second.scores  # only instruments have jaws
    view = found.view
    assert (view.smoke, view.blood, view.glare, view.blur, view.dirt) == ("light", "a lot", False, False, True)
    assert all(score > 0.99 for score in (*first.scores.values(), *view.scores.values()))
    assert scene_from_dict(scene_to_dict(found), (100, 80)) == found
    assert found.unseen() == scene


def test_without_the_head_only_what_is_measured_is_told() -> None:
    found = with_looks(Scene((100, 80), regions()), picture((24, 22, 22), (222, 180, 80)), None)
    assert [region.appearance for region in found.regions] == [Appearance("black"), Appearance("yellow")]
    assert found.view is None


def test_a_region_too_thin_for_the_raster_has_a_colour() -> None:
    mask = np.zeros((1024, 1280), bool)
    mask[500, 100:900] = True
    image = np.zeros((1024, 1280, 3), np.uint8)
    image[500] = (222, 180, 80)
    found = with_looks(Scene((1280, 1024), (make_region(1, "suture", "other", mask, 0.9),)), image, None)
    assert found.regions[0].appearance == Appearance("yellow")


def test_shares_of_parts_are_those_of_the_regions_masks() -> None:
    parts = torch.zeros(1, 80, 100, dtype=torch.uint8)
    for number, region in enumerate(regions(), start=1):
        parts[0][torch.from_numpy(region.mask.to_array())] = number
    shares = part_shares(parts, (20, 25))
    assert shares.shape == (1, MAX_PARTS, 20, 25) and not shares[:, 2:].any()
    assert torch.allclose(shares[:, :2], region_shares(regions(), (20, 25)), atol=1e-6)


def test_what_is_not_known_costs_nothing_and_the_truth_costs_least() -> None:
    true = said(Appearance("red", "char", state="closed"), Appearance(), View(blur=True))
    looks = [Appearance("red", "char", state="closed"), Appearance()]
    ids = torch.tensor([[look_ids(look, REGION_WORDS) for look in looks]])
    view = torch.tensor([look_ids(View(blur=True), VIEW_WORDS)])
    right = looks_loss(true, ids, view)
    assert right < 0.05 < looks_loss(true, ids, torch.tensor([look_ids(View(dirt=True), VIEW_WORDS)]))
    assert looks_loss(true, torch.full_like(ids, -1), torch.full_like(view, -1)) == 0


def test_the_head_tells_a_region_by_its_own_pixels_and_has_to_be_there() -> None:
    torch.manual_seed(0)
    small = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "mlp_ratio": 1, "patch_size": 14}
    words = ["background", "hook", "liver"]
    config = SceneConfig(backbone=small, feature_layers=[1, 2, 3, 4], decoder_width=16, class_names=words, looks=True)
    model = SceneModel(config).eval()
    assert model.looks is not None
    pixels = normalise(torch.randint(0, 255, (1, 56, 70, 3), dtype=torch.uint8))
    parts = torch.zeros(1, 56, 70, dtype=torch.uint8)
    parts[0, :28], parts[0, 28:, :35], parts[0, 28:, 35:] = 1, 2, 3
    with torch.inference_mode():
        labels = parts.clamp(max=2)
        one = model.see_looks(pixels, labels, parts)
        swapped = model.see_looks(pixels, labels, torch.where(parts == 1, 2, torch.where(parts == 2, 1, parts)))
        assert model(pixels).look_maps is not None and model.train()(pixels).look_maps is None
    assert one.regions.shape == (1, MAX_PARTS, 9) and one.view.shape == (1, 10)
    assert torch.allclose(one.regions[:, 0], swapped.regions[:, 1], atol=1e-5)
    assert torch.allclose(one.view, swapped.view)
    assert not torch.allclose(one.regions[:, 0], one.regions[:, 1])
    assert SceneModel(SceneConfig(**{**config.to_dict(), "looks": False})).looks is None


def test_a_scene_can_be_looked_at_in_another_picture() -> None:
    predictor = ScenePredictor.load()
    scene = Scene((100, 80), regions())
    seen = predictor.see(picture((24, 22, 22), (222, 180, 80)), scene)
    dark = predictor.see(np.zeros((80, 100, 3), np.uint8), seen)
    assert [region.appearance and region.appearance.colour for region in seen.regions] == ["black", "yellow"]
    assert [region.appearance and region.appearance.colour for region in dark.regions] == ["black", "black"]


@pytest.mark.parametrize("fields", [{"cover": "paint"}, {"state": "ajar"}])
def test_words_that_nobody_knows_are_refused(fields: dict[str, str]) -> None:
    with pytest.raises(Exception, match="must be"):
        Appearance(**fields)  # type: ignore[arg-type]
