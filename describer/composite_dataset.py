"""`describer synth --backgrounds`: a folder of real pictures of tissue with instruments pasted in.

OUT/images/000000.jpg        RGB
OUT/masks/000000.png         core class ids; 253 an instrument of unknown kind, 254 no instrument, 255 unknown
OUT/instances/000000.png     uint16 ids of the instruments, those of the background included
OUT/tools.jsonl              what was pasted: instance id, label, box, the box around the tip
OUT/synth.json               seed, folders, size: enough to make the same frames again

No sentences and no scenes: what else a picture shows, nobody has said.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from describer import __version__
from describer.caches import HELD_OUT_SEED
from describer.errors import InputError
from describer.geometry import tip_box
from describer.masks import box_of
from describer.pictures import PICTURE_SUFFIXES, read_image
from describer.seg.codes import IGNORE, REST, SOME_INSTRUMENT
from describer.seg.config import INSTRUMENT_CLASSES
from describer.seg.synth import CORE_NAMES, SMALLEST_SIDE_PX, render_tools
from describer.seg.synth.composite import Background, Composite, CutOut, composite, cut_out, cut_out_picture
from describer.synthesis import FLAT_PNG, parallel, prepare_folder, save_image

UNKNOWN_KIND = "instrument"
"""The folder of cut-outs whose kind nobody has said."""
_PARTS = ("images", "masks", "instances")
_CHUNK = 25  # frames that share one stock of rendered instruments
_RENDERED_FRAMES = 12
_HOW_MANY = (0.5, 0.35, 0.15)  # one, two, three instruments
_CODES = (*range(len(CORE_NAMES)), SOME_INSTRUMENT, REST, IGNORE)


def write_composites(
    out: str | Path,
    backgrounds: str | Path,
    instruments: str | Path | None,
    n: int,
    seed: int = 0,
    size_wh: tuple[int, int] = (640, 512),
    workers: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> Path:
    """Write ``n`` composites into ``out``; the same arguments and files give the same bytes.

    ``backgrounds`` is a folder of pictures, each with its mask beside it (NAME_mask.png) or in ../masks/NAME.png
    where it lies in a folder "images"; a picture without a mask must show no instrument. ``instruments`` is a folder
    of folders named after the instruments, with transparent PNGs; None pastes rendered ones. InputError for folders
    and files that are not so; OutputError when ``out`` holds anything but these same frames.
    """
    if n < 1 or seed < 0 or min(size_wh) < SMALLEST_SIDE_PX:
        raise InputError(f"--n must be at least 1, --seed 0, a side of --size {SMALLEST_SIDE_PX} px.")
    pictures = _pictures(Path(backgrounds))
    stock = None if instruments is None else instrument_cut_outs(Path(instruments), size_wh)
    settings = {
        "n": n,
        "seed": seed,
        "backgrounds": str(Path(backgrounds).resolve()),
        "instruments": None if instruments is None else str(Path(instruments).resolve()),
        "size_wh": list(size_wh),
        "annotated": [CORE_NAMES[k] for k in INSTRUMENT_CLASSES],
        "version": __version__,
    }
    folder = Path(out)
    prepare_folder(folder, settings, _PARTS)
    jobs = [(folder, first, min(_CHUNK, n - first), seed, pictures, stock, size_wh) for first in range(0, n, _CHUNK)]
    with (folder / "tools.jsonl").open("w", encoding="utf-8", newline="\n") as told:
        for lines in parallel(_write_chunk, jobs, workers or os.cpu_count() or 1):
            told.writelines(f"{line}\n" for line in lines)
            if progress is not None:
                progress(len(lines))
    return folder


def instrument_cut_outs(folder: Path, size_wh: tuple[int, int]) -> list[CutOut]:
    """The transparent PNGs of FOLDER/<instrument>/ as cut-outs for frames of ``size_wh``."""
    kinds = {CORE_NAMES[k]: k for k in INSTRUMENT_CLASSES} | {UNKNOWN_KIND: SOME_INSTRUMENT}
    if not folder.is_dir():
        raise InputError(f"--instruments {folder} is no folder; give one with a folder of PNGs for each instrument.")
    found = []
    for kind in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        name = kind.name.replace("_", " ").replace("-", " ").lower()
        if name not in kinds:
            raise InputError(f"{kind} is named after no instrument; use one of {', '.join(kinds)}.")
        found += [_cut_out_of(path, kinds[name], size_wh) for path in sorted(kind.glob("*.png"))]
    if not found:
        raise InputError(f"--instruments {folder} holds no FOLDER/NAME.png; FOLDER is one of {', '.join(kinds)}.")
    return found


def _cut_out_of(path: Path, code: int, size_wh: tuple[int, int]) -> CutOut:
    read_image(path)  # its errors name the file and the remedy
    with Image.open(path) as picture:
        if "A" not in picture.getbands() and "transparency" not in picture.info:
            raise InputError(f"{path} has no transparency; cut the instrument out and save it as a PNG with alpha.")
        rgba = np.asarray(picture.convert("RGBA"))
    cut = cut_out_picture(rgba, code, size_wh)
    if cut is None:
        raise InputError(f"{path} shows nothing that reaches its border; crop it where the shaft comes in.")
    return cut


def _pictures(folder: Path) -> list[tuple[Path, Path | None]]:
    """Every background with its mask, if it has one."""
    if not folder.is_dir():
        raise InputError(f"--backgrounds {folder} is no folder; give one with pictures of tissue.")
    inside = folder / "images" if (folder / "images").is_dir() else folder
    found = []
    for path in sorted(inside.iterdir()):
        if path.suffix.lower() in PICTURE_SUFFIXES and not path.stem.endswith("_mask") and path.name[0] != ".":
            masks = (path.with_name(f"{path.stem}_mask.png"), folder / "masks" / f"{path.stem}.png")
            found.append((path, next((mask for mask in masks if mask.is_file()), None)))
    if not found:
        raise InputError(
            f"--backgrounds {folder} holds no pictures; readable are {' '.join(sorted(PICTURE_SUFFIXES))}."
        )
    return found


def _background(path: Path, mask: Path | None, size_wh: tuple[int, int]) -> Background:
    """A picture cut to the shape of the frame about its middle and brought to its size."""
    image = read_image(path)
    labels = np.full(image.shape[:2], REST, np.uint8) if mask is None else _labels(mask, image.shape[:2])
    h, w = labels.shape
    cut_w, cut_h = min(w, round(h * size_wh[0] / size_wh[1])), min(h, round(w * size_wh[1] / size_wh[0]))
    x, y = (w - cut_w) // 2, (h - cut_h) // 2
    box = np.s_[y : y + cut_h, x : x + cut_w]
    smooth = cv2.INTER_AREA if cut_w > size_wh[0] else cv2.INTER_LINEAR
    image = cv2.resize(image[box], size_wh, interpolation=smooth)
    labels = cv2.resize(labels[box], size_wh, interpolation=cv2.INTER_NEAREST)
    instances = np.zeros(labels.shape, np.uint16)
    for code in np.intersect1d(labels, (*INSTRUMENT_CLASSES, SOME_INSTRUMENT)):
        _, parts = cv2.connectedComponents((labels == code).astype(np.uint8))
        np.copyto(instances, parts.astype(np.uint16) + instances.max(), where=parts > 0)
    return Background(image, labels, instances)


def _labels(path: Path, hw: tuple[int, int]) -> np.ndarray:
    read_image(path)  # its errors name the file and the remedy
    with Image.open(path) as picture:
        labels = np.asarray(picture)
    if labels.ndim != 2 or labels.dtype != np.uint8 or labels.shape != hw:
        raise InputError(f"{path} must be an 8-bit grey or palette PNG of its picture's {hw[1]}x{hw[0]}; save it so.")
    unknown = np.setdiff1d(labels, _CODES)
    if len(unknown):
        known = f"0 to {len(CORE_NAMES) - 1} (core classes), {SOME_INSTRUMENT}, {REST} and {IGNORE}"
        raise InputError(f"{path} holds the value {unknown[0]}; known are {known}: write those.")
    if set(np.unique(labels)) == {0, IGNORE}:
        # A tool mask of black and white, most likely: read as codes it would say the opposite of what was meant.
        raise InputError(f"{path} is black and white; write {SOME_INSTRUMENT} for instruments and {REST} for the rest.")
    return labels


def _write_chunk(
    job: tuple[Path, int, int, int, list[tuple[Path, Path | None]], list[CutOut] | None, tuple[int, int]],
) -> list[str]:
    folder, first, n, seed, pictures, given, size_wh = job
    rng = np.random.default_rng([seed, first])
    stock = _rendered(rng, size_wh) if given is None else given
    codes = sorted({cut.code for cut in stock})
    groups = [[cut for cut in stock if cut.code == code] for code in codes]
    lines = []
    for k in range(first, first + n):
        path, mask = pictures[int(rng.integers(len(pictures)))]
        cuts = []
        for _ in range(1 + int(rng.choice(len(_HOW_MANY), p=_HOW_MANY))):
            group = groups[int(rng.integers(len(groups)))]
            cuts.append(group[int(rng.integers(len(group)))])
        made = composite(_background(path, mask, size_wh), cuts, rng)
        name = f"{k:06d}"
        save_image(folder / "images" / f"{name}.jpg", made.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
        save_image(folder / "masks" / f"{name}.png", made.labels, FLAT_PNG)
        save_image(folder / "instances" / f"{name}.png", made.instances, FLAT_PNG)
        lines.append(json.dumps({"source": f"images/{name}.jpg", "background": path.name, "pasted": _told(made)}))
    return lines


def _told(made: Composite) -> list[dict[str, object]]:
    told = []
    for thing in made.pasted:
        mask = made.instances == thing.instance_id
        label = UNKNOWN_KIND if thing.code == SOME_INSTRUMENT else CORE_NAMES[thing.code]
        tip = [round(side, 1) for side in tip_box(mask, thing.tip_xy_px)]
        box = list(box_of(mask) or ())
        told.append({"instance_id": thing.instance_id, "label": label, "box_xyxy": box, "tip_box_xyxy": tip})
    return told


def _rendered(rng: np.random.Generator, size_wh: tuple[int, int]) -> list[CutOut]:
    found: list[CutOut] = []
    while not found:
        for seed in rng.integers(HELD_OUT_SEED, size=_RENDERED_FRAMES):
            frame = render_tools(int(seed), size_wh)
            found += cut_out(frame.image, frame.labels, INSTRUMENT_CLASSES, exact=True)
    return found
