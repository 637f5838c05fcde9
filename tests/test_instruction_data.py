"""`describer data build`: prompts as the Describer sends them, videos kept whole, true answers, runs that go on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from describer import instruction_data
from describer.chat_files import ChatFile, Example, read_build
from describer.claims import contradictions
from describer.cli import run
from describer.errors import InputError, OutputError
from describer.frames import as_frame
from describer.instruction_data import DataBuild, build_data, split_videos
from describer.messages import Chat, chat_sha256
from describer.pipeline import Describer
from describer.prompts.grounding import ground
from describer.records import read_records, to_line
from describer.synthesis import write_dataset
from describer.taxonomy import load_taxonomy
from describer.types import Annotation, Description, FrameRef, Provenance
from describer.vlm.base import Generated
from tests.scenes import disc, rod, scene_of
from tests.tiny import save_tiny_scene_model

CORE = load_taxonomy("core")
SIZE_WH = (160, 128)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny_scene_model(tmp_path_factory.mktemp("scene")))


@pytest.fixture(scope="module")
def synth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "rendered"
    write_dataset(folder, 6, seed=5, size_wh=SIZE_WH, workers=1)
    return folder


def annotated(folder: Path, texts: tuple[str, str, str], videos: int = 3) -> Path:
    """A folder of records as a person corrected them, one frame a video: a hook on the liver, and what is said."""
    made = scene_of(("hook", rod((0, 20), (60, 60))), ("liver", disc((90, 80), (50, 40))), activity="dissection")
    folder.mkdir(parents=True)
    lines = []
    for i in range(videos):
        image = np.random.default_rng(i).integers(0, 255, (SIZE_WH[1], SIZE_WH[0], 3), np.uint8)
        (folder / f"case{i}").mkdir()
        Image.fromarray(image).save(folder / f"case{i}" / "1.png")
        ref = as_frame(image, f"case{i}/1.png").ref
        said = [Description(n, text) for n, text in zip((1, 2, None), texts)]
        record = Annotation(FrameRef(**{k: getattr(ref, k) for k in ref.__slots__}), made, tuple(said), PROVENANCE)
        lines.append(to_line(record))
    (folder / "annotations.jsonl").write_text("".join(lines))
    return folder


PROVENANCE = Provenance("embedded", "embedded", None, "core")
TEXTS = ("The hook pulls at the liver.", "The liver shines.", "Dissection with a hook at the liver.")


def examples(folder: Path, split: str) -> list[Example]:
    path = folder / f"{split}.jsonl"
    if not path.stat().st_size:
        return []
    file = ChatFile.open(path)
    return [file.example(i) for i in range(len(file))]


class Listener:
    """A language model that only remembers what it was asked."""

    name, adapter, prompt_options = "listener", None, None

    def __init__(self) -> None:
        self.chats: list[Chat] = []

    def generate(self, chats: Any, settings: Any = None) -> list[Generated]:
        self.chats += chats
        return [Generated("a hook", 0.5) for _ in chats]


@pytest.mark.parametrize("prompt", ["facts,crop", "overlay", "none"])
def test_prompts_are_those_of_the_describer(tmp_path: Path, scene: str, prompt: str) -> None:
    """By the hash over words and pixels, the pictures having been on disk meanwhile."""
    root = annotated(tmp_path / "mine", TEXTS)
    build_data(DataBuild((str(root),), prompt, scene, predicted_share=0, questions=3), tmp_path / "out")
    built = [e for split in ("train", "val") for e in examples(tmp_path / "out", split)]
    describer = Describer(scene, "echo", device="cpu", prompt=prompt)
    describer.vlm = listener = Listener()
    records = [r for r in read_records(root / "annotations.jsonl") if isinstance(r, Annotation)]
    frames = [as_frame(root / r.frame.source) for r in records]
    describer.annotate_frames(frames, [r.scene for r in records])
    sent = {chat_sha256(chat) for chat in listener.chats}
    described = [e for e in built if e.kind in ("region", "scene")]
    assert len(described) == 9 and {chat_sha256(e.chat) for e in described} == sent
    assert {e.answer for e in described} == set(TEXTS)


def test_synth_folders_give_true_answers_of_both_kinds_of_masks(
    tmp_path: Path, scene: str, synth: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    build = build_data(DataBuild((str(synth),), scene_model=scene, val_share=0.3), out)
    both = {split: examples(out, split) for split in ("train", "val")}
    videos = {split: {e.video for e in found} for split, found in both.items()}
    assert videos["train"] and videos["val"] and not videos["train"] & videos["val"]
    assert {e.masks for found in both.values() for e in found} == {"true", "predicted"}
    records = {r.frame.source: r for r in read_records(synth / "annotations.jsonl") if isinstance(r, Annotation)}
    for e in [*both["train"], *both["val"]]:
        assert e.labels is not None
        record = records[e.source.removeprefix("rendered/")]
        if e.masks == "true":
            assert set(e.labels) == {r.label for r in record.scene.regions}
            if e.kind == "scene":
                said = ground(e.answer, record.scene, CORE, None, 1.0)
                assert not said.ungrounded and not contradictions(said, record.scene, CORE)
    chats = sum(count["chats"] for count in build["counts"])
    assert chats == len(both["train"]) + len(both["val"])
    assert len(json.loads((out / "llava_train.json").read_text())) == len(both["train"])
    card = (out / "README.md").read_text()
    assert "| train | rendered | region | true |" in card and "no video is on both sides" in card
    assert read_build(out)["taxonomy"] == str(out / "taxonomy.yaml")

    # The same again elsewhere, killed after its first part, is the same to the byte.
    monkeypatch.setattr(instruction_data, "_CHUNK", 4)
    again, rows = tmp_path / "again", []

    def kill(text: str) -> None:
        rows.append(text)
        if text.startswith("rendered: 4"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_data(DataBuild((str(synth),), scene_model=scene, val_share=0.3), again, kill)
    with pytest.raises(InputError, match="no finished data"):
        read_build(again)
    build_data(DataBuild((str(synth),), scene_model=scene, val_share=0.3), again)
    for name in ("train.jsonl", "val.jsonl", "llava_val.json"):
        assert (again / name).read_bytes() == (out / name).read_bytes()
    with pytest.raises(OutputError, match="other options"):
        build_data(DataBuild((str(synth),), scene_model=scene, seed=1), again)


def predicting(monkeypatch: pytest.MonkeyPatch, made: Any) -> None:
    class Predictor:
        name = "fixed"

        def predict(self, images: Any) -> list[Any]:
            return [made for _ in images]

    monkeypatch.setattr(instruction_data._Builder, "predictor", property(lambda self: Predictor()))


def test_a_persons_words_stay_where_the_prediction_bears_them(
    tmp_path: Path, scene: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = annotated(tmp_path / "mine", TEXTS)
    # The hook is found a little off; the liver is missed, so nothing that names it may be taught.
    predicting(monkeypatch, scene_of(("fat", disc((90, 80), (50, 40))), ("hook", rod((0, 24), (60, 60)))))
    options = DataBuild((str(root),), scene_model=scene, predicted_share=1, questions=0)
    with pytest.raises(InputError, match="no chat to train on"):
        build_data(options, tmp_path / "none")
    texts = ("A hook from the left.", "The liver shines.", "A hook is in view.")
    root = annotated(tmp_path / "other", texts)
    build_data(DataBuild((str(root),), scene_model=scene, predicted_share=1, questions=0), tmp_path / "out")
    built = examples(tmp_path / "out", "train")
    assert {e.answer for e in built} == {"A hook from the left.", "A hook is in view."}
    assert all(e.masks == "predicted" and e.labels == ("fat", "hook") for e in built)
    assert all("region 2" in e.chat[1].parts[-1].text for e in built if e.kind == "region")  # type: ignore[union-attr]


def test_nothing_is_predicted_on_what_the_scene_model_trained_on(tmp_path: Path, synth: Path, scene: str) -> None:
    model = tmp_path / "model"
    shutil.copytree(scene, model)
    (model / "options.yaml").write_text(f"data: ['{synth}']\nstart: elsewhere\n")
    build_data(DataBuild((str(synth),), scene_model=str(model), predicted_share=1, questions=1), tmp_path / "out")
    masks = {split: {e.masks for e in examples(tmp_path / "out", split)} for split in ("train", "val")}
    assert "true" in masks["train"] | masks["val"] and "predicted" in masks["train"] | masks["val"]
    (model / "options.yaml").write_text("data: ['/gone']\n")
    with pytest.raises(InputError, match=r"/gone, which is not there.*--seen"):
        build_data(DataBuild((str(synth),), scene_model=str(model)), tmp_path / "more")


def test_questions_and_captions_of_others(tmp_path: Path, scene: str) -> None:
    for i in range(4):
        image = np.random.default_rng(i).integers(0, 255, (64, 80, 3), np.uint8)
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    rows = [
        {"image": f"{i}.png", "question": "Is it red?", "answer": "no", "type": "colour", "video": f"v{i}"}
        for i in range(4)
    ]
    (tmp_path / "asked.jsonl").write_text("\n".join(map(json.dumps, rows)))
    rows = [{"image": f"{i}.png", "caption": "Noise.", "video": f"v{i}"} for i in range(4)]
    (tmp_path / "told.jsonl").write_text("\n".join(map(json.dumps, rows)))
    coco = {"images": [{"id": 7, "file_name": "0.png"}], "annotations": [{"image_id": 7, "caption": "A picture."}]}
    (tmp_path / "coco.json").write_text(json.dumps(coco))
    sources = tuple(str(tmp_path / name) for name in ("asked.jsonl", "told.jsonl", "coco.json"))
    build_data(DataBuild(sources, scene_model=scene, predicted_share=0), tmp_path / "out")
    built = {split: examples(tmp_path / "out", split) for split in ("train", "val")}
    kinds = {(e.kind, e.answer) for found in built.values() for e in found}
    assert kinds == {("question: colour", "no"), ("caption", "Noise."), ("caption", "A picture.")}
    # One video is one video in every source.
    assert not {e.video for e in built["train"]} & {e.video for e in built["val"]}
    assert all("{" not in e.chat[1].parts[-1].text and e.labels is None for e in built["train"])  # type: ignore[union-attr]

    build_data(DataBuild(sources[:1], scene_model=scene, predicted_share=0.5), tmp_path / "facts")
    asked = examples(tmp_path / "facts", "train")
    assert all(e.masks == "predicted" and "{" in e.chat[1].parts[-1].text for e in asked)  # type: ignore[union-attr]


def test_videos_are_split_whole_and_official_splits_hold() -> None:
    loose: dict[str, set[str | None]] = {f"v{i}": {None} for i in range(20)}
    first, other = split_videos(loose, 0.2, 0), split_videos(loose, 0.2, 1)
    assert sorted(first.values()).count("val") == 4 and first != other and first == split_videos(loose, 0.2, 0)
    assert split_videos({"a": {None}}, 0.5, 0) == {"a": "train"}
    assert set(split_videos({"a": {None}, "b": {None}}, 0.01, 0).values()) == {"train", "val"}
    assert set(split_videos(loose, 0, 0).values()) == {"train"}
    given: dict[str, set[str | None]] = {"a": {"train", "test"}, "b": {"train"}, "c": {"val", None}, "d": {"train"}}
    assert split_videos(given, 0.5, 0) == {"a": "test", "b": "train", "c": "val", "d": "train"}
    without_val: dict[str, set[str | None]] = {"a": {"test"}, "b": {"train"}, "c": {"train"}}
    assert sorted(split_videos(without_val, 0.5, 0).values()) == ["test", "train", "val"]


@pytest.mark.parametrize(
    ("made", "match"),
    [
        (lambda path: DataBuild(()), "Nothing to build from"),
        (lambda path: DataBuild(("x",), prompt="all"), "--prompt"),
        (lambda path: DataBuild(("x",), predicted_share=2), "--predicted-share"),
        (lambda path: DataBuild(("x",), images="gif"), "--images"),
        (lambda path: DataBuild((str(path / "absent"),)), "does not exist"),
        (lambda path: DataBuild((str(path),)), "none of the layouts"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, scene: str, made: Callable[[Path], DataBuild], match: str) -> None:
    with pytest.raises(InputError, match=match):
        build_data(made(tmp_path), tmp_path / "out")


def test_the_command(tmp_path: Path, scene: str, synth: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["data", "build", str(synth), "-o", str(tmp_path / "out"), "--scene-model", scene, "--limit", "2"]
    assert run([*arguments, "--questions", "1", "--images", "jpeg"]) == 0
    told = capsys.readouterr()
    assert told.out.strip() == str(tmp_path / "out") and "chats of" in told.err
    assert list((tmp_path / "out" / "images").rglob("*.jpg"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    assert run(["data", "build", str(synth), "-o", str(tmp_path / "full"), "--scene-model", scene]) == 2
