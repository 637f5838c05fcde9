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
    backgrounds: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Paste instruments on these pictures of tissue instead.")
    ] = None,
    instruments: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Cut-outs to paste; default rendered instruments.")
    ] = None,
) -> None:
    """Render labelled surgical scenes: images, masks, instances, depth, records, questions with answers.

    \b
      describer synth scenes --n 1000
      describer synth scenes-esd --n 50 --procedure esd --size 1280x1024 --seed 7
      describer synth pasted --n 500 --backgrounds tissue --instruments cutouts

    With --backgrounds: images, masks, instances and tools.jsonl, which lists what was pasted. A picture may have a
    mask (NAME_mask.png beside it, or DIR/masks/NAME.png for DIR/images/NAME.jpg) of core class ids, 253 for an
    instrument of unknown kind, 254 for no instrument, 255 for unknown; without one it must show no instrument.
    --instruments holds transparent PNGs in folders named after the core instruments (grasper, bipolar_forceps, hook,
    scissors, clip_applier, suction_irrigator, needle_driver, electric_knife, snare) or "instrument" for any other;
    the shaft must touch the border of its PNG where it came into view.
    """
    size_wh = parse_size(size)
    if backgrounds is None and instruments is not None:
        raise typer.BadParameter("needs --backgrounds, the pictures to paste on", param_hint="--instruments")
    if backgrounds is not None and procedure != "mixed":
        raise typer.BadParameter("is for rendered scenes; leave it out with --backgrounds", param_hint="--procedure")
    from tqdm import tqdm

    with tqdm(total=n, unit="frame", desc="synth", disable=None, dynamic_ncols=True) as bar:
        if backgrounds is None:
            from describer.synthesis import write_dataset

            folder = write_dataset(out, n, seed, procedure, size_wh, workers, progress=bar.update)
        else:
            from describer.composite_dataset import write_composites

            folder = write_composites(out, backgrounds, instruments, n, seed, size_wh, workers, progress=bar.update)
    typer.echo(str(folder))


def parse_size(text: str) -> tuple[int, int]:
    """(width, height) of "640x512"; a usage error names the option."""
    found = re.fullmatch(r"(\d{2,5})x(\d{2,5})", text.strip().lower())
    if found is None:
        raise typer.BadParameter(f"{text!r} is not WIDTHxHEIGHT, such as 640x512", param_hint="--size")
    return int(found[1]), int(found[2])
