"""The diary of a run: one file that keeps everything, and the same lines on the terminal."""

import logging
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console

LOG_FILE: Final = "aims_pax.log"

_FILE_HANDLER: Final = "aims_pax diary"
_TERMINAL_HANDLER: Final = "aims_pax terminal"


_set_aside: list[logging.Handler] = []
"""Handlers of others that wrote to the terminal before the diary was opened."""


class TerminalHandler(logging.Handler):
    """Prints the package's own lines through the console that also holds the live view, so that both stay whole.

    Tracebacks go to the file only.
    """

    def __init__(self, console: "Console") -> None:
        super().__init__(logging.INFO)
        self.name = _TERMINAL_HANDLER
        self.addFilter(logging.Filter("aims_pax"))
        self._console = console
        self._clock = logging.Formatter(datefmt="%H:%M:%S")

    def emit(self, record: logging.LogRecord) -> None:
        from rich.text import Text

        line = Text(self._clock.formatTime(record, "%H:%M:%S"), style="dim")
        line.append("  ")
        if record.levelno >= logging.WARNING:
            line.append(
                f"{record.levelname.lower()}: ", style="bold red" if record.levelno >= logging.ERROR else "yellow"
            )
        line.append(record.getMessage())
        self._console.print(line, soft_wrap=True, highlight=False)


def open_logs(folder: Path, console: "Console", *, level: str = "INFO") -> Path:
    """Start, or go on with, the diary of a run.

    The file takes lines from `level` upwards, with the warnings of all libraries; the terminal takes the package's
    own, from INFO upwards.

    Parameters
    ----------
    folder : Path
        Where the file is; created when missing.
    console : rich.console.Console
        Where the terminal's lines go.
    level : str
        Least severe lines of the file; DEBUG adds one for each uncertainty estimate.

    Returns
    -------
    Path
        The file.
    """
    close_logs()
    _set_aside_terminal_handlers()
    logging.raiseExceptions = False  # a full disk would show a traceback for every line that it refuses
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOG_FILE
    to_file = logging.FileHandler(path, encoding="utf-8")
    to_file.name = _FILE_HANDLER
    to_file.setFormatter(_DiaryFormatter("%(asctime)s  %(message)s", datefmt="%Y-%m-%d %H:%M:%S"))
    to_file.setLevel(level)
    logging.getLogger("aims_pax").setLevel(min(to_file.level, logging.INFO))
    logging.captureWarnings(True)
    for handler in (to_file, TerminalHandler(console)):
        logging.getLogger().addHandler(handler)
    return path


def _set_aside_terminal_handlers() -> None:
    """Keep others from writing each of our lines to the terminal once more, until the diary is closed.

    A library that logs by ``logging.info`` before anything is set up, as MACE does when a model is loaded, makes
    Python write whatever reaches the root logger to standard error.
    """
    root = logging.getLogger()
    terminals = (sys.stderr, sys.stdout, sys.__stderr__, sys.__stdout__)
    for handler in list(root.handlers):
        if type(handler) is logging.StreamHandler and handler.stream in terminals:
            root.removeHandler(handler)
            _set_aside.append(handler)


def close_logs() -> None:
    """Leave the logging of this process as it was before :func:`open_logs`; does nothing when no log is open."""
    while _set_aside:
        logging.getLogger().addHandler(_set_aside.pop())
    for handler in _own_handlers():
        logging.getLogger().removeHandler(handler)
        with suppress(OSError):  # lines that a full disk has not taken
            handler.close()
        logging.getLogger("aims_pax").setLevel(logging.NOTSET)
        logging.captureWarnings(False)
        logging.raiseExceptions = True


def log_failure(text: str, *, level: int = logging.ERROR) -> Path | None:
    """Write how the run ended into the open diary, and nowhere else.

    Parameters
    ----------
    text : str
    level : int
        INFO when it was the user who ended it.

    Returns
    -------
    Path or None
        The file; None when no log is open.
    """
    for handler in _own_handlers():
        if isinstance(handler, logging.FileHandler):
            handler.handle(logging.LogRecord("aims_pax", level, __file__, 0, f"run ended: {text}", None, None))
            return Path(handler.baseFilename)
    return None


class _DiaryFormatter(logging.Formatter):
    """Marks warnings and errors, and the library that a foreign line comes from."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name that logging calls
        marks = f"{record.levelname}: " if record.levelno >= logging.WARNING else ""
        marks += "" if record.name.split(".")[0] == "aims_pax" else f"[{record.name}] "
        record.message = marks + record.message
        return super().formatMessage(record)


def _own_handlers() -> list[logging.Handler]:
    return [h for h in logging.getLogger().handlers if h.name in (_FILE_HANDLER, _TERMINAL_HANDLER)]
