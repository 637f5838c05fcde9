"""The folder a run writes: settings, records in frame order, and what is already done when it resumes.

OUT/run.json            what the records were made with, and its hash
OUT/annotations.jsonl   one record a frame, append-only while the run goes on
OUT/overlays/           a picture a frame
OUT/depth/              a depth map a frame, where asked for (see describer.depths)
OUT/summary.json        counts and rates of the finished run
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import time
import uuid
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from describer.errors import OutputError, RecordError
from describer.records import Record, from_dict, to_line, whole_lines_end
from describer.types import Annotation, Failure, Frame

_SYNC_EVERY_S = 5.0
_FAILED = 0


def _key(text: str) -> int:
    # 8 bytes tell 10 million frames apart (odds of a clash: 3 in a million), in 24 bytes of index a frame.
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") or 1


class _Index:
    """Source of every record on disk -> its pixels' key (0 = a failure) and its place, in flat sorted arrays."""

    def __init__(self, sources: array[int], pixels: array[int], offsets: array[int]) -> None:
        keys = np.array(sources, np.uint64)
        order = np.argsort(keys, kind="stable")
        self._sources = keys[order]
        self._pixels = np.array(pixels, np.uint64)[order]
        self._offsets = np.array(offsets, np.int64)[order]
        self.repeated = {int(k) for k in self._sources[1:][self._sources[1:] == self._sources[:-1]]}

    def __len__(self) -> int:
        return len(self._sources)

    def get(self, source: str) -> int | None:
        """The pixels' key of the last record of that source; None without one."""
        at = self._last(source)
        return None if at is None else int(self._pixels[at])

    def offset(self, source: str) -> int | None:
        """The byte at which the last record of that source begins; None without one."""
        at = self._last(source)
        return None if at is None else int(self._offsets[at])

    def _last(self, source: str) -> int | None:
        key = np.uint64(_key(source))
        at = int(np.searchsorted(self._sources, key, side="right")) - 1
        return at if at >= 0 and self._sources[at] == key else None


