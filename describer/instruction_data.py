"""`describer data build`: instruction data for language models, from labelled frames to files that trainers read.

OUT/train.jsonl, val.jsonl   one chat with its answer a line, ``messages`` as TRL reads them (see chat_files.py)
OUT/llava_{train,val}.json   the same as LLaVA's trainers read it
OUT/images/                  the pictures of the prompts (frames, overlays, crops), each once
OUT/build.json, README.md    what it was made of, counts by source and kind, the split
OUT/prompt_options.json, templates.json, taxonomy.yaml   what an adapter trained on it goes along with

Prompts come from prompts/build.py, which is what writes them at inference too. Frames are split by video, never one by
one. Masks are partly true, partly as the scene model predicts them on frames that it did not train on: a model that
only ever saw true masks learns to trust what it will never get.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from describer import __version__
from describer.chat_files import BUILD, PICTURE_KINDS, Example, Masks, PictureFiles, to_line, to_llava
from describer.errors import InputError, OutputError
from describer.frames import as_frame
from describer.instruction_sources import Shown, SourceSet, Truth, open_source
from describer.masks import iou
from describer.prompts.build import PromptOptions, question_chat, region_chat, scene_chat, template_hashes
from describer.prompts.grounding import contradictions, ground
from describer.prompts.questions import drawn, questions
from describer.prompts.sentences import region_sentence, scene_sentence
from describer.prompts.templates import NAMES
from describer.prompts.templates import source as template_text
from describer.scene_history import History
from describer.seg.datasets.dataset import Problem
from describer.taxonomy import Taxonomy, load_taxonomy
from describer.types import Appearance, Frame, Scene

if TYPE_CHECKING:
    from describer.seg.predict import ScenePredictor

Say = Callable[[str], None]

_CHUNK = 50
_MATCH_IOU = 0.3
_SPLITS = ("train", "val")


@dataclass(frozen=True, slots=True)
class DataBuild:
    """What is built from what; the fields are the flags of `describer data build`.

    ``predicted_share`` of the frames that the scene model did not train on come with its regions, the others with the
    true ones; 0 needs no scene model. ``seen`` are further videos that it trained on. ``val_share`` of the videos are
    held out, unless their source has an official split.
    """

    sources: tuple[str, ...]
    prompt: str = "facts,crop"
    scene_model: str = "embedded"
    predicted_share: float = 0.5
    val_share: float = 0.1
    regions: int = 6
    questions: int = 4
    limit: int | None = None
    images: str = "png"
    seen: tuple[str, ...] = ()
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        if not self.sources:
            raise InputError("Nothing to build from; give a folder of annotations, of synth, or a label file.")
        PromptOptions.parse(self.prompt)
        for name, value in (("--predicted-share", self.predicted_share), ("--val-share", self.val_share)):
            if not 0 <= value <= 1:
                raise InputError(f"{name} must be a share in [0, 1], got {value:g}.")
        if self.images not in PICTURE_KINDS:
            raise InputError(f"--images {self.images!r} is unknown; use {' or '.join(PICTURE_KINDS)}.")


def build_data(options: DataBuild, out: str | Path, say: Say | None = None) -> dict[str, Any]:
    """Build the data into ``out``; what build.json holds. Killed and called again, it goes on where it was.

    OutputError when ``out`` holds data of other options; InputError when nothing usable is in the sources.
    """
    return _Builder(options, Path(out), say or (lambda text: None)).build()


class _Builder:
    """The options with what they open."""

    def __init__(self, options: DataBuild, out: Path, say: Say) -> None:
        from describer.seg.predict import scene_model_folder

        self.options, self.out, self.say = options, out, say
        self.prompt = PromptOptions.parse(options.prompt)
        model = scene_model_folder(options.scene_model)
        self.history = History.of(options.scene_model, model, options.seen)
        self.taxonomy = _taxonomy_of(model)
        self.sources = [found for spec in options.sources for found in open_source(spec, self.taxonomy)]
        self.files = PictureFiles(out, options.images)
        self._predictor: ScenePredictor | None = None

    @property
    def predictor(self) -> ScenePredictor:
        if self._predictor is None:
            from describer.pipeline import pick_device
            from describer.seg.predict import ScenePredictor

            self._predictor = ScenePredictor.load(self.options.scene_model, pick_device(self.options.device))
        return self._predictor

    def build(self) -> dict[str, Any]:
        self._keep_to_options()
        splits, problems = self._look_through()
        counts: Counter[tuple[str, str, str, str]] = Counter()
        parts = [part for source in self.sources for part in self._source_parts(source, splits)]
        for split in _SPLITS:
            self._join(parts, split, counts)
        build = self._describe(splits, problems, counts)
        if not any(split == "train" for split, *_ in counts):
            raise InputError("no chat to train on came out of the sources; look at their frames and labels.")
        self._beside(build)
        return build

    def _keep_to_options(self) -> None:
        marker = self.out / "work" / "options.json"
        text = json.dumps(asdict(self.options) | {"templates": template_hashes(), "version": __version__})
        if marker.is_file() and marker.read_text(encoding="utf-8") != text:
            raise OutputError(f"{self.out} holds data of other options; choose another folder.")
        if not marker.is_file() and self.out.exists() and any(self.out.iterdir()):
            raise OutputError(f"{self.out} is not empty and was not made by `data build`; choose another folder.")
        try:
            marker.parent.mkdir(parents=True, exist_ok=True)
            marker.write_text(text, encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{self.out} cannot be written ({error.strerror}); choose another folder.") from error

    def _look_through(self) -> tuple[dict[str, str], list[str]]:
        """The split of every video of every source, and what could not be used."""
        official: dict[str, set[str | None]] = {}
        problems = []
        for source in self.sources:
            frames = seen = 0
            for shown in source.read():
                if isinstance(shown, Problem):
                    problems.append(f"{source.name}: {shown}")
                else:
                    official.setdefault(shown.video, set()).add(shown.split)
                    frames += 1
                    seen += self.history.saw(shown)
            self.say(f"{source.path} ({source.kind}): {frames} frames")
            if seen and self.options.predicted_share:
                self.say(f"{seen} of them the scene model trained on: no predicted masks there")
        for problem in problems[:3]:
            self.say(f"left out: {problem}")
        if not official:
            raise InputError(f"no usable frame in {', '.join(self.options.sources)}; " + "; ".join(problems[:1]))
        splits = split_videos(official, self.options.val_share, self.options.seed)
        if "val" not in splits.values():
            self.say("nothing is held out: all frames are of one video, or --val-share is 0")
        return splits, problems

    def _source_parts(self, source: SourceSet, splits: Mapping[str, str]) -> Iterator[Path]:
        """The source's chats in files of some frames each; finished files are kept."""
        frames = (shown for shown in source.read() if isinstance(shown, Shown) and splits[shown.video] in _SPLITS)
        limited = itertools.islice(frames, self.options.limit)
        number = [s.path for s in self.sources[: self.sources.index(source)]].count(source.path)
        tag = f"{source.name}-{hashlib.sha256(f'{source.path}{number}'.encode()).hexdigest()[:8]}"
        for index in itertools.count():
            chunk = list(itertools.islice(limited, _CHUNK))
            if not chunk:
                return
            part = self.out / "work" / f"{tag}-{index:05d}.jsonl"
            if not part.is_file():
                partial = part.with_suffix(f".{os.getpid()}.partial")
                with partial.open("w", encoding="utf-8") as file:
                    for shown, example in self._examples(chunk):
                        file.write(f"{splits[shown.video]}\t{to_line(example, self.files)}")
                partial.replace(part)
                self.say(f"{source.name}: {index * _CHUNK + len(chunk)} frames")
            yield part

    def _examples(self, chunk: Sequence[Shown]) -> Iterator[tuple[Shown, Example]]:
        for shown in chunk:
            rng = np.random.default_rng(_number(self.options.seed, shown.source, shown.name))
            image = shown.image()
            frame = as_frame(image, shown.name)
            truth = None if shown.truth is None else shown.truth(image)
            fair = self.options.predicted_share > 0 and not self.history.saw(shown)
            # Where no mask is given, the scene model's are all there is.
            predicted = fair and (truth is None or rng.random() < self.options.predicted_share)
            scene = self.predictor.predict([image])[0] if predicted else None if truth is None else truth.scene
            teller = _Teller(shown, frame, scene, self.prompt, self.taxonomy, "predicted" if predicted else "true")
            if truth is not None and scene is not None:
                seen = _as_seen(truth, scene, self.taxonomy) if predicted else truth
                yield from ((shown, made) for made in teller.told(seen, self.options, rng))
            yield from ((shown, made) for made in teller.given())

    def _join(self, parts: Sequence[Path], split: str, counts: Counter[tuple[str, str, str, str]]) -> None:
        """One split's chats from all parts, in both layouts; written whole or not at all."""
        lines, llava = self.out / f"{split}.jsonl", self.out / f"llava_{split}.json"
        with (
            lines.with_suffix(".partial").open("w", encoding="utf-8") as file,
            llava.with_suffix(".partial").open("w", encoding="utf-8") as other,
        ):
            other.write("[")
            mark = "\n"
            for line in _lines_of(parts, split):
                row = json.loads(line)
                counts[split, row["source"].partition("/")[0], row["kind"], row["masks"]] += 1
                file.write(line)
                other.write(mark + json.dumps(to_llava(row), ensure_ascii=False))
                mark = ",\n"
            other.write("\n]\n")
        for path in (lines, llava):
            path.with_suffix(".partial").replace(path)

    def _describe(
        self, splits: Mapping[str, str], problems: Sequence[str], counts: Counter[tuple[str, str, str, str]]
    ) -> dict[str, Any]:
        keys = ("split", "source", "kind", "masks")
        return {
            "version": __version__,
            "options": asdict(self.options),
            "sources": [
                {"name": s.name, "kind": s.kind, "path": str(s.path), "licence": s.licence} for s in self.sources
            ],
            "scene_model": self.predictor.name if self._predictor else None,
            "taxonomy": self.taxonomy.name,
            "prompts": template_hashes(),
            "videos": {split: sorted(v for v, where in splits.items() if where == split) for split in _SPLITS},
            "left_out": {
                "videos": sorted(v for v, where in splits.items() if where not in _SPLITS),
                "frames": len(problems),
                "examples": problems[:20],
            },
            "counts": [dict(zip(keys, key)) | {"chats": n} for key, n in sorted(counts.items())],
        }

    def _beside(self, build: Mapping[str, Any]) -> None:
        from describer.cards import data_card

        templates = {name: {"sha256": template_hashes()[name], "text": template_text(name)} for name in NAMES}
        written = {
            "prompt_options.json": json.dumps(self.prompt.to_dict(), indent=1) + "\n",
            "templates.json": json.dumps(templates, indent=1) + "\n",
            "taxonomy.yaml": _taxonomy_text(self.options.scene_model, self.taxonomy),
            "README.md": data_card(build),
            BUILD: json.dumps(build, indent=1, ensure_ascii=False) + "\n",  # last: it says that all is there
        }
        for name, text in written.items():
            (self.out / name).write_text(text, encoding="utf-8")


