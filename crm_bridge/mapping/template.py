"""Texts with holes, in Jinja2 cut down to what a mapping needs.

A template looks up, chooses and formats. It has no loops, calls nothing but the filters below and
reaches nothing but the data it is given: fields are looked up as entries, so that no attribute of
a Python object can be named at all. What is not on the list of allowed nodes is refused when the
mapping is read, not when it runs. Together with the bounds on source and output this also bounds
the time a template takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import jinja2
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from crm_bridge.mapping.transforms import (
    TransformError,
    as_text,
    clock_text,
    digits,
    national,
    stable_uuid,
    strftime,
)

SOURCE_MAX = 8_000  # characters of one template
OUTPUT_MAX = 32_000  # characters it may make; CRM fields end long before

Path = tuple[str, ...]


class TemplateError(ValueError):
    """A template that is refused, or that fails. The text holds no data."""


class Trusted(str):
    """A text from the site's own settings: in a URL it is taken as it stands."""

    __slots__ = ()


def _replace(value: object, old: str, new: str) -> str:
    if not old:
        raise TransformError("replace needs a text to look for")
    text = as_text(value)
    if len(text) + text.count(old) * len(new) > OUTPUT_MAX:
        raise TransformError(f"replace makes more than {OUTPUT_MAX} characters")
    return text.replace(old, new)


def _truncate(value: object, length: int) -> str:
    return as_text(value)[: max(0, int(length))]


def _default(value: object, other: object = "") -> object:
    return other if value is None or value == "" or isinstance(value, jinja2.Undefined) else value


_FILTERS: dict[str, Any] = {
    "clock": clock_text,  # seconds as m:ss
    "default": _default,
    "digits": lambda value: digits(as_text(value)),
    "lower": lambda value: as_text(value).lower(),
    "national": lambda value, region="": national(as_text(value), region),
    "replace": _replace,
    "time": lambda value, form, zone="UTC": strftime(value, form, zone),
    "title": lambda value: as_text(value).title(),
    "trim": lambda value: as_text(value).strip(),
    "truncate": _truncate,
    "uuid": lambda value: stable_uuid(as_text(value)),
    "upper": lambda value: as_text(value).upper(),
}
_TESTS = ("defined", "none", "undefined")

_ALLOWED: tuple[type[nodes.Node], ...] = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getattr,
    nodes.Getitem, nodes.Filter, nodes.Test, nodes.CondExpr, nodes.Compare, nodes.Operand,
    nodes.And, nodes.Or, nodes.Not, nodes.If, nodes.Concat, nodes.List, nodes.Tuple, nodes.Add,
    nodes.Sub,
)  # fmt: skip


class _Sandbox(ImmutableSandboxedEnvironment):
    """Fields are entries of mappings and lists, and nothing else can be named."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Mapping) and isinstance(argument, str) and argument in obj:
            return obj[argument]
        if isinstance(obj, list | tuple) and isinstance(argument, int):
            return obj[argument] if -len(obj) <= argument < len(obj) else self.undefined()
        return self.undefined()


def _quoted(value: object) -> str:
    if isinstance(value, Trusted):
        return value
    return quote(as_text(_plain(value)), safe="", errors="replace")


def _plain(value: object) -> object:
    return None if isinstance(value, jinja2.Undefined) else value


def _environment(finalize: Any) -> _Sandbox:
    made = _Sandbox(
        undefined=jinja2.ChainableUndefined,
        finalize=finalize,
        keep_trailing_newline=True,
        optimized=False,  # or it works constants out while compiling, again and again, unbounded
    )
    made.globals.clear()
    made.filters.clear()
    made.filters.update(_FILTERS)
    made.tests = {name: made.tests[name] for name in _TESTS}
    return made


_TEXT = _environment(lambda value: as_text(_plain(value)))
_URL = _environment(_quoted)


class Template:
    """One template. `paths` are the fields it names, for a check against what there is.

    With `url` True everything that is put into it is percent-encoded, except `Trusted` texts.
    """

    def __init__(self, source: str, *, url: bool = False) -> None:
        environment = _URL if url else _TEXT
        if len(source) > SOURCE_MAX:
            raise TemplateError(f"is longer than {SOURCE_MAX} characters: shorten it")
        self.source = source
        self.paths: tuple[Path, ...] = ()
        self._compiled: jinja2.Template | None = None
        if not any(mark in source for mark in ("{{", "{%", "{#")):
            return  # a plain text
        try:
            tree = environment.parse(source)
            self.paths = tuple(_inspect(tree))
            self._compiled = environment.from_string(source)
        except jinja2.TemplateSyntaxError as error:
            raise TemplateError(f"is no template: {error.message}") from None
        except RecursionError:
            raise TemplateError("is nested too deeply: simplify it") from None
        except (NameError, SyntaxError):  # a number that Python cannot write down again: 1e999
            raise TemplateError("has a number that is none") from None

    def render(self, context: Mapping[str, Any]) -> str:
        if self._compiled is None:
            return self.source
        try:
            text = self._compiled.render(context)
        except (TransformError, TypeError, ValueError, ArithmeticError, NameError) as error:
            why = str(error) if isinstance(error, TransformError) else type(error).__name__
            raise TemplateError(f"cannot be filled in: {why}") from None
        except jinja2.TemplateError as error:
            raise TemplateError(f"cannot be filled in: {type(error).__name__}") from None
        if len(text) > OUTPUT_MAX:
            raise TemplateError(f"makes more than {OUTPUT_MAX} characters")
        return text


def _inspect(tree: nodes.Template) -> list[Path]:
    """The fields named; `TemplateError` for everything that is not allowed."""
    paths: list[Path] = []
    _walk(tree, paths)
    return paths


def _walk(node: nodes.Node, paths: list[Path]) -> None:
    if not isinstance(node, _ALLOWED):
        raise TemplateError(_refusal(node))
    if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
        raise TemplateError(f"has an unknown filter {node.name}; known: {', '.join(_FILTERS)}")
    if isinstance(node, nodes.Test) and node.name not in _TESTS:
        raise TemplateError(f"has an unknown test {node.name}; known: {', '.join(_TESTS)}")
    path = _path(node)
    if path is not None:
        for name in path:
            if name.startswith("_"):
                raise TemplateError(f"reaches outside its data: {name} is not a field")
        paths.append(path)
        return
    for child in node.iter_child_nodes():
        _walk(child, paths)


def _path(node: nodes.Node) -> Path | None:
    """`lead.fields["city"]` as ("lead", "fields", "city"); None for anything else."""
    if isinstance(node, nodes.Name):
        return (node.name,)
    if isinstance(node, nodes.Getattr):
        ahead = _path(node.node)
        return None if ahead is None else (*ahead, node.attr)
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        ahead = _path(node.node)
        return None if ahead is None else (*ahead, str(node.arg.value))
    return None


def _refusal(node: nodes.Node) -> str:
    line = f" (its line {node.lineno})" if node.lineno else ""
    if isinstance(node, nodes.For):
        return f"loops{line}: a mapping has no loops; name the fields it needs"
    if isinstance(node, nodes.Call | nodes.CallBlock):
        return f"calls something{line}: use filters only: {', '.join(_FILTERS)}"
    if isinstance(node, nodes.Include | nodes.Import | nodes.FromImport | nodes.Extends):
        return f"reaches outside its sandbox{line}: a mapping reads no other file"
    if isinstance(node, nodes.Mul | nodes.Pow):
        return f"multiplies{line}: that is not allowed, results could be of any size"
    return f"uses {type(node).__name__.lower()}{line}, which is not allowed in a mapping"
