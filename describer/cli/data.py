"""`describer data`: what datasets can be read, what is in a folder, and chats to tune a language model on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from describer.seg.datasets.check import Report

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Datasets that the scene model can be trained on.")

_UNUSABLE, _SOME_UNUSABLE = 2, 3
_MOST_GROUPS = 8


@app.callback()
def data() -> None:
    """Datasets that the scene model can be trained on."""


@app.command("list")
def list_datasets(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Every dataset that can be read: its layout, classes and licence, where that is known.

    \b
      describer data list
      describer data list --json
    """
    from describer.cli.questions import entries as question_entries
    from describer.seg.datasets.catalogue import DATASETS
    from describer.taxonomy import load_taxonomy

    entries = []
    for dataset in DATASETS:
        entry = {"name": dataset.name, "title": dataset.title, "layout": dataset.layout, "grouping": dataset.grouping}
        if isinstance(dataset.taxonomy, str):
            entry["classes"] = ", ".join(load_taxonomy(dataset.taxonomy).names)
        else:
            entry["classes"] = "what the folder says"
        entries.append(entry | {"licence": dataset.licence or "not known to us", "notes": dataset.notes})
    entries += question_entries()
    if as_json:
        typer.echo(json.dumps(entries, indent=2))
        return
    for entry in entries:
        typer.echo(f"{entry['name']}: {entry['title']}")
        for key in ("layout", "classes", "grouping", "licence", "notes"):
            if entry[key]:
                typer.echo(f"    {key:<9} {entry[key]}")


@app.command("build")
def build(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Folders of annotations, of synth, of data list or of questions; JSONL of questions or captions.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the chats and their pictures.")],
    prompt: Annotated[
        str, typer.Option(help="What a chat shows, as annotate's --prompt: none, or of facts,overlay,crop,box,looks.")
    ] = "facts,crop",
    scene_model: Annotated[
        str, typer.Option(help="Whose predictions are mixed in: 'embedded' or a folder.")
    ] = "embedded",
    predicted_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of frames with predicted masks in place of true ones.")
    ] = 0.5,
    val_share: Annotated[float, typer.Option(min=0, max=1, help="Share of videos that are held out.")] = 0.1,
    regions: Annotated[int, typer.Option(min=0, help="Most regions of a frame that are asked of.")] = 6,
    questions: Annotated[int, typer.Option(min=0, help="Questions on a frame's scene.")] = 4,
    limit: Annotated[int | None, typer.Option(min=1, help="Most frames of each source.")] = None,
    images: Annotated[str, typer.Option(help="png keeps every pixel; jpeg takes a fifth of the space.")] = "png",
    seen: Annotated[
        list[str] | None, typer.Option(metavar="VIDEO", help="A video that the scene model trained on; repeat.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Split, mix and choice of questions.")] = 0,
    device: Annotated[str, typer.Option(help="Of the scene model: auto, cpu, cuda or cuda:N.")] = "auto",
) -> None:
    """Turn labelled frames into chats that a language model is tuned on, split by video.

    \b
      describer data build my-frames corrected-annotations -o my-data
      describer data build scenes CholecT50 my-questions.jsonl --predicted-share 0.7 -o my-data
      describer data build endovis18_vqa=EndoVis18 --prompt facts -o my-data

    OUT gets train.jsonl and val.jsonl (messages, for TRL and transformers), llava_train.json and llava_val.json, the
    pictures, and a README with counts. Then: describer train vlm --data OUT. Killed, the same command goes on.
    """
    from describer.instruction_data import DataBuild, build_data
    from describer.vlm.quiet import quiet

    options = DataBuild(
        sources=tuple(sources),
        prompt=prompt,
        scene_model=scene_model,
        predicted_share=predicted_share,
        val_share=val_share,
        regions=regions,
        questions=questions,
        limit=limit,
        images=images,
        seen=tuple(seen or ()),
        seed=seed,
        device=device,
    )
    with quiet():
        made = build_data(options, out, lambda text: typer.echo(text, err=True))
    for split, videos in made["videos"].items():
        chats = sum(count["chats"] for count in made["counts"] if count["split"] == split)
        typer.echo(f"{split}: {chats} chats of {len(videos)} videos", err=True)
    typer.echo(str(out))


