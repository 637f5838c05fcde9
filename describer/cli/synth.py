"""`describer synth`: rendered scenes with every label they were made from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer


def synth(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to make.")],
    n: Annotated[int, typer.Option("--n", min=1, help="How many frames.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same frames.")] = 0,
    procedure: Annotated[str, typer.Option(help="laparoscopy, esd, colonoscopy or mixed.")] = "mixed",
    size: Annotated[str, typer.Option(metavar="WxH", help="Size of the frames in pixels.")] = "640x512",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default one a core.")] = None,
) -> None:
    """Render labelled surgical scenes: images, masks, instances, depth, records, questions with answers.

    \b
      describer synth scenes --n 1000
      describer synth scenes-esd --n 50 --procedure esd --size 1280x1024 --seed 7
    """
    size_wh = parse_size(size)
    from tqdm import tqdm

    from describer.synthesis import write_dataset

    with tqdm(total=n, unit="frame", desc="synth", disable=None, dynamic_ncols=True) as bar:
        folder = write_dataset(out, n, seed, procedure, size_wh, workers, progress=bar.update)
    typer.echo(str(folder))


def parse_size(text: str) -> tuple[int, int]:
    """(width, height) of "640x512"; a usage error names the option."""
    found = re.fullmatch(r"(\d{2,5})x(\d{2,5})", text.strip().lower())
    if found is None:
        raise typer.BadParameter(f"{text!r} is not WIDTHxHEIGHT, such as 640x512", param_hint="--size")
    return int(found[1]), int(found[2])
