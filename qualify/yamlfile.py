# SPDX-License-Identifier: Apache-2.0
"""YAML in, validated models out; every mistake of a file reported at once with its line and column.

Shared by schema, scenario, matrix and policy files, so that all bad input is reported alike.
"""

from __future__ import annotations

import difflib
import functools
import re
import reprlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from qualify.errors import Problem
from qualify.yamlbounds import UnfitError, bounded_parser, is_deep, long_number, too_deep
from qualify.yamlquick import read_quickly

__all__ = ["Document", "Loc", "keep_valid", "meant", "read", "shown", "suggest", "validate"]

_PACKAGE = Path(__file__).parent
_QUOTED = re.compile("'([^']*)'")
_LONGEST = 200  # characters of a value in a message

# An alias costs a few bytes and stands for a whole tree, with further aliases in it.
_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxdict, _SHORT.maxlist = 2, 3, 3
_SHORT.maxstring, _SHORT.maxlong, _SHORT.maxother = 80, 40, 40

Loc = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Document:
    """One parsed file. `data` is plain Python; positions are found again on demand, they cost more than parsing."""

    name: str
    data: Any
    text: str

    def position(self, loc: Loc) -> tuple[int, int]:
        """(line, column) from 1 of the deepest part of `loc` that exists."""
        return _locate(_marked(self.text), loc)

    def problem(self, loc: Loc, message: str, hint: str = "") -> Problem:
        """A Problem at that place."""
        line, column = self.position(loc)
        return Problem(self.name, line, column, message, hint)


def read(path: Path, name: str | None = None) -> Document | Problem:
    """Read and parse one file; a Problem when it cannot be read or is not YAML."""
    label = name if name is not None else str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Problem(label, 0, 0, "no such file")
    except IsADirectoryError:
        return Problem(label, 0, 0, "is a directory; expected a YAML file")
    except UnicodeDecodeError as error:
        return Problem(label, 0, 0, f"is not UTF-8 text: {error.reason} at byte {error.start}")
    except OSError as error:
        return Problem(label, 0, 0, f"cannot be read: {error.strerror}")
    if path.is_relative_to(_PACKAGE):
        return Document(label, read_quickly(text), text)
    if (problem := long_number(text, label)) is not None:
        return problem
    try:
        data = bounded_parser().load(text)
    except UnfitError as error:
        return Problem(label, error.mark.line + 1, error.mark.column + 1, str(error))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(str(part) for part in (error.context, error.problem) if part)
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        return Problem(label, line, column, f"is not valid YAML: {what}")
    except RecursionError:
        return too_deep(text, label)
    except (YAMLError, ValueError) as error:
        return Problem(label, 0, 0, f"is not valid YAML: {str(error).splitlines()[0] if str(error) else 'unreadable'}")
    if is_deep(data):
        return too_deep(text, label)
    return Document(label, data, text)


