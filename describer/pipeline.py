"""Describer: frame -> scene -> facts and pictures -> sentences -> checked against the scene -> Annotation.

The same object serves `describer annotate`, Python users and the demo.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from describer import __version__
from describer.clips import OpenedClip, video_clip
from describer.confidence import Calibration
from describer.errors import InputError
from describer.frames import as_frame
from describer.guard import Said, check_guard, check_of, say
from describer.messages import Chat
from describer.pick import Pointed, as_mask, region_at
from describer.prompts.build import PromptOptions, region_chat, scene_chat, template_hashes
from describer.prompts.grounding import ground
from describer.seg.predict import ScenePredictor
from describer.seg.regions import add_region
from describer.types import Annotation, Answer, Description, Frame, Provenance, Scene
from describer.vlm import load_vlm
from describer.vlm.base import GenerationSettings, ServerOptions
from describer.vlm.loading import read_prompt_options
from describer.vlm.quiet import quiet
from describer.vqa import Opened, Question, answer_all

_ABSTAIN_BELOW = 0.35


class Describer:
    """Describes surgical frames.

    ``scene_model`` and ``vlm`` are "embedded" (the weights in the package), a local folder, or for ``vlm`` a
    hub id, "echo", or "openai" (the one at ``server``); ``adapter`` is a LoRA folder; ``device`` "auto",
    "cpu", "cuda"; ``prompt`` says what the language model is shown ("frame,facts,overlay,crop" in any combination, the
    path of a ``prompt_options.json``, None = what it was tuned with); with ``depth`` the scenes come with their depth
    maps; ``guard`` is "off", "flag" or "strict" (see describer.guard).
    """

    def __init__(
        self,
        scene_model: str = "embedded",
        vlm: str = "embedded",
        adapter: str | None = None,
        device: str = "auto",
        prompt: str | None = None,
        generation: GenerationSettings | None = None,
        quantize: str | None = None,
        depth: bool = False,
        server: ServerOptions | None = None,
        guard: str = "strict",
    ) -> None:
        self.guard = check_guard(guard)
        self.device = pick_device(device)
        with quiet():
            self.scene_model = ScenePredictor.load(scene_model, self.device)
        if depth:
            self.scene_model.require_depth()
        self.vlm = load_vlm(vlm, adapter=adapter, device=self.device, quantize=quantize, server=server)
        self.taxonomy = self.scene_model.taxonomy
        self.quantize = quantize
        self.depth = depth
        self.generation = generation or GenerationSettings()
        self.prompt = self._prompt_options(prompt)

    def _prompt_options(self, prompt: str | None) -> PromptOptions:
        if prompt is not None and Path(prompt).name == "prompt_options.json":
            saved = read_prompt_options(Path(prompt).parent)
            if saved is None:
                raise InputError(f"--prompt {prompt}: there is no such file; describer train vlm writes one.")
            return PromptOptions.from_dict(saved)
        if prompt is not None:
            return PromptOptions.parse(prompt)
        return PromptOptions.from_dict(self.vlm.prompt_options) if self.vlm.prompt_options else PromptOptions()

    @property
    def calibration(self) -> Calibration | None:
        """What turns token probabilities of descriptions into how often they are right; None leaves them raw."""
        return getattr(self.vlm, "calibration", None)

    @property
    def abstain_below(self) -> float:
        """Answers less sure than this are held back: what was picked for the model (describer.abstention), or 0.35."""
        threshold = getattr(self.vlm, "threshold", None)
        return _ABSTAIN_BELOW if threshold is None else threshold.confidence

    def settings(self) -> dict[str, Any]:
        """Everything that changes the output, as plain JSON values."""
        return {
            **asdict(self.provenance()),
            "device": self.device,
            "quantize": self.quantize,
            "prompt_options": self.prompt.to_dict(),
            **({"depth": True} if self.depth else {}),
        }

    def provenance(self) -> Provenance:
        """What stands in every annotation about how it was made."""
        return Provenance(
            scene_model=self.scene_model.name,
            vlm=self.vlm.name,
            adapter=self.vlm.adapter,
            taxonomy=self.taxonomy.name,
            prompts=template_hashes(),
            generation={
                **asdict(self.generation),
                "guard": self.guard,
                "confidence": self.calibration.name if self.calibration else "raw",
            },
            version=__version__,
        )

    def annotate(self, images: Any) -> Annotation | list[Annotation]:
        """Annotate one image, or a list of images in order.

        An image is a path, a PIL image, an RGB array (H, W[, 3 or 4]) or a tensor (3, H, W). InputError names
        what cannot be read.
        """
        if isinstance(images, (list, tuple)):
            return self.annotate_frames([as_frame(image, index=i) for i, image in enumerate(images)])
        return self.annotate_frames([as_frame(images)])[0]

    def find_scenes(self, frames: Sequence[Frame]) -> list[Scene]:
        """What the scene model sees in each frame, in order."""
        return self.scene_model.predict([frame.image for frame in frames], depth=self.depth)

    def annotate_frames(self, frames: Sequence[Frame], scenes: Sequence[Scene] | None = None) -> list[Annotation]:
        """Annotations of the frames, in order; every region of every frame goes through one batched generate.

        ``scenes`` are spoken of as given, one a frame; None has the scene model find them.
        """
        if scenes is None:
            scenes = self.find_scenes(frames)
        scenes = [self._seen(frame, scene) for frame, scene in zip(frames, scenes, strict=True)]
        made = self.provenance()
        said = self.said_of(frames, scenes, self.guard)
        return [
            Annotation(frame.ref, scene, tuple(self._description(one, scene, about) for about, one in of_frame), made)
            for frame, scene, of_frame in zip(frames, scenes, said)
        ]

    def _seen(self, frame: Frame, scene: Scene) -> Scene:
        """The scene with the looks that the prompt tells of, where it came without: from a file, or marked by hand."""
        told = scene.view is not None or self.scene_model.model.looks is None
        if not self.prompt.looks or (told and all(region.appearance is not None for region in scene.regions)):
            return scene
        return self.scene_model.see(frame.image, scene)

    def said_of(
        self, frames: Sequence[Frame], scenes: Sequence[Scene], guard: str
    ) -> list[list[tuple[int | None, Said]]]:
        """For each frame (region id, what is said of it): every region of its scene, then None, the whole of it."""
        keys: list[tuple[int, int | None]] = []
        chats: list[Chat] = []
        for i, (frame, scene) in enumerate(zip(frames, scenes, strict=True)):
            for region in scene.regions:
                keys.append((i, region.id))
                chats.append(region_chat(frame, scene, region.id, self.prompt, self.taxonomy))
            keys.append((i, None))
            chats.append(scene_chat(frame, scene, self.prompt, self.taxonomy))
        checks = [check_of(scenes[i], self.taxonomy, about) for i, about in keys]
        said: list[list[tuple[int | None, Said]]] = [[] for _ in frames]
        for (i, about), one in zip(keys, say(self.vlm, chats, checks, self.generation, guard)):
            said[i].append((about, one))
        return said

    def describe(self, image: Any, region: int | Pointed) -> Description:
        """A sentence about one region of an image.

        ``region`` is the id of a found region, a Mask or bool array (H, W), a box (x0, y0, x1, y1) or a point
        (x, y), in pixels. A point or box picks the found region there; where nothing was found, the box
        itself (or a disc around the point) is described as what the model sees most of in it.
        """
        frame = as_frame(image)
        scene = self.scene_model.predict([frame.image])[0]
        if isinstance(region, (int, np.integer)):
            region_id = scene.region(int(region)).id
        else:
            scene, region_id = self._with_region(frame, scene, region)
            scene = self._seen(frame, scene)
        chat = region_chat(frame, scene, region_id, self.prompt, self.taxonomy)
        check = check_of(scene, self.taxonomy, region_id)
        said = say(self.vlm, [chat], [check], self.generation, self.guard)[0]
        return self._description(said, scene, region_id)

    def _description(self, said: Said, scene: Scene, region_id: int | None) -> Description:
        sure = said.generated.confidence
        if self.calibration is not None:
            sure = self.calibration(kind_of(scene, region_id), sure)
        grounded = ground(said.generated.text, scene, self.taxonomy, region_id, sure)
        return replace(grounded, flags=said.flags, withheld=said.withheld)

    def _with_region(self, frame: Frame, scene: Scene, pointed: Pointed) -> tuple[Scene, int]:
        found = region_at(scene, pointed)
        if found is not None:
            return scene, found.id
        mask = as_mask(pointed, (frame.image.shape[0], frame.image.shape[1]))
        label, score = self.scene_model.name_of(frame.image, mask)
        return add_region(scene, mask, label, self.taxonomy.label(label).kind, score)

    def open(self, image: Any, scene: Scene | None = None) -> Opened:
        """An image to ask about, its scene found once (or given)."""
        frame = as_frame(image)
        return Opened(self, frame, self.find_scenes([frame])[0] if scene is None else scene)

    def open_clip(self, images: Sequence[Any] | str | Path, at_s: float | None = None) -> OpenedClip:
        """Images in their order, or a video's few seconds up to ``at_s``, to ask about."""
        if isinstance(images, str | Path):
            if at_s is None:
                raise InputError(f"{images}: say which moment of the video you mean, with a time in seconds (--at).")
            frames = video_clip(images, at_s)
        else:
            frames = [as_frame(image, index=i) for i, image in enumerate(images)]
        return OpenedClip(self, frames, self.find_scenes(frames))

    def ask(
        self,
        image: Any,
        question: str,
        region: int | None = None,
        choices: Sequence[str] | None = None,
        at_s: float | None = None,
    ) -> Answer:
        """Answer a question about an image, or about one of its regions by id.

        ``choices`` are the only answers allowed. A list of images is a clip, and a video's path is one with ``at_s``,
        a time in seconds: see `OpenedClip`. InputError for an empty question, RecordError for an unknown region.
        """
        asked = Question.of(question, region, choices)
        if at_s is not None or isinstance(image, list | tuple):
            return self.open_clip(image, at_s).ask_all([asked])[0]
        return self.open(image).ask_all([asked])[0]

    def ask_all(self, images: Sequence[Any], questions: Sequence[str | Question]) -> list[Answer]:
        """One question an image, in order; scenes and answers are made in batches, each image's scene once."""
        asked = [Question.of(question, None, None) for question in questions]
        distinct = {id(image): image for image in images}
        frames = {key: as_frame(image) for key, image in distinct.items()}
        scenes = dict(zip(frames, self.find_scenes(list(frames.values()))))
        pairs = zip(images, asked, strict=True)
        return answer_all(self, [(frames[id(image)], scenes[id(image)], question) for image, question in pairs])


def kind_of(scene: Scene, region_id: int | None) -> str:
    """Which kind of text a description is, of describer.confidence.KINDS."""
    if region_id is None:
        return "scene"
    return "instrument" if scene.region(region_id).kind == "instrument" else "tissue"


def pick_device(device: str) -> str:
    """ "auto" is cuda where torch sees a GPU, else cpu; other names are checked by torch."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"--device {device}: torch sees no GPU; use --device cpu or install a CUDA build of torch.")
    return device
