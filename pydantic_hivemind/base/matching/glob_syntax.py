"""The syntax of globs: `*`, `?`, `[...]`, `{a,b}` and `**`, as wcmatch and shells have them."""

from __future__ import annotations

from collections.abc import Sequence as Many

from pydantic_hivemind.base.matching.characters import CharSet
from pydantic_hivemind.base.matching.expressions import EMPTY, Choice, Node, Repeat, Sequence
from pydantic_hivemind.errors import InvalidPattern
from pydantic_hivemind.limits import MAX_GLOB_ALTERNATIVES, MAX_GLOB_CHARS

_POSIX = {
    "alnum": ("09", "AZ", "az"),
    "alpha": ("AZ", "az"),
    "blank": ("  ", "\t\t"),
    "cntrl": ("\x00\x1f", "\x7f\x7f"),
    "digit": ("09",),
    "graph": ("!~",),
    "lower": ("az",),
    "print": (" ~",),
    "punct": ("!/", ":@", "[`", "{~"),
    "space": ("\t\r", "  "),
    "upper": ("AZ",),
    "word": ("09", "AZ", "az", "__"),
    "xdigit": ("09", "AF", "af"),
}
_SLASH = CharSet(((47, 47),))
_IN_NAME = CharSet(((47, 47),), negated=True)
_VISIBLE_START = CharSet(((46, 47),), negated=True)
_NEVER = CharSet()
_STAR = Repeat(_IN_NAME, 0, None)


def parse(pattern: str, *, under: str = "/", hidden: bool = True, braces: bool = True) -> Node:
    """Parse a glob that starts at a directory, into what matches the paths from the root.

    Args:
        pattern: The glob.
        under: A normal path, in which nothing is special.
        hidden: Whether wildcards match names that begin with a dot.
        braces: Whether `{a,b}` are alternatives.

    Raises:
        InvalidPattern: It stands for too many others.
    """
    texts = _expanded(pattern) if braces and "{" in pattern else [pattern]
    root = [_plain(name) for name in under.split("/") if name]
    names = [_names(text) for text in dict.fromkeys(texts)]
    return Sequence((*[part for name in root for part in (_SLASH, name)], _alternatives(names, hidden=hidden)))


def _expanded(pattern: str) -> list[str]:
    """The globs that one with braces stands for."""
    import bracex

    try:
        expanded: list[str] = []
        size = 0
        for text in bracex.iexpand(pattern, keep_escapes=True, limit=MAX_GLOB_ALTERNATIVES):
            size += len(text)
            if size > MAX_GLOB_CHARS:
                break
            expanded.append(text)
        else:
            return expanded
    except bracex.ExpansionLimitException:
        pass
    except RecursionError:
        raise InvalidPattern("the glob has too many braces in one another; search with several globs") from None
    raise InvalidPattern(
        f"the glob stands for too many others: at most {MAX_GLOB_ALTERNATIVES}, of {MAX_GLOB_CHARS} characters "
        "together; search with several globs"
    )


def _names(text: str) -> tuple[str, ...]:
    """The parts of a glob between slashes; an empty one at the end of what can only be a directory."""
    # Several slashes are one, and so are several `**`.
    names = [part for part in text.split("/") if part]
    names = [name for which, name in enumerate(names) if name != "**" or names[which - 1 : which] != ["**"]]
    return (*names, *([""] if text.endswith("/") or not names else []))


def _alternatives(globs: Many[tuple[str, ...]], *, hidden: bool) -> Node:
    """What matches one of several globs; what they begin with alike is written once."""
    options: list[Node] = []
    by_first: dict[str, list[tuple[str, ...]]] = {}
    for names in globs:
        by_first.setdefault(names[0], []).append(names[1:])
    for name, rests in by_first.items():
        ends = [rest for rest in rests if not rest]
        goes_on = [rest for rest in rests if rest]
        if ends:
            options.append(_part(name, last=True, hidden=hidden))
        if goes_on:
            options.append(Sequence((_part(name, last=False, hidden=hidden), _alternatives(goes_on, hidden=hidden))))
    return options[0] if len(options) == 1 else Choice(tuple(options))