def validate(
    model: type[M],
    data: Any,
    document: Document,
    at: Loc = (),
    origin: Callable[[Loc], tuple[Document, Loc]] | None = None,
    also: tuple[str, ...] = (),
) -> M | list[Problem]:
    """`data` as a `model`, or every problem with its place in `document`.

    Where `data` was put together from several files, `origin` says for a place in it which file and entry wrote it.
    `also` are keys that a file may have beside those of the model, for suggestions.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = []
        for item in error.errors(include_url=False, include_context=True):
            if item["type"] == "too_short" and item["input"]:
                continue  # only because its entries failed, and those are reported themselves
            source, base = origin(item["loc"]) if origin else (document, at)
            message, hint = _say(model, item, base + item["loc"], _path(source.data, base + item["loc"]), also)
            problems.append(source.problem(base + item["loc"], message, hint))
        return problems


def shown(value: Any) -> str:
    """A value of a file in a message, as Python writes it, cut to a length that can be read."""
    try:
        text = _SHORT.repr(value)
    except ValueError:  # Python writes no number of more than some thousand digits
        return "a number of very many digits"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def keep_valid(model: type[M], data: dict[Any, Any], least: dict[str, Any]) -> M:
    """What is right in a file with mistakes, so that names in it can be looked up before anything is told.

    `least` validates by itself; every entry of `data` that validates with it is kept, the others are left out.
    """
    kept = dict(least)
    for key, value in data.items():
        if key in model.model_fields and _validates(model, least | {key: value}):
            kept[key] = value
    return model.model_validate(kept if _validates(model, kept) else least)


def _validates(model: type[BaseModel], data: dict[str, Any]) -> bool:
    try:
        model.model_validate(data)
    except ValidationError:
        return False
    return True


def suggest(name: str, known: Iterable[str]) -> str:
    """'did you mean X?', or the list of what there is."""
    options = sorted(known)
    return _close(name, options) or (f"known: {', '.join(options)}" if options else "none are known")


def meant(model: type[BaseModel], loc: Loc) -> list[str]:
    """The keys of `model` that the unknown key at `loc` may be meant for."""
    return _matches(str(loc[-1]), _fields_at(model, loc[:-1]))


def _matches(name: str, options: list[str]) -> list[str]:
    return difflib.get_close_matches(name, options, n=3, cutoff=0.5)


def _close(name: str, options: list[str]) -> str:
    close = _matches(name, options)
    return f"did you mean {' or '.join(close)}?" if close else ""


def _say(model: type[BaseModel], item: Any, loc: Loc, shown_as: str, also: tuple[str, ...]) -> tuple[str, str]:
    kind, given = item["type"], item.get("input")
    if kind == "missing":
        return f"'{shown_as}' is missing", "add it; it has no default"
    if kind == "extra_forbidden":
        fields = _fields_at(model, item["loc"][:-1]) + ([] if len(item["loc"]) > 1 else [*also])
        hint = suggest(str(loc[-1]), fields) if fields else "remove it or correct its spelling"
        return f"unknown key '{shown_as}'", hint
    where = f"'{shown_as}': " if shown_as else ""
    if kind == "union_tag_invalid":
        key, tag = item["ctx"]["discriminator"].strip("'"), item["ctx"]["tag"]
        tags = [t.strip("' ") for t in item["ctx"]["expected_tags"].split(",")]
        return f"{where}unknown {key} '{tag if len(tag) <= _LONGEST else tag[:_LONGEST] + '…'}'", suggest(tag, tags)
    if kind == "union_tag_not_found":
        key = item["ctx"]["discriminator"].strip("'")
        return f"{where}'{key}' is missing", f"it says what this is: {', '.join(_tags_at(model, item['loc'], key))}"
    if kind == "string_type" and isinstance(given, int | float):
        return f"{where}expected text, got {shown(given)}", f'put it in quotes: "{shown(given)}"'
    if kind == "too_short":
        return f"{where}expected at least {_entries(item['ctx']['min_length'])}", ""
    if kind == "tuple_type":
        return f"{where}expected a list, got {shown(given)}", ""
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return f"{where}expected a mapping, got {shown(given)}", ""
    message = item["msg"].removeprefix("Value error, ").removesuffix(" after validation, not 0")
    got = "" if isinstance(given, dict | list) else f", got {shown(given)}"
    hint = ""
    if kind in ("enum", "literal_error") and isinstance(given, str):
        hint = _close(given, _QUOTED.findall(item["ctx"]["expected"]))  # the message lists what there is
    return f"{where}{message[0].lower() + message[1:]}{got}", hint


def _path(data: Any, loc: Loc) -> str:
    """`loc` as the reader of the file sees it: without the union tags that pydantic puts between."""
    parts = []
    for number, part in enumerate(loc):
        inside_list = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if inside_list or (isinstance(data, dict) and part in data):
            data = data[part]
        elif number < len(loc) - 1 or part == "[key]":
            continue
        parts.append(str(part))
    return ".".join(parts)


def _fields_at(model: type[BaseModel], loc: Loc) -> list[str]:
    """The keys that the model at `loc` within `model` knows; none when that is not a model."""
    at: Any = model
    for part in loc:
        at = _step(at, part)
    models = [m for m in (at, *get_args(at)) if isinstance(m, type) and issubclass(m, BaseModel)]
    return sorted(models[0].model_fields) if len(models) == 1 else []


def _tags_at(model: type[BaseModel], loc: Loc, key: str) -> list[str]:
    """What `key` may say in the union at `loc` within `model`."""
    at: Any = model
    for part in loc:
        at = _step(at, part)
    tags: list[str] = []
    options = [at]
    while options:
        here = options.pop(0)
        if not (isinstance(here, type) and issubclass(here, BaseModel)):
            options.extend(get_args(here))
        elif key in here.model_fields:
            tags.extend(map(str, get_args(here.model_fields[key].annotation)))
    return tags


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count} entries"


def _step(annotation: Any, part: str | int) -> Any:
    options = [annotation]
    while options:
        here = options.pop()
        if isinstance(here, type) and issubclass(here, BaseModel):
            if part in here.model_fields:
                return here.model_fields[str(part)].annotation
            if any(f.default == part or part in get_args(f.annotation) for f in here.model_fields.values()):
                return here  # a union tag: the member that carries it
        elif get_origin(here) is dict:
            return get_args(here)[1]
        elif get_origin(here) in (tuple, list) and isinstance(part, int):
            return get_args(here)[0]
        else:
            options.extend(get_args(here))
    return None


@functools.lru_cache(maxsize=8)
def _marked(text: str) -> Any:
    try:
        return YAML(typ="rt").load(text)
    except YAMLError:
        return None


def _locate(node: Any, loc: Loc) -> tuple[int, int]:
    line, column = 1, 1
    for part in loc:
        if isinstance(node, CommentedMap) and part in node:
            line, column = (n + 1 for n in node.lc.key(part))
            node = node[part]
        elif isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node):
            line, column = (n + 1 for n in node.lc.item(part))
            node = node[part]
        else:
            # union tags and the like are not in the file: skip them and try the next part
            continue
    return line, column
