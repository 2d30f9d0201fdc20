"""Parsl configurations that users write as Python files, taken by path or by name."""

import importlib
import importlib.util
import inspect
import traceback
from collections.abc import Callable
from pathlib import Path
from subprocess import SubprocessError
from types import ModuleType
from typing import Any, Final

from parsl.config import Config
from parsl.errors import ParslError
from typeguard import TypeCheckError

from aims_pax.errors import Problem, SettingsError
from aims_pax.labelling.workers.configuration import KEY
from aims_pax.settings.cluster import READY

ACCEPTED: Final = "make_config(**options), fresh_config() or config, a parsl.config.Config"

CONFIGURATION_ERRORS: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    ParslError,
    RuntimeError,
    SubprocessError,
    SyntaxError,
    TypeCheckError,
    TypeError,
    ValueError,
)
"""What a user's file may raise while it is read, and Parsl while it checks the values in it."""


def load_config(source: str | Path, **options: Any) -> Config:
    """A new Parsl configuration.

    Parameters
    ----------
    source : str or Path
        The name of a ready configuration (``local``, ``slurm_packed``), a Python file, or an importable module.
    **options
        Passed to the configuration's function.

    Raises
    ------
    SettingsError
        There is no such configuration, it can't be executed, offers none of the accepted names, or does not take
        these options.

    Notes
    -----
    Parsl can use a configuration once, so a file should offer a function: ``make_config(**options)``, or
    ``fresh_config()`` as Parsl's own tools call it. A plain ``config`` is accepted for a single run.
    """
    name = str(READY.get(str(source), source))
    module = _module(name)
    for function in ("make_config", "fresh_config"):
        if hasattr(module, function):
            return _called(getattr(module, function), name, options)
    if not hasattr(module, "config"):
        raise SettingsError(Problem(KEY, f"{name} offers no Parsl configuration", ACCEPTED))
    if options:
        found = f"{name} offers a fixed `config`, which takes no options ({', '.join(options)})"
        raise SettingsError(Problem(KEY, found, ACCEPTED, "Turn it into a function make_config(**options)."))
    return _checked(module.config, name)


def _module(name: str) -> ModuleType:
    """Execute the file, or import the module, of this name."""
    path = Path(name).expanduser()
    try:
        if path.suffix != ".py":
            return importlib.import_module(name)
        if not path.is_file():
            found = f"{path} does not exist"
            allowed = f"{', '.join(READY)}, a Python file, or an importable module"
            raise SettingsError(Problem(KEY, found, allowed))
        specification = importlib.util.spec_from_file_location(f"parsl_config_{path.stem}", path)
        if specification is None or specification.loader is None:
            raise SettingsError(Problem(KEY, f"{path} is not a Python file", ACCEPTED))
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
    except CONFIGURATION_ERRORS as error:
        raise SettingsError(_problem(name, error)) from error
    return module


def _called(make: Callable[..., Any], name: str, options: dict[str, Any]) -> Config:
    try:
        inspect.signature(make).bind(**options)
    except TypeError as error:
        allowed = f"{make.__name__}{inspect.signature(make)}"
        raise SettingsError(Problem(KEY, f"{name} does not take these options: {error}", allowed)) from error
    try:
        made = make(**options)
    except CONFIGURATION_ERRORS as error:
        raise SettingsError(_problem(name, error)) from error
    return _checked(made, name)


def _checked(config: Any, name: str) -> Config:
    if not isinstance(config, Config):
        found = f"{name} is a {type(config).__name__}, not a Parsl configuration"
        raise SettingsError(Problem(KEY, found, ACCEPTED))
    return config


def _problem(name: str, error: BaseException) -> Problem:
    """What went wrong in a user's configuration, with the last line of theirs that was reached."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
    line = error.lineno if isinstance(error, SyntaxError) else (lines or [None])[-1]
    where = "" if line is None else f", line {line}"
    return Problem(
        KEY, f"{name}{where}: {type(error).__name__}: {error}", ACCEPTED, "Correct the file, or CLUSTER.options."
    )