def split_videos(official: Mapping[str, set[str | None]], val_share: float, seed: int) -> dict[str, str]:
    """The split of every video: the strictest official one that any source gives it, else by a seeded hash.

    "test" is never built. Of the videos without an official split a ``val_share``, at least one if there are two, is
    held out; so it is of the official "train" where no source has a "val".
    """
    order = ("test", "val", "train")
    splits = {video: next(s for s in order if s in given) for video, given in official.items() if given - {None}}
    loose = [video for video in official if video not in splits]
    if not loose and "val" not in splits.values():
        loose = [video for video, split in splits.items() if split == "train"]
    ranked = sorted(loose, key=lambda video: _number(seed, "split", video))
    count = min(max(1, round(val_share * len(ranked))), len(ranked) - 1) if val_share > 0 and ranked else 0
    return splits | {video: "val" if i < count else "train" for i, video in enumerate(ranked)}


@dataclass(frozen=True, slots=True, eq=False)
class _Teller:
    """Makes the chats of one frame: every prompt comes from prompts/build.py, as the Describer's do."""

    shown: Shown
    frame: Frame
    scene: Scene | None
    prompt: PromptOptions
    taxonomy: Taxonomy
    masks: Masks

    def told(self, truth: Truth, options: DataBuild, rng: np.random.Generator) -> Iterator[Example]:
        """Some regions, the summary and a few questions of the scene in ``truth``."""
        scene = truth.scene
        ids = [i for i in truth.texts if i is not None]
        for i in sorted(int(k) for k in rng.permutation(ids)[: options.regions]):
            chat = region_chat(self.frame, scene, i, self.prompt, self.taxonomy)
            yield self._example(f"region {i}", chat, truth.texts[i], "region", scene)
        if None in truth.texts:
            chat = scene_chat(self.frame, scene, self.prompt, self.taxonomy)
            yield self._example("scene", chat, truth.texts[None], "scene", scene)
        if truth.whole:
            asked = questions(scene, truth.looks, truth.view, rng, taxonomy=self.taxonomy)
            for n, qa in enumerate(drawn(asked, options.questions, rng)):
                chat = question_chat(self.frame, scene, qa.question, self.prompt, qa.about, taxonomy=self.taxonomy)
                yield self._example(f"question {n}", chat, qa.answer, f"question: {qa.type}", scene)

    def given(self) -> Iterator[Example]:
        """The source's own questions and captions, beside the scene model's facts where there are any."""
        scene, prompt = self.scene, self.prompt
        if scene is None:
            scene, prompt = Scene(self.frame.ref.size_wh), self.prompt.without_facts()
        for n, given in enumerate(self.shown.given):
            if given.question:
                chat = question_chat(self.frame, scene, given.question, prompt, taxonomy=self.taxonomy)
            else:
                chat = scene_chat(self.frame, scene, prompt, self.taxonomy)
            yield self._example(f"given {n}", chat, given.answer, given.kind, self.scene)

    def _example(self, name: str, chat: Any, answer: str, kind: str, scene: Scene | None) -> Example:
        return Example(
            id=f"{self.shown.source}/{self.shown.name}: {name}",
            chat=chat,
            answer=answer,
            kind=kind,
            source=f"{self.shown.source}/{self.shown.name}",
            video=self.shown.video,
            masks="none" if scene is None else self.masks,
            labels=None if scene is None else tuple(dict.fromkeys(region.label for region in scene.regions)),
        )


