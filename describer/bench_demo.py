"""Visitors at once on a running demo: how long each waits, whether anybody saw another's frame, what memory is left;
and one visitor in a real browser: how long from the drop of a frame until its regions are lit.

Of many at once each visitor is a session of the page's own API with frames of their own, marked in a corner so that
the record that comes back (it names the frame and the hash of its pixels) can be told from everybody else's.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from describer.errors import InputError
from describer.frames import pixels_sha256

_MARK_PX = 24
_DROPPED_WH = (1280, 1024)
_PATIENCE_MS = 120_000
_QUESTION = "Which instruments are in view?"


@dataclass(frozen=True, slots=True)
class VisitorsReport:
    """Waits in seconds for a frame or an answer; memory of the server in MiB, None where its process is not known."""

    visitors: int
    seconds: float
    frames: int
    questions: int
    errors: tuple[str, ...]
    mixed_up: int
    median_wait_s: float | None
    p95_wait_s: float | None
    memory_before_mib: float | None
    memory_peak_mib: float | None
    memory_after_mib: float | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def visit_at_once(
    url: str,
    pictures: Sequence[Path],
    visitors: int = 20,
    seconds: float = 120.0,
    server_pid: int | None = None,
    settle_s: float = 10.0,
) -> VisitorsReport:
    """Let ``visitors`` send frames, and ask of every other one, again and again for ``seconds``.

    Memory is read ``settle_s`` after the first frames have gone through, at its most while they are there, and
    ``settle_s`` after they left. InputError when the page cannot be reached.
    """
    with tempfile.TemporaryDirectory() as folder:
        # The first frame is slower, and memory grows with it once.
        first = _Crowd(url, pictures, Path(folder))
        first.visit(visitors, until_s=0.0, least=2)
        if first.errors:
            raise InputError(f"{url} cannot be visited ({first.errors[0]}); start it with describer demo.")
        time.sleep(settle_s)
        before = _memory_mib(server_pid)
        crowd = _Crowd(url, pictures, Path(folder))
        until_s = time.monotonic() + seconds
        threads = [threading.Thread(target=crowd.visit, args=(i, until_s, 1), daemon=True) for i in range(visitors)]
        for thread in threads:
            thread.start()
        peaks = []
        while any(thread.is_alive() for thread in threads):
            peaks.append(_memory_mib(server_pid))
            time.sleep(0.5)
        time.sleep(settle_s)
    return VisitorsReport(
        visitors,
        seconds,
        crowd.frames,
        crowd.questions,
        tuple(crowd.errors),
        crowd.mixed_up,
        round(statistics.median(crowd.waits_s), 2) if crowd.waits_s else None,
        round(float(np.quantile(crowd.waits_s, 0.95)), 2) if crowd.waits_s else None,
        before,
        max((peak for peak in peaks if peak is not None), default=None),
        _memory_mib(server_pid),
    )


class _Crowd:
    """Visitors and what they met; ``visit`` is one of them, in a thread of its own."""

    def __init__(self, url: str, pictures: Sequence[Path], folder: Path) -> None:
        self._url, self._pictures, self._folder = url, pictures, folder
        self._lock = threading.Lock()
        self.waits_s: list[float] = []
        self.errors: list[str] = []
        self.frames = self.questions = self.mixed_up = 0

    def visit(self, number: int, until_s: float, least: int = 0) -> None:
        """Send one frame after another until the time is over, ``least`` of them at any rate."""
        try:
            from gradio_client import Client

            client = Client(self._url, verbose=False)
            turn = 0
            with contextlib.closing(client):
                while turn < least or time.monotonic() < until_s:
                    self._turn(client, number, turn)
                    turn += 1
        except Exception as error:  # whatever a visitor meets is what is counted here
            with self._lock:
                self.errors.append(f"visitor {number}: {type(error).__name__}: {error}"[:300])

    def _turn(self, client: Any, number: int, turn: int) -> None:
        from gradio_client import handle_file

        path, sha256 = _marked(self._pictures[number % len(self._pictures)], number, turn, self._folder)
        record = self._timed(lambda: client.predict(handle_file(path), api_name="/annotate"))
        own = record["frame"]["sha256"] == sha256 and record["frame"]["source"] == path.name
        asks = turn % 2 == 1
        if asks:
            self._timed(lambda: client.predict(handle_file(path), _QUESTION, api_name="/answer"))
        path.unlink()
        with self._lock:
            self.frames += 1
            self.questions += asks
            self.mixed_up += not own

    def _timed(self, call: Callable[[], Any]) -> Any:
        started_s = time.monotonic()
        answer = call()
        with self._lock:
            self.waits_s.append(time.monotonic() - started_s)
        return answer


def _marked(
    picture: Path, number: int, turn: int, folder: Path, size_wh: tuple[int, int] | None = None
) -> tuple[Path, str]:
    """A copy of the picture that nobody else has, as PNG, and the hash of its pixels."""
    opened = Image.open(picture).convert("RGB")
    image = np.array(opened.resize(size_wh) if size_wh else opened)
    image[:_MARK_PX, :_MARK_PX] = np.random.default_rng((number, turn)).integers(0, 255, 3)
    image[0, 0] = (number % 256, turn % 256, turn // 256 % 256)
    path = folder / f"visitor-{number}-{turn}.png"
    Image.fromarray(image).save(path, compress_level=1)
    return path, pixels_sha256(image)


def seconds_to_first_region(url: str, pictures: Sequence[Path], drops: int) -> list[float]:
    """For each of ``drops`` frames, enlarged to 1280 x 1024 and dropped into the page in headless Chromium one after
    another: seconds until the first region of it is visible.

    The models have been loaded before, and one frame has gone through. The browser is CHROMIUM of the environment, one
    on the path, or playwright's own. InputError when there is none, or the page cannot be reached.
    """
    with tempfile.TemporaryDirectory() as folder, _tab(url) as tab:
        tab.locator(".status.ready").wait_for()
        taken_s = []
        for turn in range(drops + 1):
            frame = _marked(pictures[turn % len(pictures)], 0, turn, Path(folder), _DROPPED_WH)[0]
            before = tab.locator("#frame .frame-holder").get_attribute("data-frame")
            started_s = time.monotonic()
            tab.set_input_files("#frame .drop-zone input", frame)
            tab.locator(f"#frame .frame-holder:not([data-frame='{before or ''}']) .mark").first.wait_for()
            taken_s.append(round(time.monotonic() - started_s, 2))
    return taken_s[1:]


@contextlib.contextmanager
def _tab(url: str) -> Iterator[Any]:
    """The page in a browser."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError as error:
        raise InputError("--drops needs playwright; pip install 'describer[browser]'.") from error
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as started:
        try:
            browser = started.chromium.launch(executable_path=found, args=["--no-sandbox"])
        except Error as error:
            raise InputError("--drops found no Chromium; apt-get install chromium, or set CHROMIUM.") from error
        try:
            tab = browser.new_page(viewport={"width": 1280, "height": 900})
            tab.set_default_timeout(_PATIENCE_MS)
            tab.goto(url)
            yield tab
        except Error as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"{url} did not do what was asked of it ({reason}); start it with describer demo."
            ) from error
        finally:
            browser.close()


def _memory_mib(pid: int | None) -> float | None:
    """Resident memory of a process on Linux; None elsewhere or where it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)
