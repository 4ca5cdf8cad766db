"""Fork safety: no thread is in a database while the process forks, and the child inherits no connections or locks.

SQLite assumes that a child holds the file locks of inherited connections, and a lock that another thread holds during
a fork stays locked in the child.
"""

from __future__ import annotations

# First, though it is not used here: hooks are called in the opposite order before a fork, and ours has to come before
# this module's and that of logging, which it imports. They take locks for which those who are inside a gate may wait.
import concurrent.futures.thread  # noqa: F401  # pyright: ignore[reportUnusedImport]
import os
import threading
import weakref
from collections.abc import Callable
from typing import NamedTuple, Protocol


class Forking(Protocol):
    """Interface of objects that need to be notified of forks."""

    def before_fork(self) -> None:
        """Release everything that a child must not inherit."""
        ...

    def after_fork(self) -> None:
        """Replace the parent's locks in the child."""
        ...


class Gate:
    """A gate that admits any number of threads, and none during a fork."""

    def __init__(self, owner: Forking) -> None:
        self._owner = owner
        self._reset()
        _gates.add(weakref.ref(self, _gates.discard))

    def _reset(self) -> None:
        # Entered by itself: the condition's own way in is a detour.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._inside = 0
        self._forks = 0

    def enter(self) -> None:
        """Wait until no fork is in progress, and delay forks until `leave`."""
        with self._lock:
            while self._forks:
                self._changed.wait()
            self._inside += 1

    def leave(self) -> None:
        """Allow forks to continue."""
        with self._lock:
            self._inside -= 1
            if self._forks:
                self._changed.notify_all()

    def shut(self) -> None:
        """Wait until no thread is inside, and admit none."""
        with self._changed:
            self._forks += 1
            self._changed.wait_for(lambda: not self._inside)
        self._owner.before_fork()

    def open(self) -> None:
        """Admit threads again, in the parent after the fork."""
        with self._changed:
            self._forks -= 1
            self._changed.notify_all()

    def renew(self) -> None:
        """Reset in the child."""
        self._reset()
        self._owner.after_fork()


class Lock:
    """A lock that is unlocked in a forked child, whoever held it in the parent. Its holder may enter a gate."""

    def __init__(self) -> None:
        self.renew()
        _locks.add(weakref.ref(self, _locks.discard))

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def renew(self) -> None:
        """Reset in the child."""
        self._lock = threading.Lock()


class _Hooks(NamedTuple):
    before: Callable[[], None]
    in_parent: Callable[[], None]
    in_child: Callable[[], None]


def around(before: Callable[[], None], in_parent: Callable[[], None], in_child: Callable[[], None]) -> None:
    """Register functions to call around every fork, as `os.register_at_fork` does, while all gates are shut.

    Threads inside a gate may wait for a lock that `before` takes; a thread that holds it must not enter a gate.
    """
    _hooks.append(_Hooks(before, in_parent, in_child))


_hooks: list[_Hooks] = []

# Plain sets: to list one is one step, which other threads cannot come between.
_gates: set[weakref.ref[Gate]] = set()
_locks: set[weakref.ref[Lock]] = set()
_shut = threading.local()


def _all_gates() -> list[Gate]:
    return [gate for known in list(_gates) if (gate := known()) is not None]


def _before() -> None:
    _shut.gates = _all_gates()
    for gate in _shut.gates:
        gate.shut()
    for hooks in _hooks:
        hooks.before()


def _after_in_parent() -> None:
    for hooks in _hooks:
        hooks.in_parent()
    for gate in _shut.gates:
        gate.open()
    del _shut.gates


def _after_in_child() -> None:
    for hooks in _hooks:
        hooks.in_child()
    for lock in [lock for known in list(_locks) if (lock := known()) is not None]:
        lock.renew()
    for gate in _all_gates():
        gate.renew()
    del _shut.gates


# Windows has no forks.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
