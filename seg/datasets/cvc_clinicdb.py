"""CVC-ClinicDB: 612 colonoscopy frames of 29 sequences with polyp masks (Bernal et al., CMIG 2015).

ROOT/{Original,Ground Truth}/N.tif, or with PNG/ in between as some mirrors have it; N counts from 1. The files do not
name their sequence: the frame numbers at which sequences end are those that public split tables agree on.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from describer.pictures import read_image
from describer.seg.datasets.dataset import Dataset, Item, Listed, Problem
from describer.seg.datasets.files import below, by_key, paired, pictures
from describer.seg.datasets.kvasir_seg import polyp_codes

_LAST_OF_SEQUENCE = (
    *(25, 50, 67, 78, 103, 126, 151, 177, 199, 205, 227, 252, 277, 297, 317),
    *(342, 363, 383, 408, 428, 447, 466, 478, 503, 528, 546, 571, 591, 612),
)


def read(root: Path) -> Iterator[Listed]:
    base = root / "PNG" if (root / "PNG" / "Original").is_dir() else root
    images = sorted(pictures(base / "Original"), key=lambda path: (len(path.stem), path.stem))
    for pair in paired(root, by_key(images), by_key(pictures(base / "Ground Truth"))):
        if isinstance(pair, Problem):
            yield pair
            continue
        image, mask = pair
        name = below(image, root)
        group = sequence_of(image.stem)
        if group is None:
            yield Problem(name, "its name is no frame number from 1 to 612", "name it as the dataset does")
        else:
            yield Item(name, group, partial(read_image, image), codes=partial(polyp_codes, mask))


def sequence_of(stem: str) -> str | None:
    """The sequence of a frame number, None where there is none."""
    number = int(stem) if stem.isdecimal() else 0
    if not 1 <= number <= _LAST_OF_SEQUENCE[-1]:
        return None
    return f"sequence {bisect_left(_LAST_OF_SEQUENCE, number) + 1}"


DATASET = Dataset(
    name="cvc-clinicdb",
    title="CVC-ClinicDB: polyps in colonoscopy",
    layout="Original/N.tif and Ground Truth/N.tif, or both below PNG/",
    marks=("Original/* | PNG/Original/*", "Ground Truth/* | PNG/Ground Truth/*"),
    taxonomy="cvc-clinicdb",
    read=read,
    grouping="29 sequences by frame number, from public split tables, not from the files themselves",
)
