"""`describer annotate`: folder, pattern, picture or video to one JSON record a frame."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from describer.annotate import RunSummary

EXIT_ALL_FAILED = 2
EXIT_SOME_FAILED = 3


def annotate(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SRC", help="Folder (searched recursively), picture, video, or quoted pattern like 'a/*.png'."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for annotations.jsonl, overlays and summary.")],
    fps: Annotated[float | None, typer.Option(help="Frames a second to take from videos; default all.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Frames that go through the models together.")] = 8,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after this many frames.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Throw away what OUT holds of an earlier run.")
    ] = False,
    overlays: Annotated[bool, typer.Option(help="Draw a picture with outlines and legend for each frame.")] = True,
    track: Annotated[
        bool, typer.Option("--track", help="Follow regions through videos and ordered frames; smooth activities.")
    ] = False,
    depth: Annotated[bool, typer.Option("--depth", help="Save a depth map for each frame, 16-bit PNG.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    scene_model: Annotated[
        str, typer.Option(help="'embedded', or a folder made by describer train scene.")
    ] = "embedded",
    vlm: Annotated[
        str, typer.Option(help="'embedded', 'echo', 'openai' (see --base-url), a local folder, or a hub id.")
    ] = "embedded",
    adapter: Annotated[str | None, typer.Option(help="LoRA adapter of --vlm: folder or hub id.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    prompt: Annotated[
        str | None, typer.Option(help="What the language model is shown: none, or of facts,overlay,crop,box,looks.")
    ] = None,
    quantize: Annotated[str | None, typer.Option(help="4bit or 8bit weights of --vlm, on CUDA.")] = None,
    guard: Annotated[
        str, typer.Option(help="What to do with words that the scene refutes: off, flag or strict.")
    ] = "strict",
    base_url: Annotated[
        str | None,
        typer.Option(help="Of --vlm openai: any OpenAI-compatible server, as http://127.0.0.1:8000/v1."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="The server's model; default its only one.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests to the server under way at once.")] = 8,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds one answer of the server may take.")] = 120.0,
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for a server that is away or busy before stopping.")
    ] = 300.0,
    picture_side: Annotated[int, typer.Option(min=16, help="Longest side of pictures sent to the server, px.")] = 1024,
    picture_kib: Annotated[int, typer.Option(min=8, help="Most KiB of a picture sent to the server.")] = 4096,
) -> int:
    """Annotate every frame of SRC, one JSON record a frame.

    \b
      describer annotate frames/ -o results
      describer annotate 'op1/*.png' -o results --limit 100 --json
      describer annotate operation.mp4 --fps 1 --track -o results

    OUT gets annotations.jsonl (one record a frame, in order), overlays/ (the frame with outlines, numbers
    and a legend below it) and summary.json. A frame that cannot be read becomes an error record and the run
    goes on. Killed or interrupted, the same command goes on where it stopped. With --track a region keeps
    its track_id from frame to frame of its video or folder, and the activity is smoothed over about three
    seconds (the frame's own stays in "raw"). With --depth OUT gets depth/, named in each record: 16-bit grey
    PNG of the frame's size, relative depth = value / 65535 * 100, larger is farther, 0 is outside of the view.

    With --vlm openai the language model is behind --base-url (vLLM, SGLang, Ollama, transformers serve); its key
    is read from OPENAI_API_KEY. A server that goes away is waited for; a request that keeps failing becomes an
    error record of its frame, tried again by the next run. Confidences are null where it sends no logprobs.

    With --guard strict things that the scene lacks are kept out of the texts, and places, counts and contacts that
    its masks refute are said otherwise, where the model can: see "withheld" of a description; what is still refuted
    is in "flags". A server is asked again, twice at most. flag changes no text; off checks nothing.

    \b
    Exit codes: 0 every frame has its record; 2 nothing could be done;
    3 some frames failed (their records say why); 130 interrupted.
    """
    from tqdm import tqdm

    from describer.annotate import run
    from describer.errors import InputError
    from describer.frames import count_frames, iter_frames

    if base_url is None and model is not None:
        raise InputError("--model names a model of a server; give --vlm openai and --base-url too, or leave it out.")
    # A wrong path is told before the models load.
    iter_frames(source, fps=fps, limit=limit)
    total = count_frames(source, fps=fps, limit=limit)
    from describer.pipeline import Describer
    from describer.vlm import ServerOptions

    server = (
        ServerOptions(base_url, model, concurrency, timeout, patience, picture_side, picture_kib) if base_url else None
    )
    describer = Describer(
        scene_model, vlm, adapter, device, prompt, quantize=quantize, depth=depth, server=server, guard=guard
    )
    with tqdm(total=total, unit="frame", desc="annotate", disable=None, dynamic_ncols=True) as bar:
        summary = run(
            describer,
            source,
            out,
            batch_size=batch_size,
            fps=fps,
            limit=limit,
            overwrite=overwrite,
            overlays=overlays,
            track=track,
            progress=bar.update,
        )
    typer.echo(json.dumps(summary.to_dict(), indent=2) if as_json else table(summary))
    if summary.failures == 0:
        return 0
    return EXIT_SOME_FAILED if summary.truth["frames"] else EXIT_ALL_FAILED


def table(summary: RunSummary) -> str:
    """The summary for people: a name and a value a line."""
    truth = summary.truth
    rows = [
        ("frames", f"{summary.frames} ({summary.skipped} already done)" if summary.skipped else summary.frames),
        ("failures", summary.failures),
        ("regions", truth["regions"]),
        ("hallucination rate", _rate(truth, "hallucination", "words that name a thing")),
        ("omission rate", _rate(truth, "omission", "regions")),
        ("time", f"{summary.seconds:.1f} s ({summary.frames_per_s:.2f} frames/s)"),
        ("records", f"{summary.out_dir}/annotations.jsonl"),
    ]
    return "\n".join(f"{name:<20}{value}" for name, value in rows)


def _rate(truth: Mapping[str, Any], name: str, of: str) -> str:
    return f"{truth[f'{name}_rate']:.3f} ({truth[f'{name}_count']} of {truth[f'{name}_of']} {of})"