def _part(name: str, *, last: bool, hidden: bool) -> Node:
    """What matches a slash and one name, or any number of them for `**`."""
    if name == "**":
        any_name = Sequence((_SLASH, _IN_NAME if hidden else _VISIBLE_START, _STAR))
        return Repeat(any_name, int(last), None)
    if not name:
        return _NEVER  # No path ends with a slash.
    return Sequence((_SLASH, _NameParser(name, hidden=hidden).parse()))


def _plain(text: str) -> Node:
    return Sequence(tuple(CharSet(((ord(char), ord(char)),)) for char in text))


class _NameParser:
    """Parses what stands between two slashes."""

    def __init__(self, text: str, *, hidden: bool) -> None:
        self._text = text
        self._hidden = hidden
        self._at = 0
        self._closes = True

    def parse(self) -> Node:
        nodes: list[Node] = []
        wild_start = self._text[0] in "*?["
        while self._at < len(self._text):
            node = self._next()
            if node is not None and not (node is _STAR and nodes and nodes[-1] is _STAR):
                nodes.append(node)
        if not nodes:
            return EMPTY
        if nodes == [_STAR]:
            return Sequence((_IN_NAME if self._hidden else _VISIBLE_START, _STAR))
        if self._hidden or not wild_start:
            return Sequence(tuple(nodes))
        if nodes[0] is _STAR:
            return Choice((Sequence((_VISIBLE_START, *nodes)), self._without_dot(nodes[1:])))
        return self._without_dot(nodes)

    def _without_dot(self, nodes: list[Node]) -> Node:
        """What matches the same, but no name that begins with a dot."""
        first = nodes[0]
        assert isinstance(first, CharSet)
        if first.negated:
            visible = CharSet((*first.ranges, (46, 46)), negated=True)
        else:
            parts = [part for low, high in first.ranges for part in ((low, min(high, 45)), (max(low, 47), high))]
            visible = CharSet(tuple((low, high) for low, high in parts if low <= high))
        return Sequence((visible, *nodes[1:]))

    def _next(self) -> Node | None:
        char = self._text[self._at]
        self._at += 1
        if char == "*":
            return _STAR
        if char == "?":
            return _IN_NAME
        if char == "[" and self._closes:
            found = self._bracket()
            if found is not None:
                return found
            # Nor is any that opens later, so that each character is looked at twice at most.
            self._closes = False
        if char == "\\":
            char = self._text[self._at : self._at + 1]
            self._at += 1
            if not char:
                return None
        return CharSet(((ord(char), ord(char)),))

    def _bracket(self) -> CharSet | None:
        """A class, after its bracket; `None` if it is not closed."""
        text, at = self._text, self._at
        negated = text[at : at + 1] in {"!", "^"}
        at += negated
        ranges: list[tuple[int, int]] = []
        first = True
        while first or text[at : at + 1] != "]":
            first = False
            name = text[at + 2 : text.find(":]", at + 2)] if text.startswith("[:", at) else ""
            if name in _POSIX:
                ranges += [(ord(low), ord(high)) for low, high in _POSIX[name]]
                at += len(name) + 4
                continue
            low, at = self._member(at)
            if text[at : at + 1] == "-" and text[at + 1 : at + 2] not in {"]", ""}:
                high, at = self._member(at + 1)
                ranges.append((ord(low or "\0"), ord(high or "\0")))
            elif low is not None:
                ranges.append((ord(low), ord(low)))
            if at >= len(text):
                return None
        self._at = at + 1
        ranges = [(low, high) for low, high in ranges if low <= high]
        if negated:
            return CharSet((*ranges, (47, 47)), negated=True)
        parts = [part for low, high in ranges for part in ((low, min(high, 46)), (max(low, 48), high))]
        return CharSet(tuple((low, high) for low, high in parts if low <= high))

    def _member(self, at: int) -> tuple[str | None, int]:
        """One character of a class, and where it ends."""
        at += self._text[at : at + 1] == "\\"
        return self._text[at : at + 1] or None, at + 1
