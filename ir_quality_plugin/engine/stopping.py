"""Asked to stop by a scheduler or a person: the run ends where its state is exact, and says so."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Self

# A launcher that hands on a Ctrl-C which its processes heard as well sends it twice.
SAME_PRESS_S = 1.0
HEARD = tuple(number for name in ("SIGTERM", "SIGINT", "SIGUSR1") if (number := getattr(signal, name, None)))


class StopRequest:
    """Hears SIGTERM, Ctrl-C and SIGUSR1 inside of a `with` block; a second Ctrl-C ends the process at once.

    In another thread than the main one, which signals do not reach, nothing is heard. Processes that are forked inside
    of the block hear nothing either.

    Attributes:
        signal: number of the signal that was heard; 0 as long as there is none.
    """

    def __init__(self) -> None:
        self.signal = 0
        self._since = 0.0
        self._process = os.getpid()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in HEARD:
                if signal.getsignal(number) is not signal.SIG_IGN:  # as a shell's background jobs have it
                    self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __call__(self) -> bool:
        """Whether a signal was heard."""
        return bool(self.signal)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            return
        if not self.signal:
            self.signal, self._since = number, time.monotonic()
        elif number == signal.SIGINT and time.monotonic() - self._since > SAME_PRESS_S:
            raise KeyboardInterrupt


def leave_signals_to_parent(worker: int = 0) -> None:
    """Let a worker of a loader end with its training, not by a signal that a scheduler or a terminal sends to all."""
    for number in HEARD:
        signal.signal(number, signal.SIG_IGN)
