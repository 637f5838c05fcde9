"""What `describer data build` reads: frames with what is truly to be said of them, wherever they come from.

- folders of ``describer annotate`` (as a person corrected them) and of ``describer synth``: scenes and sentences;
- labelled folders that `describer data list` names: scenes, whose sentences follow from the masks;
- question sets that vqa_sets reads, and a JSONL of question, answer and image;
- captions: a JSONL of image and caption, or COCO's JSON of images and annotations.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from describer import vqa_sets
from describer.errors import InputError
from describer.masks import components
from describer.pictures import read_image
from describer.prompts.sentences import region_sentence, scene_sentence
from describer.records import read_records
from describer.seg.codes import SOME_INSTRUMENT
from describer.seg.datasets import catalogue, corrected, synth
from describer.seg.datasets.dataset import Dataset, Item, Problem
from describer.seg.datasets.mapping import Mapping as Labels
from describer.seg.datasets.naming import group_of
from describer.seg.datasets.overlap import video_of
from describer.seg.regions import Part, build_scene
from describer.taxonomy import Taxonomy, load_taxonomy
from describer.types import Activity, Annotation, Appearance, Scene, View
from describer.wording import BLOOD_WORDS, SMOKE_WORDS, parse_appearance

_LEAST = {"instrument": 0.0015, "pathology": 0.0015, "other": 0.0015, "anatomy": 0.006}
_COUNTED = ("instrument", "pathology")
_OPEN = 0.05  # of a frame: more of it unknown, and what is said of the whole may be wrong


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What is true of a frame.

    ``texts`` are the true sentences by region id, None for the summary. ``canonical`` ones follow from the scene, so
    that they can be made of a predicted scene too; others are kept where they agree with it. ``whole`` is False where
    the masks speak of some labels only: then neither a summary nor questions are made of them.
    """

    scene: Scene
    texts: Mapping[int | None, str]
    looks: Mapping[int, Appearance]
    view: View | None
    canonical: bool
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Given:
    """An answer or caption that the source gives: ``question`` "" for a caption, ``kind`` as in `Example`."""

    question: str
    answer: str
    kind: str


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """One frame of a source; nothing is decoded before it is asked for.

    ``kind`` is the dataset's name; ``video`` the public name of the operation where it has one; ``split`` the source's
    official one, if any; ``seed`` what the frame was rendered from.
    """

    source: str
    kind: str
    name: str
    video: str
    image: Callable[[], np.ndarray]
    split: str | None = None
    truth: Callable[[np.ndarray], Truth] | None = None
    given: tuple[Given, ...] = ()
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class SourceSet:
    """A source opened: its name, where it lies, what it is, and how often it can be walked through: any number."""

    name: str
    path: Path
    kind: str
    read: Callable[[], Iterator[Shown | Problem]]
    licence: str | None = None


def open_source(spec: str, taxonomy: Taxonomy) -> list[SourceSet]:
    """The source at a path, or at "NAME=PATH" where several readers fit; a folder can hold masks and questions.

    Labels are told in the words of ``taxonomy`` where the source's set maps to it. InputError when nothing fits.
    """
    name, mark, rest = spec.partition("=")
    path, chosen = (Path(rest), name) if mark and not Path(spec).exists() else (Path(spec), None)
    if path.is_file():
        return [_file(path)]
    if not path.is_dir():
        raise InputError(f"{spec} does not exist; give a folder, a JSONL or a JSON of captions.")
    if chosen is not None:
        known = {each.name for each in vqa_sets.SETS}
        return [_questions(path, chosen) if chosen in known else _labelled(path, catalogue.named(chosen), taxonomy)]
    found = [_questions(path, each.name) for each in vqa_sets.SETS if each.marks and not each.missing_marks(path)]
    dataset = next((each for each in catalogue.DATASETS if each.recognise(path)), None)
    if dataset is not None and not (found and dataset.name == "cholect50"):  # which has triplets alone, no masks
        recorded = dataset in (synth.DATASET, corrected.DATASET)
        found.append(_records(path, dataset) if recorded else _labelled(path, dataset, taxonomy))
    if not found:
        raise InputError(
            f"{path} has none of the layouts that are known; see `describer data list`, or give a JSONL of question, "
            "answer and image."
        )
    return found


