"""The batch runner: frames in, one record a frame out, resumable after any kill.

A reader thread decodes ahead, another finds the scenes of the next batch while the language model speaks of this one
in the caller's thread, a few threads draw pictures; every queue between them is bounded, so memory does not grow with
the number of frames.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import cv2

from describer.depths import encode_depth, resize_depth
from describer.errors import DescriberError, InputError, OutputError, ServerError
from describer.frames import iter_frames
from describer.overlay import draw_overlay
from describer.records import Record, read_records
from describer.results import ResultsFolder
from describer.taxonomy import Taxonomy
from describer.tracked import DescribesScenes, TrackedDescriber
from describer.types import Annotation, Failure, Frame, Scene

T = TypeVar("T")
Item = Frame | Failure

# Frames that go through the models together: what the guard has decoded again costs a batch as much as a frame.
BATCH = 8
_BATCHES_AHEAD = 1
_DRAWING_THREADS = 2
_JPEG_QUALITY = 92


class AnnotatesFrames(Protocol):
    """What the runner needs of a Describer."""

    @property
    def taxonomy(self) -> Taxonomy: ...

    def settings(self) -> dict[str, Any]: ...

    def annotate_frames(self, frames: Sequence[Frame], scenes: Sequence[Scene] | None = None) -> list[Annotation]: ...


@dataclass(frozen=True, slots=True)
class RunSummary:
    """``frames`` seen = ``skipped`` (done by an earlier run) + made by this one; ``failures`` and the rates
    are over the whole folder. ``truth`` is describer.eval.truth.run_summary."""

    out_dir: str
    frames: int
    skipped: int
    failures: int
    seconds: float
    frames_per_s: float
    truth: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A batch and the scenes of its frames; None where they are not needed or could not be found."""

    items: list[Item]
    scenes: list[Scene] | None


@dataclass(frozen=True, slots=True)
class _Finished:
    """A batch whose records wait for their pictures to be on disk."""

    records: list[Record]
    drawings: list[Future[None]]
    size: int


def run(
    describer: DescribesScenes,
    source: str,
    out_dir: str | Path,
    *,
    batch_size: int = BATCH,
    fps: float | None = None,
    limit: int | None = None,
    overwrite: bool = False,
    overlays: bool = True,
    track: bool = False,
    progress: Callable[[int], object] | None = None,
) -> RunSummary:
    """Annotate every frame of ``source`` (see ``iter_frames``) into ``out_dir`` (see ``ResultsFolder``).

    Run again with the same arguments it goes on where it stopped, and ends with the same records as an
    unbroken run: batches are cut by a frame's position, and a batch that was partly done is computed whole.
    A frame that cannot be read or described becomes an error record. ``track`` follows regions through each video
    and each folder and smooths activities (see describer.tracking); a frame made anew has all later ones of its
    sequence made anew, because they follow from it. ``progress`` is called with the number
    of frames just finished. Raises InputError (nothing to read) and OutputError (cannot write here).
    """
    if batch_size < 1:
        raise InputError(f"--batch-size must be at least 1, got {batch_size}.")
    started = time.monotonic()
    items = iter_frames(source, fps=fps, limit=limit)
    tracked = TrackedDescriber(describer) if track else None
    annotator: AnnotatesFrames = tracked or describer
    made_with = {"source": str(Path(source).expanduser().absolute()), "fps": fps, **annotator.settings()}
    with ResultsFolder(out_dir, made_with, overwrite) as results:
        job = _Job(annotator, tracked, results, progress or (lambda _: None), overlays)
        with (
            contextlib.closing(ahead(_batches(items, batch_size), _BATCHES_AHEAD)) as batches,
            contextlib.closing(ahead(_seen(batches, describer, results), 1)) as seen,
        ):
            job.consume(seen)
        results.settle()
        seconds = time.monotonic() - started
        summary = _summarise(results, job, seconds)
        results.write_summary(summary.to_dict())
    return summary