def _as_seen(truth: Truth, scene: Scene, taxonomy: Taxonomy) -> Truth:
    """What is true of a frame, told of a predicted ``scene``: of the regions that match true ones.

    Canonical sentences are made anew, so that their geometry is that of the facts in the prompt; others are kept where
    they name nothing and place nothing that those facts refute.
    """
    found = _matches(truth.scene, scene)
    looks: dict[int, Appearance] = {i: truth.looks[j] for i, j in found.items() if j in truth.looks}
    texts: dict[int | None, str]
    if truth.canonical:
        texts = {i: region_sentence(scene, i, looks.get(i)) for i in found}
        if None in truth.texts:
            texts[None] = scene_sentence(scene, truth.view)
    else:
        told = [(i, truth.texts.get(j, "")) for i, j in (*found.items(), (None, None))]
        texts = {i: text for i, text in told if text and _agrees(text, i, scene, taxonomy)}
    return replace(truth, scene=scene, texts=texts, looks=looks)


def _matches(true: Scene, scene: Scene) -> dict[int, int]:
    """For each region of ``scene`` the true one of its label that it overlaps most, where that is enough."""
    masks = {region.id: region.mask.to_array() for region in true.regions}
    found = {}
    for region in scene.regions:
        same = [other.id for other in true.regions if other.label == region.label]
        mask = region.mask.to_array() if same else None
        overlaps = {i: iou(mask, masks[i]) for i in same if mask is not None}
        best = max(overlaps, key=lambda i: overlaps[i], default=None)
        if best is not None and overlaps[best] >= _MATCH_IOU:
            found[region.id] = best
    return found


