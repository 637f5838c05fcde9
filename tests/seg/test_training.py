"""Data, training and scoring on a tiny source: round trips, resuming, learning, exact scores."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from describer.errors import DescriberError, InputError, ModelError, OutputError, TaxonomyError
from describer.seg.augment import Augmentation, augment, random_affine, warp, warp_boxes
from describer.seg.codes import IGNORE, REST, SOME_INSTRUMENT
from describer.seg.config import SceneConfig
from describer.seg.data import BatchLoader, CachedDataset, Mixture, Source, write_shard
from describer.seg.image import to_pixels
from describer.seg.model import SceneModel
from describer.seg.scoring import SegmentationScore, abs_rel
from describer.seg.training import Progress, TrainSettings, evaluate_scene, train_scene

C, HW = 4, (56, 70)
TINY = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "mlp_ratio": 2, "image_size": 56}


def config(**fields: Any) -> SceneConfig:
    names = {"class_names": list("abcd"), "activity_names": ["x", "y"]}
    return SceneConfig(backbone=TINY, feature_layers=[1, 2, 3, 4], decoder_width=16, **(names | fields))


def settings(**fields: Any) -> TrainSettings:
    return TrainSettings(**({"steps": 6, "batch_size": 4, "warmup_steps": 2, "hw": HW} | fields))


@pytest.fixture
def source(tiny_frames: Path) -> Source:
    return Source(CachedDataset(tiny_frames))


def test_shards_round_trip(source: Source) -> None:
    data = source.dataset
    assert (len(data), data.classes) == (8, C)
    assert [data[i].activity for i in range(8)] == [-1, 0, 1, -1, 0, 1, -1, 0]
    first, last = data[0], data[7]
    assert first.depth is not None and first.depth.dtype == np.float32 and last.depth is None
    assert np.array_equal(first.depth, first.labels + 1.0)
    with pytest.raises(IndexError):
        data[8]


def test_bad_sources_are_refused(tmp_path: Path, source: Source) -> None:
    with pytest.raises(InputError, match="no shard"):
        CachedDataset(tmp_path / "nothing")
    images = np.zeros((2, 8, 8, 3))
    with pytest.raises(InputError, match="labels has shape"):
        write_shard(tmp_path, 0, images, np.zeros((3, 8, 8)), activity=np.zeros(2), annotated=np.ones((2, C)))
    (source.dataset.folder / "shard-00001" / "labels.npy").unlink()
    with pytest.raises(InputError, match=r"labels\.npy missing"):
        CachedDataset(source.dataset.folder)
    with pytest.raises(InputError, match="weight"):
        Source(source.dataset, 0)


def test_mixture_keeps_shares_sees_all_and_resumes(source: Source) -> None:
    plan = Mixture([source, Source(source.dataset, 3.0)], 4, seed=1).batches()
    batches = [next(plan) for _ in range(16)]
    flat = [pick for batch in batches for pick in batch]
    assert abs(sum(s == 0 for s, _ in flat) - 16) <= 1
    heavy = [frame for s, frame in flat if s == 1]
    assert all(sorted(heavy[k : k + 8]) == list(range(8)) for k in (0, 8, 16))
    assert heavy[:8] != heavy[8:16]
    later = Mixture([source, Source(source.dataset, 3.0)], 4, seed=1).batches(10)
    assert [next(later) for _ in range(6)] == batches[10:]


def test_loader_is_a_function_of_seed_and_step(source: Source) -> None:
    one, two = BatchLoader([source], 4, hw=HW, threads=2), BatchLoader([source], 4, first_step=2, hw=HW)
    ahead = [next(one) for _ in range(4)]
    for expected in ahead[2:]:
        got = next(two)
        assert all(torch.equal(got[k].nan_to_num(-1), expected[k].nan_to_num(-1)) for k in expected)
    assert ahead[0]["images"].shape == (4, *HW, 3) and ahead[0]["depth"].isnan().any()
    one.close()
    two.close()


def test_augmentation_moves_image_and_labels_alike() -> None:
    rng = np.random.default_rng(0)
    labels = np.zeros((64, 80), np.uint8)
    labels[20:40, 30:70] = REST
    image = np.repeat(np.where(labels, 255, 0).astype(np.uint8)[..., None], 3, axis=2)
    calm = {"gamma": 0, "contrast": 0, "brightness": 0, "saturation": 0, "hue_deg": 0}
    how = Augmentation(**calm, noise_chance=0, blur_chance=0)
    for _ in range(20):
        matrix = random_affine(rng, how, labels.shape, HW)
        view, moved, depth = augment(image, labels, labels.astype(np.float32), rng, how=how, to_hw=HW, matrix=matrix)
        assert view.shape == (*HW, 3) and set(np.unique(moved)) <= {0, REST}
        assert depth is not None and np.array_equal(depth, moved)
        assert ((view[..., 0] > 127) == (moved == REST)).mean() > 0.97


def test_boxes_move_with_the_masks() -> None:
    rng = np.random.default_rng(0)
    how = Augmentation(rotation_deg=0)
    compared = 0
    for _ in range(40):
        mask = np.zeros((64, 80), np.uint8)
        x, y = rng.integers(5, 40, 2)
        mask[y : y + 18, x : x + 25] = 1
        matrix = random_affine(rng, how, mask.shape, HW)
        box = warp_boxes(np.array([[x, y, x + 25, y + 18], [np.nan] * 4], np.float32), matrix, HW)
        ys, xs = np.nonzero(warp(mask, matrix, HW, smooth=False))
        assert np.isnan(box[1]).all()
        if np.isnan(box[0]).any() or xs.min() == 0 or ys.min() == 0 or xs.max() == HW[1] - 1 or ys.max() == HW[0] - 1:
            continue
        assert np.abs(box[0] - [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]).max() <= 1.5
        compared += 1
    assert compared > 10


def test_a_box_outside_of_the_view_is_no_box() -> None:
    right_half = np.array([[0.5, 0, 40], [0, 1, 0]])
    boxes = np.array([[0, 0, 20, 20], [30, 0, 60, 20], [50, 10, 70, 30]], np.float32)
    moved = warp_boxes(boxes, right_half, (64, 80))
    assert np.isnan(moved[0]).all() and moved[1, 0] == 0 and np.isfinite(moved[2]).all()


def test_ranks_share_each_batch(source: Source) -> None:
    whole = next(BatchLoader([source], 4, hw=HW))
    parts = [next(BatchLoader([source], 4, hw=HW, part=(rank, 2))) for rank in range(2)]
    for rank, part in enumerate(parts):
        assert torch.equal(part["images"], whole["images"][rank::2])


def test_loss_falls_and_scores_rise(tmp_path: Path, source: Source) -> None:
    news: list[Progress] = []
    long = settings(steps=60, lr=3e-3, ema_decay=0.9, seed=1)
    model = train_scene(config(), [source], tmp_path / "run", long, progress=news.append)
    assert np.mean([n.loss for n in news[-10:]]) < 0.6 * np.mean([n.loss for n in news[:5]])
    scores = evaluate_scene(model, source.dataset)
    assert scores["miou"] > 0.6 and scores["n"] == 8
    assert (scores["activity_n"], scores["depth_n"]) == (5, 4)
    assert news[-1].left_s == 0 and news[-1].step == 60
    again = SceneModel.from_pretrained(tmp_path / "run", dtype=torch.float32)
    assert evaluate_scene(again, source.dataset)["miou"] == pytest.approx(scores["miou"], abs=1e-4)


class KilledError(Exception):
    pass


def kill_after(step: int):  # type: ignore[no-untyped-def]
    def stop(news: Progress) -> None:
        if news.step == step:
            raise KilledError

    return stop


@pytest.mark.parametrize("stage", ["full", "adapter"])
def test_resumed_equals_unbroken(tmp_path: Path, source: Source, stage: str) -> None:
    start, cfg = None, config()
    if stage == "adapter":
        start, cfg = tmp_path / "start", config(adapter="tesla")
        SceneModel(config()).save_pretrained(start)
    plan = settings(stage=stage, phase1_share=0.5, balance="uncertainty", checkpoint_minutes=0)
    whole = train_scene(cfg, [source], tmp_path / "whole", plan, init=start)
    for step in (2, 4):
        with pytest.raises(KilledError):
            train_scene(cfg, [source], tmp_path / "broken", plan, init=start, progress=kill_after(step))
    resumed = train_scene(cfg, [source], tmp_path / "broken", plan, init=start)
    expected = whole.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in resumed.state_dict().items())
    logs = [(tmp_path / run / "log.csv").read_text().splitlines() for run in ("whole", "broken")]
    drop_time = [[[v for k, v in enumerate(row.split(",")) if k != 1] for row in log] for log in logs]
    assert drop_time[0] == drop_time[1] and len(logs[0]) == 7


def test_the_best_scored_model_is_kept(tmp_path: Path, source: Source) -> None:
    plan = settings(steps=20, lr=3e-3, scorings=5, ema_decay=0.5)
    model = train_scene(config(), [source], tmp_path / "run", plan, validation=source.dataset)
    with (tmp_path / "run" / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [4, 8, 12, 16, 20]
    best = max(float(row["miou"]) for row in rows)
    assert evaluate_scene(model, source.dataset)["miou"] == pytest.approx(best, abs=1e-5)
    again = SceneModel.from_pretrained(tmp_path / "run", dtype=torch.float32)
    assert evaluate_scene(again, source.dataset)["miou"] == pytest.approx(best, abs=1e-5)
    with pytest.raises(InputError, match="--best f1"):
        train_scene(config(), [source], tmp_path / "x", settings(best="f1"), validation=source.dataset)
    with pytest.raises(InputError, match="lack such labels"):
        train_scene(config(), [source], tmp_path / "y", settings(best="phase_accuracy"), validation=source.dataset)


def test_killed_while_scoring_resumes_to_the_same(tmp_path: Path, source: Source) -> None:
    plan = settings(steps=8, scorings=4, checkpoint_minutes=0)
    whole = train_scene(config(), [source], tmp_path / "whole", plan, validation=source.dataset)
    with pytest.raises(KilledError):
        train_scene(config(), [source], tmp_path / "run", plan, validation=source.dataset, progress=kill_after(5))
    resumed = train_scene(config(), [source], tmp_path / "run", plan, validation=source.dataset)
    tables = [(tmp_path / run / "scores.csv").read_text() for run in ("whole", "run")]
    assert tables[0] == tables[1]
    assert all(torch.equal(value, whole.state_dict()[name]) for name, value in resumed.state_dict().items())


def test_parts_of_a_batch_learn_what_the_whole_learns(tmp_path: Path, source: Source) -> None:
    losses = []
    for parts in (1, 2):
        plan = settings(steps=4, batch_size=8, accumulate=parts, precision="no")
        train_scene(config(), [source], tmp_path / str(parts), plan)
        with (tmp_path / str(parts) / "log.csv").open() as file:
            losses.append([float(row["loss"]) for row in csv.DictReader(file)])
    assert losses[0] == pytest.approx(losses[1], rel=0.08)  # batch norm sees half as many frames


def test_adapter_stage_leaves_the_backbone(tmp_path: Path, source: Source) -> None:
    start = SceneModel(config())
    start.save_pretrained(tmp_path / "start")
    tuned = train_scene(
        config(adapter="tesla"), [source], tmp_path / "run", settings(stage="adapter"), init=tmp_path / "start"
    )
    base, moved = start.backbone.state_dict(), 0
    for name, value in tuned.backbone.state_dict().items():
        plain = name.replace(".base.", ".")
        if plain in base:
            assert torch.equal(value, base[plain])
        elif name.endswith((".B", ".u", ".v")):
            moved += int(value.std() > 0)
    assert moved > 0 and (tmp_path / "run" / "adapter.safetensors").is_file()


def test_heads_stage_leaves_backbone_and_stem_and_moves_the_rest(tmp_path: Path, source: Source) -> None:
    start = SceneModel(config(sma_width=8))
    start.save_pretrained(tmp_path / "start")
    plan = settings(stage="heads", lr=1e-2)
    tuned = train_scene(config(sma_width=8), [source], tmp_path / "run", plan, init=tmp_path / "start")
    before = start.state_dict()
    same = {name for name, value in tuned.state_dict().items() if torch.equal(value, before[name])}
    fixed = {name for name in before if name.startswith(("backbone.", "sma."))}
    assert fixed <= same
    assert "classify.weight" not in same and "decoder.prior.enter.0.weight" not in same
    # The averaged batch-norm statistics are part of the model that is kept.
    assert "decoder.prior.enter.1.running_mean" not in same


@pytest.mark.parametrize("stage", ["tools", "depth", "looks"])
def test_a_head_that_is_trained_alone_moves_alone(tmp_path: Path, source: Source, stage: str) -> None:
    words = config(verb_names=["cut"], target_names=["liver"], instrument_classes=[1], looks=True)
    start = SceneModel(words)
    start.save_pretrained(tmp_path / "start")
    tuned = train_scene(words, [source], tmp_path / "run", settings(stage=stage), init=tmp_path / "start")
    before = start.state_dict()
    moved = {name for name, value in tuned.state_dict().items() if not torch.equal(value, before[name])}
    assert moved and all(name.startswith(f"{stage}.") for name in moved)
    with pytest.raises(DescriberError, match="lacks"):
        train_scene(config(depth=False), [source], tmp_path / "x", settings(stage=stage))


def test_training_refusals(tmp_path: Path, source: Source) -> None:
    run = tmp_path / "run"
    train_scene(config(), [source], run, settings(steps=1))
    with pytest.raises(OutputError, match="another folder"):
        train_scene(config(), [source], run, settings(steps=2))
    with pytest.raises(TaxonomyError, match="4 classes"):
        train_scene(config(class_names=list("abc")), [source], tmp_path / "x", settings())
    with pytest.raises(ModelError, match="init"):
        train_scene(config(adapter="tesla"), [source], tmp_path / "y", settings(stage="adapter"))
    with pytest.raises(ModelError, match=r"config\.json"):
        train_scene(config(), [source], tmp_path / "z", settings(), init=tmp_path / "absent")


@pytest.mark.parametrize(
    "fields",
    [
        {"minutes": 1.0},
        {"steps": None},
        {"steps": 0},
        {"stage": "third"},
        {"phase1_share": 0},
        {"precision": "half"},
        {"batch_size": 4, "accumulate": 3},
    ],
)
def test_bad_settings(fields: dict[str, Any]) -> None:
    with pytest.raises(DescriberError):
        settings(**fields)


def test_budget_in_minutes_ends(tmp_path: Path, source: Source) -> None:
    news: list[Progress] = []
    train_scene(config(), [source], tmp_path, settings(steps=None, minutes=0.01), progress=news.append)
    assert news[-1].elapsed_s >= 0.6 and news[-1].lr < news[-1].elapsed_s


def test_confusion_by_hand() -> None:
    score = SegmentationScore(4, [1, 2])
    labels = np.array([[0, 1, 1, 2, IGNORE, REST, REST, SOME_INSTRUMENT]], np.uint8)
    predicted = np.array([[0, 1, 2, 2, 1, 1, 3, 3]])
    score.add(predicted, labels, np.array([False, True, True, False]))
    iou = score.iou()
    assert iou[:3].tolist() == [1.0, 1 / 3, 1 / 2] and np.isnan(iou[3])
    assert score.accuracy() == 0.8 - 0.05
    assert score.instrument_iou() == 3 / 5


def test_abs_rel_is_free_of_scale() -> None:
    target = np.array([[1.0, 2.0], [4.0, np.nan]])
    assert abs_rel(target * 7, target) == pytest.approx(0)
    assert abs_rel(np.array([[1.0, 2.0], [2.0, 9.0]]), target) == pytest.approx((0 + 0 + 0.5) / 3)
    assert abs_rel(target, np.full((2, 2), np.nan)) is None


def test_pixels() -> None:
    pixels = to_pixels([np.full((5, 9, 3), 255, np.uint8), np.zeros((100, 200, 3), np.uint8)], (28, 42))
    assert pixels.shape == (2, 3, 28, 42) and pixels.dtype == torch.float32
    assert pixels[0, :, 0, 0].tolist() == pytest.approx([(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225])
    with pytest.raises(DescriberError, match="uint8"):
        to_pixels([np.zeros((4, 4))], (28, 28))
