"""`describer bench demo`: many visitors at once on a running page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def demo(
    source: Annotated[Path, typer.Argument(metavar="PICTURES", help="Folder of frames that visitors send.")],
    url: Annotated[str, typer.Option(help="Address of the running page.")] = "http://127.0.0.1:7860",
    visitors: Annotated[int, typer.Option(min=1, help="Visitors at once.")] = 20,
    seconds: Annotated[float, typer.Option(min=1, help="How long they stay.")] = 120.0,
    drops: Annotated[
        int, typer.Option(min=0, help="Before that, frames of 1280 x 1024 to drop into the page in a real browser.")
    ] = 0,
    pid: Annotated[int | None, typer.Option(help="Process of the page, to read its memory (Linux).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Send frames and questions to a running describer demo from many visitors at once.

    \b
      describer demo --port 7860 &
      describer bench demo examples --drops 5 --visitors 20 --seconds 120 --pid $!

    Says how long they waited, whether anybody got another's frame, and the server's memory before, at its
    most and after. With --drops also how long it takes in headless Chromium, by way of playwright, from the drop
    of a frame until its regions are lit.

    \b
    Exit codes: 0 nobody met an error or another's data; 2 somebody did, or the page cannot be reached.
    """
    from describer.bench_demo import seconds_to_first_region, visit_at_once
    from describer.errors import InputError
    from describer.pictures import PICTURE_SUFFIXES

    pictures = sorted(path for path in source.glob("*") if path.suffix.lower() in PICTURE_SUFFIXES)
    if not pictures:
        raise InputError(f"{source} holds no picture; give a folder of frames.")
    dropped = {"first_region_s": seconds_to_first_region(url, pictures, drops)} if drops else {}
    report = visit_at_once(url, pictures, visitors, seconds, pid)
    said = dropped | report.to_dict()
    if as_json:
        typer.echo(json.dumps(said, indent=2))
    else:
        typer.echo("\n".join(f"{name:<20}{value}" for name, value in said.items()))
    return 2 if report.errors or report.mixed_up else 0
