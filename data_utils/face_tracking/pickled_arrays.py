"""Arrays of a dictionary that numpy pickled into a .npy file, read without unpickling: nothing in the file is called.

The file's opcodes are parsed by :mod:`pickletools` and followed by a small machine that knows numbers, strings, tuples,
lists, dictionaries and arrays of numbers; whatever else the file would have made is only a name. The opcodes: PEP 307
and PEP 3154; the .npy header: NEP 1.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arguments.errors import EGSTalkerError

_LARGEST = 1 << 30  # bytes of a file
_NUMBERS = re.compile(r"[<>|=]?[biuf][1248]")
_ARRAY = {("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct")}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_MARK = object()


@dataclass(frozen=True)
class _Name:
    """A module's member that the file mentions, or what calling it would have made; it is never looked up."""

    module: str
    name: str


@dataclass
class _Type:
    code: str


@dataclass
class _Pending:
    """An array, as yet without its state (version, shape, type, whether Fortran's order, content)."""

    state: tuple = ()


def read_pickled_arrays(path: Path) -> dict[str, NDArray]:
    """The arrays of numbers in the dictionary of a .npy file, by name; entries of other kinds are left out.

    Raises:
        EGSTalkerError: the file is missing, damaged, or holds anything but such a dictionary.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError("the file is too large")
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            if version != (1, 0):
                raise ValueError("unknown version")
            shape, _, _ = np.lib.format.read_array_header_1_0(file)
            content = _result(file.read())
        if shape != () or not isinstance(content, _Pending):
            raise ValueError("no dictionary")
        (entries,) = content.state[4]
        arrays = {name: _array(value) for name, value in entries.items() if isinstance(value, _Pending)}
    except FileNotFoundError:
        raise EGSTalkerError(f"{path} is missing") from None
    except Exception as error:  # numpy's header parser and pickletools raise many types on damaged files
        raise EGSTalkerError(
            f"{path} is not a dictionary of arrays as numpy.save writes it; download it again"
        ) from error
    return arrays


def _array(pending: _Pending) -> NDArray:
    _, shape, kind, fortran, content = pending.state
    if not isinstance(kind, _Type) or not _NUMBERS.fullmatch(kind.code) or not isinstance(content, bytes):
        raise ValueError("not an array of numbers")
    return np.frombuffer(content, np.dtype(kind.code)).reshape(shape, order="F" if fortran else "C")


def _result(pickle: bytes) -> Any:
    """What a pickle's opcodes leave on the stack."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    argument: Any
    for opcode, argument, _ in pickletools.genops(pickle):
        name = opcode.name
        if name in ("PROTO", "FRAME"):
            continue
        if name == "STOP":
            return stack.pop()
        if name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            memo[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(memo[argument])
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name == "MARK":
            stack.append(_MARK)
        elif name == "GLOBAL":
            stack.append(_Name(*argument.split(" ")))
        elif name in _OPERATIONS:
            _OPERATIONS[name](stack)
        elif argument is not None and isinstance(argument, (int, float, str, bytes)):
            stack.append(argument)
        else:
            raise ValueError(f"{name} has no place in a dictionary of arrays")
    raise ValueError("the pickle does not end")


def _since_mark(stack: list) -> list:
    start = len(stack) - 1 - stack[::-1].index(_MARK)
    items = stack[start + 1 :]
    del stack[start:]
    return items


def _tuple(size: int) -> Callable[[list], None]:
    def apply(stack: list) -> None:
        items = tuple(stack[len(stack) - size :])
        del stack[len(stack) - size :]
        stack.append(items)

    return apply


def _reduce(stack: list) -> None:
    arguments, called = stack.pop(), stack.pop()
    if not isinstance(called, _Name):
        raise ValueError("something is called that is no name")
    made: Any = called
    if (called.module, called.name) in _ARRAY:
        made = _Pending()
    elif (called.module, called.name) == ("numpy", "dtype"):
        made = _Type(str(arguments[0]))
    elif (called.module, called.name) == ("_codecs", "encode") and arguments[1] == "latin1":
        made = arguments[0].encode("latin1")  # how protocol 2 writes bytes
    stack.append(made)


def _build(stack: list) -> None:
    state, built = stack.pop(), stack[-1]
    if isinstance(built, _Type):
        if state[1] in ("<", ">"):
            built.code = state[1] + built.code.lstrip("<>|=")
    elif isinstance(built, _Pending):
        built.state = state
    elif not isinstance(built, _Name):
        raise ValueError("a state is given to what has none")


def _set_items(stack: list) -> None:
    items = _since_mark(stack)
    stack[-1].update(zip(items[::2], items[1::2], strict=True))


def _set_item(stack: list) -> None:
    value, key = stack.pop(), stack.pop()
    stack[-1].update({key: value})


def _append(stack: list) -> None:
    value = stack.pop()
    stack[-1].extend([value])


def _stack_global(stack: list) -> None:
    name, module = stack.pop(), stack.pop()
    stack.append(_Name(module, name))


_OPERATIONS: dict[str, Callable[[list], None]] = {
    "EMPTY_DICT": lambda stack: stack.append({}),
    "EMPTY_LIST": lambda stack: stack.append([]),
    "TUPLE": lambda stack: stack.append(tuple(_since_mark(stack))),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "APPEND": _append,
    "APPENDS": lambda stack: stack[-2 - stack[::-1].index(_MARK)].extend(_since_mark(stack)),
    "SETITEM": _set_item,
    "SETITEMS": _set_items,
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _reduce,
    "BUILD": _build,
}
