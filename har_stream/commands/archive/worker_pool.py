"""Worker processes that each take the next recording as soon as they are done with the last."""

import queue
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Protocol, Self

from har_stream.commands.archive.results import ClipResult, ClipTask, WorkerReady, WorkerSetup
from har_stream.core.errors import InputError

_COMMAND = (sys.executable, "-m", "har_stream.commands.archive.worker")


class ArchiveWorkers(Protocol):
    """Whoever recognises recordings, many at a time; a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def recognise(self, tasks: Iterable[tuple[str, ClipTask]]) -> Iterator[tuple[str, ClipResult]]:
        """Yield each clip's name and result as they come, in no order; the first tasks begin first.

        Raises:
            InputError: The bundle does not run there, or no worker is left.
        """


class WorkerPool:
    """Recognises recordings in several processes; a context manager.

    Args:
        setup: What every worker is told first.
        n_workers: How many there are.

    Raises:
        InputError: A worker cannot run the bundle.
    """

    def __init__(self, setup: WorkerSetup, n_workers: int) -> None:
        self._workers = [_Worker(setup) for _ in range(n_workers)]

    def __enter__(self) -> Self:
        try:
            for worker in self._workers:  # they have all been loading since they were started
                worker.wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.kill()

    def recognise(self, tasks: Iterable[tuple[str, ClipTask]]) -> Iterator[tuple[str, ClipResult]]:
        """Yield each clip's name and result as they come, in no order; the first tasks begin first.

        Raises:
            InputError: A worker that had to be started again cannot be.
        """
        waiting: queue.SimpleQueue[tuple[str, ClipTask] | None] = queue.SimpleQueue()
        done: queue.SimpleQueue[tuple[str, ClipResult] | Exception] = queue.SimpleQueue()

        def feed(worker: _Worker) -> None:
            try:
                while (task := waiting.get()) is not None:
                    done.put((task[0], worker.recognise(task[1])))
            except Exception as error:
                done.put(error)

        n_open = 0
        for n_open, task in enumerate(tasks, 1):  # noqa: B007 -- the last number is the count
            waiting.put(task)
        for worker in self._workers:
            waiting.put(None)
            threading.Thread(target=feed, args=(worker,), daemon=True).start()
        for _ in range(n_open):
            answer = done.get()
            if isinstance(answer, Exception):
                raise answer
            yield answer


class _Worker:
    """One process; begun anew where a recording has crashed it."""

    def __init__(self, setup: WorkerSetup) -> None:
        self._setup = setup
        self._is_over = False
        self._start()

    def wait_until_ready(self) -> None:
        """Wait until its engine runs.

        Raises:
            InputError: It never will.
        """
        line = self._answer()
        if not line:
            raise InputError(f"a worker ended with status {self._process.wait()} at its start")
        if error := WorkerReady.model_validate_json(line).error:
            raise InputError(error)

    def recognise(self, task: ClipTask) -> ClipResult:
        """Have a recording recognised; one that crashes the decoder is an error like another."""
        self._tell(task)
        if line := self._answer():
            return ClipResult.model_validate_json(line)
        error = f"{task.path}: cannot be read: its decoder ended with status {self._process.wait()}"
        if not self._is_over:
            self._close_pipes()
            self._start()
            self.wait_until_ready()
        return ClipResult(error=error)

    def kill(self) -> None:
        """End the process at once."""
        self._is_over = True
        self._process.kill()
        self._process.wait()
        self._close_pipes()

    def _start(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 -- our own module
            _COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C is for whoever started it to answer
        )
        self._tell(self._setup)

    def _tell(self, line: WorkerSetup | ClipTask) -> None:
        assert self._process.stdin  # noqa: S101 -- a pipe, as asked for
        with suppress(BrokenPipeError):  # it has ended: no answer will say so
            self._process.stdin.write(line.model_dump_json() + "\n")
            self._process.stdin.flush()

    def _answer(self) -> str:
        assert self._process.stdout  # noqa: S101 -- a pipe, as asked for
        with suppress(ValueError):  # closed by `kill`
            return self._process.stdout.readline()
        return ""

    def _close_pipes(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                if pipe:
                    pipe.close()
