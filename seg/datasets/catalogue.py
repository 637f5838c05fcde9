"""Every dataset that can be read. A new one is a module with a `Dataset`, its taxonomy, its test and a line here."""

from __future__ import annotations

from pathlib import Path

from describer.errors import InputError
from describer.seg.datasets import (
    autolaparo,
    cholecseg8k,
    cholect50,
    corrected,
    cvc_clinicdb,
    dsad,
    endoscapes,
    endovis15,
    endovis17,
    endovis18,
    kvasir_seg,
    labelled,
    mtl,
    pasted,
    sar_rarp50,
    scared,
    synth,
)
from describer.seg.datasets.dataset import Dataset

# The first whose layout fits is taken: the project's own folders first, and the twelve activities before the three.
DATASETS: tuple[Dataset, ...] = (
    synth.DATASET,
    pasted.DATASET,
    labelled.DATASET,
    corrected.DATASET,
    mtl.MTLENDOVIS,
    mtl.MTLESD,
    mtl.MTLENDOVIS_GEN,
    mtl.MTLESD_REFERENCE,
    endovis15.DATASET,
    endovis17.DATASET,
    endovis18.SCENES,
    endovis18.TYPES,
    cholecseg8k.DATASET,
    cholect50.DATASET,
    endoscapes.DATASET,
    kvasir_seg.DATASET,
    cvc_clinicdb.DATASET,
    dsad.DATASET,
    autolaparo.DATASET,
    sar_rarp50.DATASET,
    scared.DATASET,
)


def named(name: str) -> Dataset:
    """The dataset of that name; InputError lists the known ones."""
    for dataset in DATASETS:
        if dataset.name == name:
            return dataset
    known = ", ".join(dataset.name for dataset in DATASETS)
    raise InputError(f"dataset {name!r} is unknown; use one of {known}.")


def find(root: Path, name: str | None = None) -> Dataset:
    """The dataset that lies in a folder, told by its layout unless it is named.

    InputError when there is no such folder, or when its layout is none that is known, with the nearest one.
    """
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; give the folder that the dataset was unpacked into.")
    if name is not None:
        return named(name)
    for dataset in DATASETS:
        if dataset.recognise(root):
            return dataset
    raise InputError(_unrecognised(root))


def _unrecognised(root: Path) -> str:
    known = ", ".join(dataset.name for dataset in DATASETS)
    nearest = min(DATASETS, key=lambda dataset: len(dataset.missing_marks(root)) / len(dataset.marks))
    missing = nearest.missing_marks(root)
    near = ""
    if len(missing) < len(nearest.marks):
        near = f"; the nearest is {nearest.name} ({nearest.layout}), of which {' and '.join(missing)} is missing"
    return f"{root} has none of the layouts that are known ({known}){near}; see describer data list."