class _Job:
    """One run's counters and its step from a batch of frames to records on disk."""

    def __init__(
        self,
        describer: AnnotatesFrames,
        tracked: TrackedDescriber | None,
        results: ResultsFolder,
        progress: Callable[[int], object],
        overlays: bool,
    ) -> None:
        self.describer = describer
        self.tracked = tracked
        self.results = results
        self.progress = progress
        self.overlays = overlays
        self.frames = 0
        self.skipped = 0

    def consume(self, batches: Iterable[_Seen]) -> None:
        """Pictures of one batch are drawn while the model works on the next; then its records are written."""
        waiting: _Finished | None = None
        with ThreadPoolExecutor(_DRAWING_THREADS, thread_name_prefix="drawing") as pool:
            try:
                for batch in batches:
                    finished = self._batch(batch, pool)
                    # Out of `waiting` before it is written: a write that fails must not be tried twice.
                    before, waiting = waiting, finished
                    self._write(before)
            except OutputError:
                raise
            except BaseException:
                # Ctrl-C or a reader's error: what is done stays done.
                self._write(waiting)
                raise
            self._write(waiting)

    def _batch(self, seen: _Seen, pool: ThreadPoolExecutor) -> _Finished:
        batch = seen.items
        missing = self._missing(batch)
        self.frames += len(batch)
        self.skipped += len(batch) - sum(missing)
        if not any(missing):
            self._saw(batch)
            return _Finished([], [], len(batch))
        frames = [item for item in batch if isinstance(item, Frame)]
        described = iter(describe_batch(self.describer, frames, seen.scenes))
        drawings, records = [], []
        for item, wanted in zip(batch, missing):
            record = item if isinstance(item, Failure) else next(described)
            if wanted and isinstance(record, Annotation) and record.scene.depth is not None:
                # The whole source name stays, as in the overlays'.
                record = replace(record, depth=f"depth/{record.frame.source}.png")
                drawings.append(pool.submit(self._save_depth, record))
            if wanted:
                records.append(record)
            if wanted and self.tracked and isinstance(record, Annotation):
                self.tracked.remade(record.frame.source)
            if wanted and self.overlays and isinstance(item, Frame) and isinstance(record, Annotation):
                drawings.append(pool.submit(self._draw, item, record))
        return _Finished(records, drawings, len(batch))

    def _missing(self, batch: list[Item]) -> list[bool]:
        done = [self.results.is_done(item) for item in batch]
        if self.tracked is None:
            return [not there for there in done]
        needed = self.tracked.must_be_made([_source(item) for item in batch], done)
        # An unreadable frame keeps whatever record it has.
        return [need and (isinstance(item, Frame) or not there) for need, item, there in zip(needed, batch, done)]

    def _saw(self, batch: list[Item]) -> None:
        """A batch that an earlier run has done: the records are the tracks' memory."""
        for item in batch if self.tracked else ():
            record = self.results.record_of(_source(item))
            if self.tracked and isinstance(record, Annotation):
                self.tracked.saw(record)

    def _save_depth(self, annotation: Annotation) -> None:
        depth = annotation.scene.depth
        if annotation.depth is not None and depth is not None:
            self.results.write_file(annotation.depth, encode_depth(resize_depth(depth, annotation.frame.size_wh)))

    def _draw(self, frame: Frame, annotation: Annotation) -> None:
        picture = draw_overlay(frame.image, annotation, self.describer.taxonomy)
        _, data = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        # The whole source name stays, so that a.png and a.jpg do not write over each other.
        self.results.write_file(f"overlays/{frame.ref.source}.jpg", data.tobytes())

    def _write(self, finished: _Finished | None) -> None:
        if finished is None:
            return
        for drawing in finished.drawings:
            drawing.result()
        if finished.records:
            self.results.append(finished.records)
        self.progress(finished.size)


def _seen(batches: Iterable[list[Item]], describer: DescribesScenes, results: ResultsFolder) -> Iterator[_Seen]:
    """The batches, those that are not on disk yet with what the scene model finds in them."""
    for batch in batches:
        frames = [item for item in batch if isinstance(item, Frame)]
        scenes = None
        if frames and not all(results.is_done(item) for item in batch):
            # A failure comes again, frame by frame, where it is told of.
            with contextlib.suppress(DescriberError, RuntimeError, MemoryError):
                scenes = describer.find_scenes(frames)
        yield _Seen(batch, scenes)


def describe_batch(
    describer: AnnotatesFrames, frames: Sequence[Frame], scenes: Sequence[Scene] | None = None
) -> list[Record]:
    """Records of the frames, in order; when the batch fails each frame is tried alone, then given up."""
    if not frames:
        return []
    try:
        return list(describer.annotate_frames(frames, scenes))
    except ServerError:
        raise  # no frame would fare better: the run stops, and goes on where it was when started again
    except (DescriberError, RuntimeError, MemoryError) as error:
        # RuntimeError and MemoryError: out of memory is told by them, and one frame may still fit.
        if len(frames) == 1:
            ref = frames[0].ref
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            return [Failure(ref.source, f"{ref.source} could not be described: {reason}", ref.index)]
    return [record for frame in frames for record in describe_batch(describer, [frame])]


def _source(item: Item) -> str:
    return item.ref.source if isinstance(item, Frame) else item.source


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def ahead(items: Iterable[T], depth: int) -> Generator[T, None, None]:
    """The items, produced by a thread that is at most ``depth`` of them ahead; its errors come out here.

    Closing the generator stops the thread.
    """
    ready: queue.Queue[tuple[str, Any]] = queue.Queue(maxsize=depth)
    stop = threading.Event()

    def put(kind: str, value: Any) -> None:
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                ready.put((kind, value), timeout=0.1)
                return

    def produce() -> None:
        try:
            for item in items:
                put("item", item)
                if stop.is_set():
                    return
        except BaseException as error:  # handed over to the consumer, which raises it
            put("error", error)
        else:
            put("end", None)

    thread = threading.Thread(target=produce, name="reader", daemon=True)
    thread.start()
    try:
        while True:
            kind, value = ready.get()
            if kind == "end":
                return
            if kind == "error":
                raise value
            yield value
    finally:
        stop.set()
        thread.join()


def _summarise(results: ResultsFolder, job: _Job, seconds: float) -> RunSummary:
    from describer.eval.truth import run_summary

    failures = 0

    def annotations() -> Iterator[Annotation]:
        nonlocal failures
        for record in read_records(results.records_path):
            if isinstance(record, Annotation):
                yield record
            else:
                failures += 1

    truth = run_summary(annotations(), job.describer.taxonomy)
    made = job.frames - job.skipped
    rate = round(made / seconds, 3) if seconds > 0 else 0.0
    return RunSummary(str(results.path), job.frames, job.skipped, failures, round(seconds, 3), rate, truth)
