"""Model cards, written from a run's own numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from describer import __version__

_USE = "For research and annotation, not for clinical decisions."


def _number(value: Any) -> str:
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def _again(recipe: str) -> list[str]:
    return ["## Make it again", "", f"    {recipe}", "", "## Scores", ""]


_COLUMNS = {
    "n": "n",
    "miou": "mIoU",
    "instrument_iou": "instrument IoU",
    **{
        key: title
        for name in ("activity", "phase", "instrument", "verb", "target")
        for key, title in ((f"{name}_accuracy", f"{name} accuracy"), (f"{name}_n", "n"))
    },
    "depth_abs_rel": "depth AbsRel (median scaled)",
    "depth_n": "n",
}


_BOX_COLUMNS = {"n_objects": "true boxes", "ap": "AP", "ap50": "AP50", "ap75": "AP75"}


def _score_table(scores: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Rows by split, columns that any split has a score for."""
    shown = [key for key in _COLUMNS if any(s.get(key) for s in scores.values())]
    return [
        "| split | " + " | ".join(_COLUMNS[key] for key in shown) + " |",
        "|---" * (len(shown) + 1) + "|",
        *(f"| {name} | " + " | ".join(_number(s.get(key)) for key in shown) + " |" for name, s in scores.items()),
    ]


