"""Frames to Scenes with a trained scene model: batches by size, one forward each, order kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor
from torch.nn import functional as F

from describer.errors import DescriberError, ModelError
from describer.geometry import raster, raster_of
from describer.seg.actions import ToolScores, tip_boxes, tool_scores, with_interactions
from describer.seg.config import SceneConfig
from describer.seg.image import to_pixels
from describer.seg.interaction import ToolLogits
from describer.seg.looks import mask_shares, region_shares, with_looks
from describer.seg.model import SceneModel, SceneOutput, disparity_to_depth, interpolate
from describer.seg.naming import named
from describer.seg.regions import WORK_PX, Part, build_scene, find_parts
from describer.seg.shafts import surround
from describer.taxonomy import Taxonomy, load_taxonomy
from describer.types import Activity, Region, Scene

EMBEDDED = "embedded"
OWN_TAXONOMY = "taxonomy.yaml"
"""What `SceneConfig.taxonomy` says of a label set that lies in the model's own folder."""


def scene_model_folder(spec: str) -> Path:
    """The folder of a scene model: "embedded" or a path; ModelError with the remedy when it is not there."""
    if spec == EMBEDDED:
        folder = Path(str(resources.files("describer.weights"))) / "scene"
        remedy = "run `describer train scene --preset embedded` or reinstall describer"
    else:
        folder, remedy = Path(spec).resolve(), "give a folder that `describer train scene` wrote"
    if not (folder / "config.json").is_file():
        raise ModelError(f"scene model {spec!r}: no config.json in {folder}; {remedy}.")
    return folder


def _load(folder: Path) -> SceneModel:
    model: SceneModel
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kind = config.get("model_type") if isinstance(config, dict) else None
        if kind != SceneConfig.model_type:
            raise ValueError(f"its config.json is of a {kind!r} model, not {SceneConfig.model_type!r}")
        loaded: Any = SceneModel.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, output_loading_info=True
        )
        model, info = loaded
        if info["missing_keys"]:
            raise ValueError(f"its weights lack {len(info['missing_keys'])} tensors, {min(info['missing_keys'])} first")
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError, DescriberError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ModelError(f"scene model in {folder} cannot be loaded ({reason}); train or copy it again.") from error
    return model


def _work_size(hw: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, WORK_PX / max(hw))
    return max(1, round(hw[0] * scale)), max(1, round(hw[1] * scale))