@app.command("check")
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that the dataset was unpacked into.")],
    name: Annotated[str | None, typer.Option(help="Dataset, where the layout does not tell; see data list.")] = None,
    taxonomy: Annotated[
        str | None, typer.Option(metavar="YAML", help="Label set or file in place of the dataset's own.")
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Open every Nth frame only; names are all looked at.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a folder holds, what is missing, which class codes its masks have, and how to mend it.

    \b
      describer data check CholecSeg8k
      describer data check CholecT50 --every 100 --json
      describer data check MTLESD --name mtlesd-reference

    \b
    Exit codes: 0 all is well; 2 a training could not use it; 3 it can, but some frames are left out.
    """
    from tqdm import tqdm

    from describer.cli.questions import check_questions, holds_questions, lines
    from describer.seg.datasets.check import check as examine

    if holds_questions(folder, name):
        asked = check_questions(folder, name)
        typer.echo(json.dumps(asked, indent=2) if as_json else "\n".join(lines(asked)))
        return

    with tqdm(unit="frame", desc="check", disable=None, dynamic_ncols=True, leave=False) as bar:
        report = examine(folder, name, taxonomy, every, progress=bar.update)
    typer.echo(json.dumps(report.to_dict(), indent=2) if as_json else "\n".join(_lines(report)))
    if not report.usable:
        raise typer.Exit(_UNUSABLE)
    if report.faults:
        raise typer.Exit(_SOME_UNUSABLE)


def _lines(report: Report) -> list[str]:
    sampled = "" if report.every == 1 else f", one in {report.every} opened: {report.examined}"
    lines = [
        f"{report.root} is {report.dataset}: {report.title}",
        f"{report.frames} frames{sampled}; labels of taxonomy {report.taxonomy}; licence "
        f"{report.licence or 'not known to us'}",
        f"groups: {report.grouping}",
    ]
    lines += [f"  {split:<6}{_groups(report.splits.get(split, {}))}" for split in ("train", "val", "test")]
    if report.codes:
        lines += ["", f"mask values in {report.examined - report.unusable} frames:"]
        lines += [
            f"  {code.code:>5}  {code.share:>8.3%}  {code.frames:>6} frames  {code.name or 'UNKNOWN'}"
            for code in report.codes
        ]
    for title, counts in (
        ("activities", report.activities),
        ("phases", report.phases),
        ("instruments", report.instruments),
        ("depth maps", {"frames": report.with_depth} if report.with_depth else {}),
    ):
        if counts:
            lines.append(f"{title}: " + ", ".join(f"{word} {count}" for word, count in counts.items()))
    return [*lines, *_troubles(report)]


def _groups(groups: dict[str, int]) -> str:
    """Frames and groups of one split; the groups by name unless each is a frame of its own."""
    many = f"{sum(groups.values()):>7} frames in {len(groups)} group{'s' * (len(groups) != 1)}"
    if not groups or (len(groups) > 1 and set(groups.values()) == {1}):
        return many
    named = ", ".join(f"{group} {count}" for group, count in list(groups.items())[:_MOST_GROUPS])
    return f"{many}: {named}" + (f" and {len(groups) - _MOST_GROUPS} more" if len(groups) > _MOST_GROUPS else "")


def _troubles(report: Report) -> list[str]:
    lines = [""]
    if report.unknown:
        values = ", ".join(code.code for code in report.unknown)
        lines.append(
            f"UNKNOWN mask values {values}: copy describer/taxonomies/{report.taxonomy}.yaml, name them there or list "
            "them under ignore_codes, and give that file with --taxonomy."
        )
    for fault in report.faults:
        examples = ", ".join(fault.examples) + (" ..." if fault.count > len(fault.examples) else "")
        lines.append(f"{fault.count} x {fault.what} ({examples}): {fault.mend}.")
    if report.notes:
        lines.append(f"note: {report.notes}")
    held = [split for split in ("val", "test") if split in report.splits]
    if report.frames and not held:
        lines.append("nothing can be held out, there is one group only: put each operation's frames in a folder.")
    verdict = "it can be trained on" if report.usable else "it cannot be trained on as it is"
    return [*lines, f"{verdict}."]