def _box_table(scores: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Rows by split and by what its frames tell apart, as `detection.box_scores` gives them; nothing without boxes."""
    rows = [
        f"| {name}: {what} | {s['boxes']['n']} | " + " | ".join(_number(found[key]) for key in _BOX_COLUMNS) + " |"
        for name, s in scores.items()
        for what, found in s.get("boxes", {}).items()
        if isinstance(found, Mapping)
    ]
    if not rows:
        return []
    heads = ("boxes of instances (COCO)", "n", *_BOX_COLUMNS.values())
    return ["", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *rows]


def trained_card(
    words: Mapping[str, Any],
    scores: Mapping[str, Mapping[str, Any]],
    frames: Mapping[str, Mapping[str, int]],
    again: str,
) -> str:
    """The card of a scene model that a user trained: ``words`` are its configuration's fields, ``frames`` how many of
    each folder and split it saw, ``again`` the command that makes it once more."""
    data = [f"| {root} | {split} | {n} |" for root, splits in frames.items() for split, n in splits.items()]
    adapter = "no adapter" if words["adapter"] == "none" else f"a {words['adapter']} adapter on a frozen backbone"
    held_out = (
        _score_table(scores)
        if scores
        else ["No held-out frames: all came from one video or patient, so nothing could be measured honestly."]
    )
    return "\n".join(
        [
            "# A describer scene model",
            "",
            f"Segmentation, activity and depth of endoscopic frames (describer {__version__}). {_USE}",
            "",
            f"Classes ({words['taxonomy']}): {', '.join(words['class_names'])}. Input "
            f"{words['input_hw'][0]} x {words['input_hw'][1]} (H x W), {adapter}. If it started from the embedded "
            "model, that model's licence (research only) holds for these weights too.",
            "",
            "## Data",
            "",
            "| folder | split | frames |",
            "|---|---|---|",
            *data,
            "",
            *_again(again),
            *held_out,
            "",
            "Splits go by video or patient, never by frame; the model kept is the one that was best on a val split, so "
            "that split's score is a little flattered. The test split was not looked at while training.",
            "",
        ]
    )


def _triplet_table(scores: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """AP of instruments, verbs, targets and their combinations, of the splits that know them."""
    found = {name: s["triplets"] for name, s in scores.items() if s.get("triplets")}
    if not found:
        return []
    parts = {"i": "instrument", "v": "verb", "t": "target", "iv": "with verb", "it": "with target", "ivt": "triplet"}
    return [
        "",
        "| recognition AP, by the regions it finds | frames | triplets | " + " | ".join(parts.values()) + " |",
        "|---" * (len(parts) + 3) + "|",
        *(
            f"| {name} | {t['n_frames']} | {t['n_triplets']} | " + " | ".join(_number(t["ap"][k]) for k in parts) + " |"
            for name, t in found.items()
        ),
    ]


def _looks_table(scores: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """How well each word on looks is told, of the splits that know them."""
    rows = [
        f"| {name}: {word} | {s['n']} | {_number(s['accuracy'])} | {_number(s['macro_f1'])} |"
        for name, split in scores.items()
        for word, s in split.get("looks", {}).items()
    ]
    return ["", "| looks | n | accuracy | macro-F1 |", "|---" * 4 + "|", *rows] if rows else []


def scene_card(scores: Mapping[str, Mapping[str, Any]], recipe: str, data: str, licence: str) -> str:
    """The scene model's card: ``scores`` by split as `evaluate_scene` gives them, markdown out."""
    rendered = scores["rendered, held out"]["iou"]
    classes = [f"| {name} | {_number(value)} |" for name, value in rendered.items()]
    polyps = [
        f"Polyp IoU on {name}: {_number(s['iou']['polyp'])} (n = {s['n']})."
        for name, s in scores.items()
        if s["iou"].get("polyp") is not None and not name.startswith("rendered")
    ]
    return "\n".join(
        [
            "---",
            f"license: {licence.split(' ', maxsplit=1)[0].lower()}",
            "---",
            "# describer embedded scene model",
            "",
            f"Segmentation, activity and depth of endoscopic frames (describer {__version__}). {_USE}",
            "",
            "A DINOv2 layout trained from scratch (192 wide, 8 blocks, patch 14) with a multi-scale attention stem, "
            "four feature levels on the true token grid joined with a convolutional pyramid on the image, heads for "
            "22 classes, 13 activities, relative depth, what each instrument is, does and does it to, and looks.",
            "",
            "## Data and licence",
            "",
            data,
            f"Licence of these weights: {licence}.",
            "",
            *_again(recipe),
            "Predictions at the labels' size, every instrument of one class throughout as in users' scenes, "
            "one confusion matrix pooled over the split; mIoU over the classes that the split labels. Instrument "
            "IoU: all instruments as one class.",
            "",
            *_score_table(scores),
            *_box_table(scores),
            *_triplet_table(scores),
            *_looks_table(scores),
            "",
            *polyps,
            "",
            "| class, rendered held-out scenes | IoU |",
            "|---|---|",
            *classes,
            "",
            "## What fails",
            "",
            "- Instrument types on real frames are often wrong: they were learned from rendered tips and a handful "
            "of labelled real frames. Where an instrument is, is far better known than which one it is.",
            "- Tissues that the core set lacks (uterus, kidney, eye) are called by the nearest name it has.",
            "- Activity, and what instruments do, was learned from one real cholecystectomy and is not to be relied on "
            "elsewhere. Phases are not told: learned from that one operation they were right less often than the "
            "commonest phase is.",
            "- Depth is relative and only ever saw rendered scenes. So did looks: colours and glare are measured in "
            "the picture, but smoke, blood, charring, blur, dirt and jaws on real frames are guesses by analogy.",
            "",
        ]
    )


def language_card(runs: Mapping[str, Mapping[str, Any]], recipe: str, licence: str) -> str:
    """The language model's card from the scores of several runs, by name, on the same frames."""
    rows = []
    for name, s in runs.items():
        looks = s["appearance"]
        cells = [
            s["n_frames"],
            s["n_texts"],
            s["entity"].f1,
            s["hallucination_rate"],
            s["omission_rate"],
            s["contradiction_rate"],
            s["entity_true_scene"].f1,
            s["exact_share"],
            *(f"{looks[key].accuracy:.3f} / {looks[key].macro_f1:.3f}" for key in sorted(looks)),
        ]
        rows.append(f"| {name} | " + " | ".join(_number(c) for c in cells) + " |")
    looks_names = sorted(next(iter(runs.values()))["appearance"])
    head = ["", "frames", "texts", "entity F1", "hallucination", "omission", "contradiction"]
    head += ["entity F1, true scene", "exact", *looks_names]
    return "\n".join(
        [
            "# describer embedded vision-language model",
            "",
            f"Sentences for regions and scenes, short answers to questions (describer {__version__}). {_USE}",
            "",
            "LLaVA layout: the scene model's backbone at 112 px, a 4-block decoder of width 256 with a byte-level "
            "vocabulary of its own, and a LoRA adapter in peft's format. Base: trained on frames with true scenes. "
            "Adapter: tuned on rendered frames with the scene model's predictions.",
            "",
            f"Licence of these weights: {licence}.",
            "",
            *_again(recipe),
            "Held-out rendered frames with predicted masks. Entity F1, hallucination, omission and contradiction "
            "are against the scene the model was given; appearance columns are accuracy / macro-F1 of the words for "
            "how a region looks, against what was rendered. The black control shows what is guessed rather than seen; "
            "where most regions look alike (no cover, no glare, sharp) only macro-F1 can tell the two apart.",
            "",
            "| " + " | ".join(head) + " |",
            "|" + "---|" * len(head),
            *rows,
            "",
            "## What fails",
            "",
            "- It knows only the words of the core taxonomy and the sentences of its renderer.",
            "- How real tissue looks (colour above all) is judged by what rendered tissue looked like.",
            "- Questions outside of what it was taught get an answer of the same few kinds, often wrong.",
            "",
        ]
    )


def adapter_card(recipe: Mapping[str, Any], build: Mapping[str, Any]) -> str:
    """The card of an adapter that `describer train vlm --data` made, from its recipe and its data's build.json."""
    scores, options = recipe["scores"], recipe["options"]
    names = [name for name in scores["base + adapter"] if name != "n"]
    kind = "QLoRA" if options["quantize"] else "LoRA"
    rows = [
        f"| {run} | " + " | ".join(_number(scores[run].get(name)) for name in names) + " |"
        for run in ("base", "base + adapter")
    ]
    table = ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|", *rows] if names else []
    held = f"On {scores['n']} held-out chats of videos that were not trained on:" if names else "Nothing was held out."
    return "\n".join(
        [
            f"# {kind} adapter of {recipe['base']}",
            "",
            f"Made by describer {recipe['versions']['describer']}. {_USE}",
            "",
            held,
            "",
            *table,
            "",
            f"Rank {options['rank']}, alpha {options['alpha']}, layers: {options['targets']}; "
            f"{recipe['run']['steps']} steps of {options['batch_size']} chats, learning rate {options['lr']:g}, "
            f"{recipe['run']['seconds'] / 60:.1f} minutes on {recipe['run']['device']}. Everything else is in "
            "recipe.json; the prompts are in prompt_options.json and templates.json, the label set in taxonomy.yaml.",
            "",
            *_data_lines(build),
            "",
        ]
    )


def data_card(build: Mapping[str, Any]) -> str:
    """The card of a folder of instruction data, from its build.json."""
    options, totals = build["options"], {split: len(videos) for split, videos in build["videos"].items()}
    rows = [f"| {c['split']} | {c['source']} | {c['kind']} | {c['masks']} | {c['chats']} |" for c in build["counts"]]
    chats = {split: sum(c["chats"] for c in build["counts"] if c["split"] == split) for split in totals}
    predicted = build["scene_model"] or "none"
    return "\n".join(
        [
            "# Instruction data",
            "",
            f"Made by describer {build['version']} with `--prompt {options['prompt']} --predicted-share "
            f"{options['predicted_share']:g} --seed {options['seed']}`. {_USE}",
            "",
            "train.jsonl and val.jsonl: one chat a line, `messages` as TRL and transformers read them, pictures by "
            "path from this folder. llava_train.json and llava_val.json: the same for LLaVA's trainers.",
            "",
            f"{chats['train']} chats of {totals['train']} videos to train on, {chats['val']} of {totals['val']} held "
            "out; no video is on both sides. Masks are the source's (true) or those of the scene model (predicted: "
            f'{predicted}), on frames that it did not train on; "none" has no facts.',
            "",
            *_data_lines(build),
            "",
            "| split | source | kind | masks | chats |",
            "|---|---|---|---|---|",
            *rows,
            "",
            "Held-out videos: " + (", ".join(map(str, build["videos"]["val"][:50])) or "none") + ".",
            f"Left out: {build['left_out']['frames']} frames that cannot be used, "
            f"{len(build['left_out']['videos'])} videos of official test splits.",
            "",
        ]
    )


def _data_lines(build: Mapping[str, Any]) -> list[str]:
    """A line a source, with its licence where that is known."""
    return [f"- data: {s['name']} ({s['kind']}), licence {s['licence'] or 'not known to us'}" for s in build["sources"]]