class ScenePredictor:
    """A scene model ready to use: ``predict`` turns RGB frames into Scenes."""

    def __init__(self, model: SceneModel, name: str, device: str = "cpu", folder: Path | None = None) -> None:
        self.model: SceneModel = model.to(device).eval()  # type: ignore[arg-type]
        self.name = name
        self.folder = folder
        self.device = device
        self.input_hw = (model.config.input_hw[0], model.config.input_hw[1])
        label_set = model.config.taxonomy
        if folder is not None and label_set == OWN_TAXONOMY:
            label_set = str(folder / OWN_TAXONOMY)
        self.taxonomy: Taxonomy = load_taxonomy(label_set)
        unknown = sorted(set(model.config.class_names[1:]) - set(self.taxonomy.names))
        if unknown:
            raise ModelError(
                f"scene model {name!r}: taxonomy {self.taxonomy.name!r} lacks its classes {', '.join(unknown)}; "
                "set `taxonomy` in its config.json to the label set it was trained on."
            )

    @classmethod
    def load(cls, spec: str = EMBEDDED, device: str = "cpu") -> ScenePredictor:
        """From "embedded" or a folder; ModelError when the folder holds no scene model."""
        folder = scene_model_folder(spec)
        # Weights trained again into the same folder are another model: records and resumed runs must tell.
        model = _load(folder)
        digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()[:8]
        name = EMBEDDED if spec == EMBEDDED else folder.name
        return cls(model, f"{name}@{digest}", device, folder)

    def predict(self, images: Sequence[np.ndarray], batch_size: int = 8, depth: bool = False) -> list[Scene]:
        """Scenes of RGB uint8 ``(H, W, 3)`` frames of any sizes, in order; with their depth maps where asked for."""
        if depth:
            self.require_depth()
        scenes: list[Scene] = []
        for start in range(0, len(images), batch_size):
            chunk = images[start : start + batch_size]
            output = self.forward(chunk)
            for row, image in enumerate(chunk):
                scene = self._scene(output, row, (image.shape[0], image.shape[1]), depth)
                scenes.append(self._with_looks(scene, image, output, row))
        return scenes

    def see(self, image: np.ndarray, scene: Scene) -> Scene:
        """The scene with how its regions and the view look in ``image``, RGB uint8 (H, W, 3) of the scene's size."""
        return self._with_looks(scene, image, self.forward([image]), 0)

    @torch.inference_mode()
    def _with_looks(self, scene: Scene, image: np.ndarray, output: SceneOutput, row: int) -> Scene:
        """Looks as the head reads them, colour and glare as they are measured; without the head the latter only."""
        head, said = self.model.looks, None
        if head is not None and output.look_maps is not None:
            maps = output.look_maps[row : row + 1]
            said = head(maps, region_shares(scene.regions, (maps.shape[2], maps.shape[3])).to(maps.device))
        return with_looks(scene, image, said)

    def require_depth(self) -> None:
        """ModelError unless the model has a depth head."""
        if self.model.depth is None:
            raise ModelError(f"scene model {self.name!r} tells no depth; leave --depth out or use another scene model.")

    @torch.inference_mode()
    def forward(self, images: Sequence[np.ndarray]) -> SceneOutput:
        """One forward of frames of any sizes, each brought to the size that the model was trained at.

        A frame of another shape is squeezed: at a shape it never saw the network paints along the borders.
        """
        output: SceneOutput = self.model(to_pixels(images, self.input_hw).to(self.device))
        return output

    def _scene(self, output: SceneOutput, row: int, hw: tuple[int, int], depth: bool) -> Scene:
        work_hw = _work_size(hw)
        probabilities = self._probabilities(output, row, work_hw)
        disparity = None
        if output.disparity is not None:
            disparity = interpolate(output.disparity[0][row : row + 1], work_hw)[0, 0].cpu().numpy()
        parts = find_parts(probabilities, disparity, self.model.config.class_names, self.taxonomy)
        parts = self._named(parts, output, row)
        scene = build_scene(parts, (hw[1], hw[0]), self._activity(output, row))
        if depth and disparity is not None:
            scene = replace(scene, depth=_view_depth(disparity, probabilities[0]))
        return self._with_interactions(self._with_phase(scene, output, row), output, row)

    def _named(self, parts: list[Part], output: SceneOutput, row: int) -> list[Part]:
        """The parts with their instruments named by the interaction head as well."""
        tools = [part for part in parts if part.kind == "instrument"]
        said = self._said([raster(part.mask) for part in tools], output, row)
        if said is None:
            return parts
        config = self.model.config
        kinds = output.logits[row].float().softmax(0)[list(config.instrument_classes)].cpu()  # type: ignore[index]
        shares = mask_shares([part.mask for part in tools], (kinds.shape[1], kinds.shape[2]))
        votes = torch.einsum("ihw,thw->ti", kinds, shares) / shares.sum((1, 2)).clamp(min=1e-6)[:, None]
        names = [config.class_names[k] for k in config.instrument_classes]
        return [*named(tools, said, votes.numpy(), names), *(part for part in parts if part.kind != "instrument")]

    def _with_interactions(self, scene: Scene, output: SceneOutput, row: int) -> Scene:
        instruments = _instruments(scene)
        said = self._said([raster_of(region.mask) for region in instruments], output, row)
        return scene if said is None else with_interactions(scene, instruments, said, self.model.config.vocabulary)

    @torch.inference_mode()
    def _said(self, masks: Sequence[np.ndarray], output: SceneOutput, row: int) -> ToolLogits | None:
        """The interaction head on each instrument's tip; None without the head or without instruments."""
        if self.model.tools is None or output.tool_maps is None or not masks:
            return None
        said: ToolLogits = self.model.tools(output.tool_maps[row : row + 1], tip_boxes(masks).to(self.device))
        return said

    def tool_scores(self, images: Sequence[np.ndarray]) -> list[list[ToolScores]]:
        """For every frame and instrument found in it, how likely each instrument, verb and target is."""
        output = self.forward(images)
        found = []
        for row, image in enumerate(images):
            instruments = _instruments(self._scene(output, row, image.shape[:2], depth=False))
            said = self._said([raster_of(region.mask) for region in instruments], output, row)
            found.append([] if said is None else tool_scores(instruments, said))
        return found

    def _with_phase(self, scene: Scene, output: SceneOutput, row: int) -> Scene:
        """The phase beside the activity, where one of the organs is seen whose operation the phases are of."""
        seen = {region.label for region in scene.regions}
        if output.phase_logits is None or not seen & set(self.taxonomy.phase_organs):
            return scene
        phase = _likeliest("phase", output.phase_logits[row], self.model.config.phase_names)
        return replace(scene, activities=(*scene.activities, phase))

    def name_of(self, image: np.ndarray, mask: np.ndarray) -> tuple[str, float]:
        """The label the model sees most of under a bool mask of the frame's size, and its mean probability there."""
        hw = (image.shape[0], image.shape[1])
        work_hw = _work_size(hw)
        probabilities = self._probabilities(self.forward([image]), 0, work_hw)
        # Area shares instead of a smaller mask: a mark of a few pixels on a big frame still counts.
        share = cv2.resize(mask.astype(np.float32), work_hw[::-1], interpolation=cv2.INTER_AREA)
        mean = (probabilities * share).sum(axis=(1, 2)) / share.sum()
        best = 1 + int(mean[1:].argmax())
        return self.model.config.class_names[best], round(float(mean[best]), 4)

    def _probabilities(self, output: SceneOutput, row: int, hw: tuple[int, int]) -> np.ndarray:
        """Class probabilities (C, h, w) of one frame of the batch."""
        logits = output.logits[row : row + 1]  # type: ignore[index]
        return F.softmax(interpolate(logits, hw), dim=1)[0].cpu().numpy()

    def _activity(self, output: SceneOutput, row: int) -> tuple[Activity, ...]:
        if output.activity_logits is None:
            return ()
        return (_likeliest("activity", output.activity_logits[row], self.model.config.activity_names),)


def _view_depth(disparity: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Depth (h, w) of a disparity map, NaN where the probability of being outside of the view says so."""
    depth = disparity_to_depth(torch.from_numpy(disparity)).numpy()
    return np.where(surround(outside > 0.5), np.float32(np.nan), depth)


def _instruments(scene: Scene) -> list[Region]:
    return [region for region in scene.regions if region.kind == "instrument"]


def _likeliest(level: str, logits: Tensor, names: Sequence[str]) -> Activity:
    probabilities = F.softmax(logits.float(), dim=0)
    best = int(probabilities.argmax())
    return Activity(level, names[best], round(float(probabilities[best]), 4))
