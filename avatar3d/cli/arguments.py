"""Arguments that the command line cannot use, as one line: the argument library explains them in a box of many."""

import contextlib
import functools
import io
import itertools
import re
import sys
import textwrap
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from tyro.constructors import PrimitiveConstructorSpec

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_BORDER = "│|╭╮╰╯"
_ARGUMENT_INDENT, _HELP_INDENT = 4, 8
"""Columns beyond which a row of a box names an argument, and beyond which it explains one."""
_READ = (
    (re.compile(r"Error parsing (\S+): invalid literal for int\(\) with base 10: (.*)"), r"\1 \2: is no whole number"),
    (re.compile(r"Error parsing (\S+): (give .*)"), r"\1: \2"),
    (re.compile(r"Error parsing (\S+): could not convert string to float: (.*)"), r"\1 \2: is no number"),
)
"""What the library says of conversions, and what a user can read of it."""
_APPLIED, _MISPLACED = re.compile(r"\s*\(applied to [^)]*\)"), re.compile(r" Arguments are applied to the directly preceding .*")
"""What it says of options that another command has: here no argument has to come before another one."""


def chosen(verbs: Mapping[str, Callable[..., None]], prog: str, description: str) -> "Callable[[], Any]":
    """What the command line asks for, ready to be called.

    Args:
        verbs: a function for each command.
        prog: the program's name.
        description: what its help says.

    Raises:
        UserError: the arguments are none that the command takes, or are given twice; one line says which, and where they are explained.
        SystemExit: help was asked for, and is printed.
    """
    import tyro

    from avatar3d.errors import UserError

    app = tyro.extras.SubcommandApp()
    for name, function in verbs.items():
        app.command(name=name)(_later(function))
    said = io.StringIO()
    _check_once(sys.argv[1:])
    try:
        with contextlib.redirect_stderr(said):
            return app.cli(prog=prog, description=description, use_underscores=False)
    except SystemExit as end:
        line = one_line(said.getvalue())
        if not end.code or not line:
            print(said.getvalue(), end="", file=sys.stderr)
            raise
        verb = f" {sys.argv[1]}" if sys.argv[1:] and sys.argv[1] in verbs else ""
        raise UserError(f"{line}; see {prog}{verb} --help") from None


def at_least_one(form: str, read: "Callable[[list[str]], tuple]" = tuple) -> "PrimitiveConstructorSpec[tuple]":
    """How an option of several words is read that means nothing without any.

    Args:
        form: of what is given once or more, as the help shows it.
        read: what the words mean; raises a ValueError that says what to give.
    """
    from tyro.constructors import PrimitiveConstructorSpec

    def words(given: list[str]) -> tuple:
        if not given:
            raise ValueError(f"give {form}, once or more")
        return read(given)

    several = f"[{form} [{form} ...]]"
    return PrimitiveConstructorSpec("*", several, words, lambda value: isinstance(value, tuple), str_from_instance=list)


def _check_once(words: list[str]) -> None:
    """Refuse an option that is given twice: the library would take the last one and say nothing.

    Raises:
        UserError: names the option.
    """
    from avatar3d.errors import UserError

    options = [word.partition("=")[0] for word in itertools.takewhile(lambda word: word != "--", words) if word.startswith("--")]
    twice = next((option for number, option in enumerate(options) if option in options[:number]), None)
    if twice is not None:
        raise UserError(f"{twice}: is given twice; give it once, with all that it shall say")


def _later(function: Callable[..., None]) -> Callable[..., Callable[[], None]]:
    """A function of the same arguments that only binds them: what the work itself says is not taken for a remark on them."""

    @functools.wraps(function)
    def bound(*values, **named) -> Callable[[], None]:
        return functools.partial(function, *values, **named)

    return bound


def one_line(box: str) -> str:
    """What is wrong by the box of an error, which says it in its first part; empty where it says nothing.

    Args:
        box: as printed, with borders, or without where the terminal has no characters for them.
    """
    rows = [_ANSI.sub("", row).strip(_BORDER).rstrip() for row in box.splitlines()]
    # The first row is the title; rules divide what is wrong from what is explained.
    parts: list[list[str]] = [[]]
    for row in textwrap.dedent("\n".join(rows[1:])).splitlines():
        if row.strip() and not row.strip(" ─-"):
            parts.append([])
        elif row.strip():
            parts[-1].append(row)
    parts = [part for part in parts if part] or [[]]
    wrong, explained = parts[0], "\n".join(row for part in parts[1:] for row in part)
    said = " ".join(row.strip() for row in wrong if _indent(row) < _ARGUMENT_INDENT).removesuffix(".")
    arguments = " and ".join(row.strip() for row in wrong if _ARGUMENT_INDENT <= _indent(row) < _HELP_INDENT)
    line = _MISPLACED.sub("", _APPLIED.sub(",", f"{said} {arguments}".strip())).rstrip(",").replace(" or misplaced", "")
    for pattern, words in _READ:
        line = pattern.sub(words, line)
    if line.startswith("Error parsing ") and (form := re.search(r"Argument helptext:\s+(\S+) +(.*)", explained)):
        line = f"{form.group(1)}: takes {form.group(2).strip().removeprefix('{None}|')}, and got something else"
    line = f"{line[:1].lower()}{line[1:]}"
    guess = re.search(r"Perhaps you meant:\s+(-[-\w]+)", explained)
    if guess is None:
        return line
    if guess.group(1) in re.split(r"[\s,]+", line):
        verbs = sorted(set(re.findall(r"in \S+\s+(\S+)\s+--help", explained)))
        return f"{line}; {guess.group(1)} is an option of {', '.join(verbs)}"
    return f"{line}; perhaps {guess.group(1)} is meant"


def _indent(row: str) -> int:
    return len(row) - len(row.lstrip())