def video_name(dataset: Dataset, group: str, root: Path) -> str:
    """What a group is called across sources: the operation's public name where it has one.

    A rendered frame is a scene of its own; its number is another scene in another folder.
    """
    return f"{root.name}/{group}" if dataset is synth.DATASET else video_of(dataset.name, group) or group


# ---------------------------------------------------------------------- records


def _records(root: Path, dataset: Dataset) -> SourceSet:
    def read() -> Iterator[Shown | Problem]:
        seeds = _seeds(root)
        # Readers list one item or problem a record, in order; what more they list has no record.
        for listed, record in zip(dataset.read(root), read_records(root / "annotations.jsonl"), strict=False):
            if isinstance(listed, Problem):
                yield listed
            elif isinstance(record, Annotation):
                yield Shown(
                    source=root.name,
                    kind=dataset.name,
                    name=listed.name,
                    video=video_name(dataset, listed.group, root),
                    image=listed.image,
                    truth=partial(_recorded_truth, record),
                    seed=seeds(record.frame.index),
                )

    return SourceSet(root.name, root, dataset.name, read, dataset.licence)


def _seeds(root: Path) -> Callable[[int], int | None]:
    try:
        first = int(json.loads((root / "synth.json").read_text(encoding="utf-8"))["seed"])
    except (OSError, ValueError, KeyError):
        return lambda index: None
    return lambda index: first * 1_000_003 + index


def _recorded_truth(record: Annotation, image: np.ndarray) -> Truth:
    texts = {said.region_id: said.text for said in record.descriptions if said.text.strip()}
    if record.provenance.scene_model != "synth":
        return Truth(record.scene, texts, {}, None, canonical=False)
    looks = {i: parse_appearance(text) for i, text in texts.items() if i is not None}
    return Truth(record.scene, texts, looks, parse_view(texts.get(None, "")), canonical=True)


def parse_view(summary: str) -> View | None:
    """The last sentence of a canonical summary read back; None where it says nothing of the view."""
    start = summary.rfind("The view ")
    if start < 0:
        return None
    told = summary[start:]
    smoke = next((key for key, words in SMOKE_WORDS.items() if words in told), "none")
    blood = next((key for key, words in BLOOD_WORDS.items() if words in told), "none")
    # Which words those are is checked by View itself.
    return View(smoke, blood, "glare" in told, "blurred" in told, "dirt on the lens" in told)  # type: ignore[arg-type]


# ---------------------------------------------------------------------- masks


def _labelled(root: Path, dataset: Dataset, taxonomy: Taxonomy) -> SourceSet:
    own = load_taxonomy(dataset.taxonomy_of(root))
    words = taxonomy if taxonomy.name in ("core", own.name) else own
    labels = Labels(dataset.name, own, ("background", *words.names))

    def read() -> Iterator[Shown | Problem]:
        for item in dataset.read(root):
            if isinstance(item, Problem):
                yield item
            elif item.codes is not None:
                yield Shown(
                    source=root.name,
                    kind=dataset.name,
                    name=item.name,
                    video=video_name(dataset, item.group, root),
                    image=item.image,
                    split=item.split,
                    truth=partial(_masked_truth, item, labels, words),
                )

    return SourceSet(root.name, root, dataset.name, read, dataset.licence)


def _masked_truth(item: Item, labels: Labels, taxonomy: Taxonomy, image: np.ndarray) -> Truth:
    frame = labels.frame(item)
    size_wh = (frame.labels.shape[1], frame.labels.shape[0])
    parts = [
        Part(mask, name, taxonomy.label(name).kind, 1.0)
        for index, name in enumerate(labels.class_names)
        if index
        for mask in _instances(frame.labels == index, taxonomy.label(name).kind)
    ]
    told = (("activity", frame.activity), ("phase", frame.phase))
    scene = build_scene(parts, size_wh, [Activity(level, label, 1.0) for level, label in told if label])
    unknown = np.count_nonzero(frame.labels >= SOME_INSTRUMENT)
    whole = item.annotated is None and int(unknown) <= _OPEN * frame.labels.size
    texts: dict[int | None, str] = {region.id: region_sentence(scene, region.id) for region in scene.regions}
    return Truth(scene, texts | ({None: scene_sentence(scene)} if whole else {}), {}, None, True, whole)