def _agrees(text: str, region_id: int | None, scene: Scene, taxonomy: Taxonomy) -> bool:
    said = ground(text, scene, taxonomy, region_id, 1.0)
    return not said.ungrounded and not contradictions(said, scene, taxonomy)


def _lines_of(parts: Sequence[Path], split: str) -> Iterator[str]:
    for part in parts:
        with part.open(encoding="utf-8") as lines:
            for line in lines:
                where, _, row = line.partition("\t")
                if where == split:
                    yield row


def _number(*parts: object) -> int:
    return int.from_bytes(hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=8).digest(), "big")


def _taxonomy_of(scene_model: Path) -> Taxonomy:
    """The label set of a scene model, without loading its weights."""
    from describer.seg.predict import OWN_TAXONOMY

    name = json.loads((scene_model / "config.json").read_text(encoding="utf-8")).get("taxonomy", "core")
    return load_taxonomy(str(scene_model / OWN_TAXONOMY) if name == OWN_TAXONOMY else name)


def _taxonomy_text(scene_model: str, taxonomy: Taxonomy) -> str:
    from describer.seg.predict import OWN_TAXONOMY, scene_model_folder

    own = scene_model_folder(scene_model) / OWN_TAXONOMY
    if own.is_file():
        return own.read_text(encoding="utf-8")
    return files("describer.taxonomies").joinpath(f"{taxonomy.name}.yaml").read_text(encoding="utf-8")