class ResultsFolder:
    """Appends records to a run's folder, and knows which frames have theirs. Use as a context manager.

    A frame is done when a record of its name and pixels is there. A frame whose record is a failure, or
    was made of other pixels, is done again; when the run ends the new record takes the old one's place.
    Raises OutputError: settings differ, another process writes here, the disk is full.
    """

    def __init__(self, out_dir: str | Path, settings: Mapping[str, Any], overwrite: bool = False) -> None:
        self.path = Path(out_dir)
        self.records_path = self.path / "annotations.jsonl"
        self._partial = self.path / ".partial"
        with self.writing():
            self._refuse_foreign()
            # What a killed run left half-written lies in one place, to be swept in one step.
            self._partial.mkdir(parents=True, exist_ok=True)
            self._file = self.records_path.open("ab", buffering=0)
            try:
                self._lock()
                if overwrite:
                    self._clear()
                self._check_settings(json.loads(json.dumps(dict(settings))))
                self._sweep()
                self._file.truncate(whole_lines_end(self.records_path))
                self._index = _load(self.records_path)
            except BaseException:
                self._file.close()
                raise
        self._superseded = self._index.repeated
        self._synced_s = time.monotonic()

    def __enter__(self) -> ResultsFolder:
        return self

    def __exit__(self, *_: object) -> None:
        with self.writing():
            try:
                self._sync()
                self._sweep()
                self._partial.rmdir()
            finally:
                self._file.close()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Turns a failed write into an OutputError that says what to do."""
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                what = f"{self.path}: the disk is full; free some space and run the same command again to go on."
            else:
                what = f"{self.path} cannot be written ({error.strerror or error}); check the path."
            raise OutputError(what) from error

    def is_done(self, item: Frame | Failure) -> bool:
        """Whether the record of this frame is on disk; an unreadable frame keeps whatever record it has."""
        if isinstance(item, Failure):
            return self._index.get(item.source) is not None
        return self._index.get(item.ref.source) == _key(item.ref.sha256)

    def record_of(self, source: str) -> Record:
        """The record of that source that was on disk when the folder was opened; KeyError without one."""
        offset = self._index.offset(source)
        if offset is None:
            raise KeyError(source)
        with self.records_path.open("rb") as file:
            file.seek(offset)
            line = file.readline()
        try:
            return from_dict(json.loads(line))
        except RecordError as error:
            raise RecordError(f"{self.records_path}: {source}: {error}; mend or remove this line.") from error

    def append(self, records: Sequence[Record]) -> None:
        """Write the records with one write; a write cut short by a full disk leaves no torn line."""
        fresh = [record for record in records if not self._fails_again(record)]
        self._superseded |= {_key(_source(r)) for r in fresh if self._index.get(_source(r)) is not None}
        data = "".join(map(to_line, fresh)).encode()
        end = os.fstat(self._file.fileno()).st_size
        with self.writing():
            try:
                self._write(data)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file.fileno(), end)
                raise
            if time.monotonic() - self._synced_s > _SYNC_EVERY_S:
                self._sync()

    def settle(self) -> None:
        """Put records made anew into the places of the old ones, in one step; nothing is appended after."""
        if self._superseded:
            with self.writing():
                self._sync()
                _rewrite(self.records_path, self._partial / self.records_path.name, self._superseded)

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write summary.json in one step: the sign of a finished run."""
        self.write_file("summary.json", _json(summary))

    def write_file(self, name: str, data: bytes) -> None:
        """Write ``name`` (a relative posix path) so that it is never half there; safe from any thread."""
        with self.writing():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._partial / uuid.uuid4().hex
            try:
                temporary.write_bytes(data)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def _fails_again(self, record: Record) -> bool:
        return isinstance(record, Failure) and self._index.get(record.source) == _FAILED

    def _sync(self) -> None:
        os.fsync(self._file.fileno())
        self._synced_s = time.monotonic()

    def _lock(self) -> None:
        with contextlib.suppress(ImportError):
            import fcntl

            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise OutputError(
                    f"{self.path}: another describer is writing here; wait or choose another -o."
                ) from error

    def _refuse_foreign(self) -> None:
        known = (self.path / "run.json").exists() or not self.records_path.exists()
        if not known and self.records_path.stat().st_size:
            raise OutputError(f"{self.records_path} was not made by describer annotate; choose another -o.")

    def _clear(self) -> None:
        self._file.truncate(0)
        for name in ("summary.json", "run.json"):
            (self.path / name).unlink(missing_ok=True)
        for name in ("overlays", "depth"):
            shutil.rmtree(self.path / name, ignore_errors=True)

    def _sweep(self) -> None:
        for left in self._partial.iterdir():
            left.unlink()

    def _check_settings(self, settings: dict[str, Any]) -> None:
        marker = self.path / "run.json"
        if not marker.exists():
            digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
            self.write_file("run.json", _json({"settings": settings, "sha256": digest}))
            return
        try:
            before = json.loads(marker.read_text(encoding="utf-8"))["settings"]
        except (ValueError, KeyError, TypeError) as error:
            raise OutputError(f"{marker} is damaged; use --overwrite to start anew or choose another -o.") from error
        differing = [k for k in sorted({*before, *settings}) if before.get(k) != settings.get(k)]
        if differing:
            raise OutputError(
                f"{self.path} was made with other settings ({', '.join(differing)}); "
                "use --overwrite to start anew or choose another -o."
            )


def _json(data: Mapping[str, Any]) -> bytes:
    return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()


def _source(record: Record) -> str:
    return record.frame.source if isinstance(record, Annotation) else record.source


def _frames_on_disk(path: Path) -> Iterator[tuple[bytes, str, int]]:
    """(line, source, pixels' key) of every record; only the frame's own object is looked at."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                data = json.loads(line)
                source = data["frame"]["source"]
                yield line, source, _FAILED if "error" in data else _key(data["frame"]["sha256"])
            except (ValueError, KeyError, TypeError) as error:
                raise RecordError(
                    f"{path}:{number}: damaged record; remove this line to have it made again."
                ) from error


def _load(path: Path) -> _Index:
    sources, pixels, offsets = array("Q"), array("Q"), array("Q")
    offset = 0
    for line, source, key in _frames_on_disk(path):
        sources.append(_key(source))
        pixels.append(key)
        offsets.append(offset)
        offset += len(line)
    return _Index(sources, pixels, offsets)


def _rewrite(path: Path, temporary: Path, superseded: set[int]) -> None:
    """One record a source: the last one of each superseded source, in the place of its first."""
    last = {_key(source): line for line, source, _ in _frames_on_disk(path) if _key(source) in superseded}
    with temporary.open("wb") as file:
        for line, source, _ in _frames_on_disk(path):
            key = _key(source)
            file.write(last.pop(key, b"") if key in superseded else line)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
