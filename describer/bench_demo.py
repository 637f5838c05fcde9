"""Visitors at once on a running demo: how long each waits, whether anybody saw another's frame, what memory is left.

Each visitor is a session of the page's own API with frames of their own, marked in a corner so that the record that
comes back (it names the frame and the hash of its pixels) can be told from everybody else's.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from describer.errors import InputError
from describer.frames import pixels_sha256

_MARK_PX = 24
_QUESTION = "Which instruments are in view?"


@dataclass(slots=True)
class VisitorsReport:
    """Waits in seconds; memory of the server in MiB, None where its process is not known."""

    visitors: int
    seconds: float
    frames: int = 0
    questions: int = 0
    errors: list[str] = field(default_factory=list)
    mixed_up: int = 0
    median_wait_s: float = 0.0
    p95_wait_s: float = 0.0
    memory_before_mib: float | None = None
    memory_peak_mib: float | None = None
    memory_after_mib: float | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def visit_at_once(
    url: str,
    pictures: Sequence[Path],
    visitors: int = 20,
    seconds: float = 120.0,
    server_pid: int | None = None,
    settle_s: float = 5.0,
) -> VisitorsReport:
    """Let ``visitors`` send frames, and ask of every other one, again and again for ``seconds``.

    Memory is read after one frame has gone through, at its most while they are there, and ``settle_s`` after they
    left. InputError when the page cannot be reached.
    """
    from gradio_client import Client, handle_file

    report = VisitorsReport(visitors, seconds)
    waits: list[float] = []
    lock = threading.Lock()

    def timed(call: Callable[[], Any]) -> Any:
        started_s = time.monotonic()
        answer = call()
        with lock:
            waits.append(time.monotonic() - started_s)
        return answer

    def visit(number: int, until_s: float, folder: Path) -> None:
        try:
            client = Client(url, verbose=False)
            turn = 0
            while time.monotonic() < until_s:
                path, sha256 = _marked(pictures[number % len(pictures)], number, turn, folder)
                record = timed(lambda: client.predict(handle_file(path), api_name="/annotate"))
                own = record["frame"]["sha256"] == sha256 and record["frame"]["source"] == path.name
                if turn % 2:
                    timed(lambda: client.predict(handle_file(path), _QUESTION, api_name="/answer"))
                with lock:
                    report.frames += 1
                    report.questions += turn % 2
                    report.mixed_up += not own
                turn += 1
                path.unlink()
        except Exception as error:  # whatever a visitor meets is what is counted here
            with lock:
                report.errors.append(f"visitor {number}: {type(error).__name__}: {error}"[:300])

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        visit(visitors, time.monotonic() + 0.1, folder)  # the first frame is slower, and memory grows with it once
        if report.errors:
            raise InputError(f"{url} cannot be visited ({report.errors[0]}); start it with describer demo.")
        report.frames, report.questions = 0, 0
        waits.clear()
        report.memory_before_mib = _memory_mib(server_pid)
        until_s = time.monotonic() + seconds
        threads = [threading.Thread(target=visit, args=(i, until_s, folder), daemon=True) for i in range(visitors)]
        for thread in threads:
            thread.start()
        peaks = []
        while any(thread.is_alive() for thread in threads):
            peaks.append(_memory_mib(server_pid))
            time.sleep(0.5)
        time.sleep(settle_s)
        known = [peak for peak in peaks if peak is not None]
        report.memory_peak_mib = max(known, default=None)
        report.memory_after_mib = _memory_mib(server_pid)
    if waits:
        report.median_wait_s = round(statistics.median(waits), 2)
        report.p95_wait_s = round(float(np.quantile(waits, 0.95)), 2)
    return report


def _marked(picture: Path, number: int, turn: int, folder: Path) -> tuple[Path, str]:
    """A copy of the picture that nobody else has, as PNG, and the hash of its pixels."""
    image = np.array(Image.open(picture).convert("RGB"))
    image[:_MARK_PX, :_MARK_PX] = np.random.default_rng((number, turn)).integers(0, 255, 3)
    image[0, 0] = (number % 256, turn % 256, turn // 256 % 256)
    path = folder / f"visitor-{number}-{turn}.png"
    Image.fromarray(image).save(path, compress_level=1)
    return path, pixels_sha256(image)


def _memory_mib(pid: int | None) -> float | None:
    """Resident memory of a process on Linux; None elsewhere or where it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)
