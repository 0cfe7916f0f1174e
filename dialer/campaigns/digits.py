"""What a pattern of telephone metadata says of all numbers that begin alike.

The patterns are regular expressions over digits. Read as automata they answer a question that `re`
cannot: after these first digits, does the pattern match *every* continuation of so many digits, or
none?
"""

from __future__ import annotations

from functools import cache


class UnknownPattern(Exception):
    """The pattern uses something that is not read here."""


class _Nfa:
    """States are numbers; `steps[state]` is (digits, next) or, for the digits None, a free step."""

    def __init__(self) -> None:
        self.steps: list[list[tuple[frozenset[int] | None, int]]] = []

    def state(self) -> int:
        self.steps.append([])
        return len(self.steps) - 1

    def join(self, start: int, digits: frozenset[int] | None, end: int) -> None:
        self.steps[start].append((digits, end))


_ANY = frozenset(range(10))


class _Reader:
    """Reads a pattern into an automaton, left to right."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0
        self.nfa = _Nfa()

    def whole(self) -> tuple[int, int]:
        start, end = self._alternatives()
        if self._at != len(self._text):
            raise UnknownPattern
        return start, end

    def _peek(self) -> str:
        return self._text[self._at] if self._at < len(self._text) else ""

    def _alternatives(self) -> tuple[int, int]:
        start, end = self.nfa.state(), self.nfa.state()
        while True:
            first, last = self._sequence()
            self.nfa.join(start, None, first)
            self.nfa.join(last, None, end)
            if self._peek() != "|":
                return start, end
            self._at += 1

    def _sequence(self) -> tuple[int, int]:
        first = last = self.nfa.state()
        while self._peek() not in ("", "|", ")"):
            last = self._item(last)
        return first, last

    def _item(self, start: int) -> int:
        """An atom with its number of times, from `start`; where it ends."""
        begin = self._at
        end = self._atom(start)
        after = self._at
        least, most = self._times()
        following = self._at
        if (least, most) == (1, 1):
            return end
        self.nfa.steps[start] = []  # read anew, so many times
        states = [start]
        for _ in range(most):
            self._at = begin
            states.append(self._atom(states[-1]))
            assert self._at == after, "an atom reads alike each time"
        self._at = following
        for early in states[least:-1]:
            self.nfa.join(early, None, states[-1])
        return states[-1]

    def _times(self) -> tuple[int, int]:
        sign = self._peek()
        if sign == "?":
            self._at += 1
            return 0, 1
        if sign != "{":
            if sign in ("*", "+"):
                raise UnknownPattern
            return 1, 1
        close = self._text.index("}", self._at)
        least, comma, most = self._text[self._at + 1 : close].partition(",")
        self._at = close + 1
        if comma and not most:
            raise UnknownPattern
        return int(least), int(most or least)

    def _atom(self, start: int) -> int:
        sign = self._peek()
        if sign == "(":
            self._at += 3 if self._text.startswith("(?:", self._at) else 1
            if self._peek() == "?":
                raise UnknownPattern
            inner, last = self._alternatives()
            if self._peek() != ")":
                raise UnknownPattern
            self._at += 1
            self.nfa.join(start, None, inner)
            end = self.nfa.state()
            self.nfa.join(last, None, end)
            return end
        end = self.nfa.state()
        self.nfa.join(start, self._digits(), end)
        return end

    def _digits(self) -> frozenset[int]:
        sign = self._peek()
        if sign.isdigit():
            self._at += 1
            return frozenset({int(sign)})
        if self._text.startswith("\\d", self._at):
            self._at += 2
            return _ANY
        if sign != "[":
            raise UnknownPattern
        close = self._text.index("]", self._at)
        inside, self._at = self._text[self._at + 1 : close], close + 1
        found: set[int] = set()
        at = 0
        while at < len(inside):
            if inside[at + 1 : at + 2] == "-":
                found.update(range(int(inside[at]), int(inside[at + 2]) + 1))
                at += 3
            elif inside[at].isdigit():
                found.add(int(inside[at]))
                at += 1
            else:
                raise UnknownPattern
        return frozenset(found)


class Pattern:
    """A pattern as a deterministic automaton, made as it is walked.

    `anywhere_after`: matched as soon as a beginning is, as `re.match` does; else as `re.fullmatch`.
    """

    def __init__(self, pattern: str, *, anywhere_after: bool = False) -> None:
        """Raises `UnknownPattern`."""
        reader = _Reader(pattern)
        try:
            start, self._end = reader.whole()
        except (ValueError, IndexError):
            raise UnknownPattern from None
        self._nfa = reader.nfa
        if anywhere_after:
            self._nfa.join(self._end, _ANY, self._end)
        self._known: dict[frozenset[int], int] = {}
        self._states: list[frozenset[int]] = []
        self._next: list[list[int]] = []  # -1: not walked yet
        self._constant: dict[tuple[int, int], bool | None] = {}
        self._start = self._state(self._closed({start}))

    def constant(self, beginning: str, rest: int) -> bool | None:
        """True or False when so every number is of these digits and `rest` more; else None."""
        state = self._start
        for digit in beginning:
            state = self._step(state, int(digit))
        return self._is_constant(state, rest)

    def _is_constant(self, state: int, rest: int) -> bool | None:
        if rest == 0:
            return self._end in self._states[state]
        key = (state, rest)
        if key not in self._constant:
            said = {self._is_constant(self._step(state, digit), rest - 1) for digit in range(10)}
            self._constant[key] = said.pop() if len(said) == 1 else None
        return self._constant[key]

    def _step(self, state: int, digit: int) -> int:
        found = self._next[state][digit]
        if found < 0:
            reached = {
                end
                for one in self._states[state]
                for digits, end in self._nfa.steps[one]
                if digits is not None and digit in digits
            }
            found = self._next[state][digit] = self._state(self._closed(reached))
        return found

    def _state(self, members: frozenset[int]) -> int:
        if members not in self._known:
            self._known[members] = len(self._states)
            self._states.append(members)
            self._next.append([-1] * 10)
        return self._known[members]

    def _closed(self, members: set[int]) -> frozenset[int]:
        """With all that free steps lead to."""
        found, todo = set(members), list(members)
        while todo:
            for digits, end in self._nfa.steps[todo.pop()]:
                if digits is None and end not in found:
                    found.add(end)
                    todo.append(end)
        return frozenset(found)


@cache
def pattern(text: str, *, anywhere_after: bool = False) -> Pattern | None:
    """None: the pattern is not understood, so nothing can be said."""
    try:
        return Pattern(text, anywhere_after=anywhere_after)
    except UnknownPattern:
        return None