def _instances(mask: np.ndarray, kind: str) -> Sequence[np.ndarray]:
    """Instruments and polyps one by one, a tissue as one region; what is too small to speak of is left out."""
    least = int(_LEAST[kind] * mask.size)
    if kind in _COUNTED:
        return components(mask, max(least, 1))
    return [mask] if np.count_nonzero(mask) > least else []


# ---------------------------------------------------------------------- questions and captions


def _questions(path: Path, name: str | None) -> SourceSet:
    found, asked = vqa_sets.read_questions(path, name)
    root = path if path.is_dir() else path.parent
    frames: dict[str, list[Any]] = {}
    for question in asked:
        if len(question.frames) == 1:  # clips are for models of clips
            frames.setdefault(question.frames[0], []).append(question)

    def read() -> Iterator[Shown | Problem]:
        for frame, of_frame in frames.items():
            given = tuple(Given(q.text, q.answers[0], f"question: {q.type or 'any'}") for q in of_frame)
            video = of_frame[0].video
            yield _pictured(
                root, frame, (path.stem, found.name), video_of(found.name, video) or video, of_frame[0].split, given
            )

    return SourceSet(path.stem, path, found.name, read, found.licence)


def _pictured(
    root: Path, frame: str, source: tuple[str, str], video: str, split: str | None, given: tuple[Given, ...]
) -> Shown | Problem:
    path = root / frame
    if not path.is_file():
        return Problem(frame, "the picture is not there", f"copy it to {path}")
    return Shown(*source, frame, video, partial(read_image, path), split, given=given)


def _file(path: Path) -> SourceSet:
    if path.name == "annotations.jsonl":
        return _records(path.parent, catalogue.find(path.parent))
    if path.suffix == ".json":
        return _captions(path, _coco(path))
    first = _first_row(path)
    if "schema_version" in first:
        raise InputError(f"{path}: give the folder of these records, with its frames, and call it annotations.jsonl.")
    return _captions(path, _caption_rows(path)) if "caption" in first else _questions(path, None)


def _first_row(path: Path) -> dict[str, Any]:
    try:
        with path.open(encoding="utf-8") as lines:
            row = json.loads(next(line for line in lines if line.strip()))
    except (OSError, ValueError, StopIteration) as error:
        raise InputError(f"{path}: no JSONL of questions, captions or records; see `data build --help`.") from error
    return row if isinstance(row, dict) else {}


Caption = tuple[str, str, str, str | None]
"""Picture, text, video, split."""


def _captions(path: Path, rows: Sequence[Caption]) -> SourceSet:
    texts: dict[tuple[str, str, str | None], list[Given]] = {}
    for image, text, video, split in rows:
        texts.setdefault((image, video, split), []).append(Given("", text, "caption"))

    def read() -> Iterator[Shown | Problem]:
        for (image, video, split), given in texts.items():
            yield _pictured(path.parent, image, (path.stem, "captions"), video, split, tuple(given))

    return SourceSet(path.stem, path, "captions", read)


def _caption_rows(path: Path) -> list[Caption]:
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip():
            try:
                row = json.loads(line)
                image, text = row["image"], row["caption"]
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(f"{path}:{number}: needs an image and a caption; mend or remove this line.") from error
            rows.append((str(image), str(text), str(row.get("video") or group_of(image)), row.get("split")))
    return rows


def _coco(path: Path) -> list[Caption]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        files = {image["id"]: str(image["file_name"]) for image in data["images"]}
        return [
            (files[a["image_id"]], str(a["caption"]), group_of(files[a["image_id"]]), None) for a in data["annotations"]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: no captions as COCO has them ({type(error).__name__}: {error}); give images and annotations."
        ) from error
