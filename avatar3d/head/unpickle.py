"""Reading pickles that others made, FLAME's above all, without running anything that is in them.

Whatever the pickle asks for is answered by an inert stand-in that only records; afterwards the records are checked and turned into
numpy arrays, scipy sparse matrices and plain containers. Any other name is refused.
"""

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any, Self

import numpy as np
import scipy.sparse

from avatar3d.errors import UserError
from avatar3d.files import read_bounded

MAX_BYTES = 1 << 30
MAX_DEPTH = 64
_DTYPES = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}
_SPARSE = {f"{kind}_{suffix}": kind for kind in ("csc", "csr", "coo") for suffix in ("matrix", "array")}


class _Refused(Exception):
    """The pickle asks for something that is not data."""


class _Malformed(Exception):
    """The pickle's data contradict themselves."""


class _Record:
    """Stands for an object of the pickle; keeps the state that the pickle gives it and does nothing."""

    __slots__ = ("state",)

    def __new__(cls, *_: Any) -> Self:
        record = super().__new__(cls)
        record.state = None
        return record

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Array(_Record):
    __slots__ = ()


class _Chumpy(_Record):
    __slots__ = ()


class _Csc(_Record):
    __slots__ = ()


class _Csr(_Record):
    __slots__ = ()


class _Coo(_Record):
    __slots__ = ()


class _Dtype(_Record):
    __slots__ = ("code",)

    def __new__(cls, code: Any = "", *_: Any) -> Self:
        record = super().__new__(cls)
        record.code = code
        return record


class _Call:
    """A function that a pickle may call. Slots and the refusal of state keep the pickle from altering it."""

    __slots__ = ("_function",)

    def __init__(self, function: Any) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise _Malformed("a function is given a state")


def _reconstruct_array(*_: Any) -> _Array:
    return _Array()


def _array_from_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> _Array:
    """Protocol 5 writes arrays as this call."""
    array = _Array()
    array.state = (1, shape, dtype, order == "F", bytes(data) if isinstance(data, (bytes, bytearray)) else data)
    return array


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """Python 3 writes bytes into old pickles as text and this call."""
    if not isinstance(text, str) or str(encoding).replace("-", "").lower() not in {"latin1", "iso88591"}:
        raise _Malformed("bytes in an unknown encoding")
    return text.encode("latin1")


def _reconstruct_object(kind: Any, base: Any = None, state: Any = None) -> _Record:
    if not (isinstance(kind, type) and issubclass(kind, _Record)):
        raise _Malformed("an object of no known kind")
    return kind()


def _scalar(dtype: Any, data: Any = b"") -> Any:
    return _array_of((), dtype, False, data)[()]


class _DataUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        package = module.partition(".")[0]
        if module in {"numpy.core.multiarray", "numpy._core.multiarray"} and name in {"_reconstruct", "scalar"}:
            return _Call(_reconstruct_array if name == "_reconstruct" else _scalar)
        if module in {"numpy.core.numeric", "numpy._core.numeric"} and name == "_frombuffer":
            return _Call(_array_from_buffer)
        if module == "numpy" and name in {"ndarray", "dtype"}:
            return _Array if name == "ndarray" else _Dtype
        if package == "scipy" and module.startswith("scipy.sparse") and name in _SPARSE:
            return {"csc": _Csc, "csr": _Csr, "coo": _Coo}[_SPARSE[name]]
        if package == "chumpy" and name.isidentifier():
            return _Chumpy
        if module == "_codecs" and name == "encode":
            return _Call(_encode)
        if module in {"copy_reg", "copyreg"} and name == "_reconstructor":
            return _Call(_reconstruct_object)
        if module in {"__builtin__", "builtins"} and name in {"object", "set", "frozenset"}:
            return _Record if name == "object" else _Call(list)
        if module == "collections" and name == "OrderedDict":
            return _Call(dict)
        raise _Refused(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        raise _Refused("an object outside the file")


def load_pickle(path: Path) -> Any:
    """The data in a pickle: numpy arrays (also where chumpy wrapped them), sparse matrices, numbers, text, containers.

    Raises:
        UserError: unreadable, no pickle, inconsistent, or asking for anything but data (it is named).
    """
    content = read_bounded(path, MAX_BYTES, "give the path of a head model")
    try:
        return _Resolver().resolve(_records(content, path), 0)
    except UserError:
        raise
    except _Refused as error:
        raise UserError(f"{path}: refused: the pickle asks for {error}, which is not data; get the file from its publisher") from error
    except (MemoryError, RecursionError) as error:
        raise UserError(f"{path}: refused: the pickle asks for more memory than its data take; get the file from its publisher") from error
    except Exception as error:  # A damaged pickle can raise anything at all, and none of it is our defect.
        reason = str(error).split("\n")[0] or type(error).__name__
        raise UserError(f"{path}: is damaged ({reason}); get the file again") from error


def _records(content: bytes, path: Path) -> Any:
    """What a pickle says, not yet made."""
    try:
        _check_memo(content)
        # Pickles of Python 2 hold arrays as 8-bit text.
        return _DataUnpickler(io.BytesIO(content), encoding="latin1").load()
    except (_Refused, MemoryError, RecursionError):
        raise
    except Exception as error:
        raise UserError(f"{path}: is no head model, or is damaged; give FLAME's file, or get it again") from error


def _check_memo(content: bytes) -> None:
    """Refuse memo numbers beyond the file's size: the unpickler would allocate a table of that length."""
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name in {"PUT", "BINPUT", "LONG_BINPUT"} and not 0 <= int(argument or 0) <= len(content):
            raise _Malformed("a memo number out of range")


def _array_of(shape: Any, dtype: Any, fortran: Any, data: Any) -> np.ndarray:
    code = dtype.code if isinstance(dtype, _Dtype) else ""
    code = code.decode("latin1") if isinstance(code, bytes) else str(code)
    if code not in _DTYPES:
        raise _Malformed(f"an array of type {code!r}")
    order = dtype.state[1] if isinstance(dtype.state, tuple) and len(dtype.state) > 1 else "<"
    order = order.decode("latin1") if isinstance(order, bytes) else str(order)
    kind = np.dtype((">" if order == ">" else "<") + code)
    if isinstance(data, str):
        data = data.encode("latin1")
    shape = tuple(shape) if isinstance(shape, tuple) else ()
    if not isinstance(data, bytes) or not all(isinstance(n, int) and n >= 0 for n in shape):
        raise _Malformed("an array without its numbers")
    count = 1
    for n in shape:
        count *= n
    if count * kind.itemsize != len(data):
        raise _Malformed(f"an array of shape {shape} with {len(data)} bytes")
    array = np.frombuffer(data, kind).reshape(shape, order="F" if fortran else "C")
    return array.astype(kind.newbyteorder("="))


class _Resolver:
    """Turns records into data, each once however often the pickle refers to it."""

    def __init__(self) -> None:
        self._done: dict[int, Any] = {}

    def resolve(self, item: Any, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise _Malformed("data nested too deeply")
        if isinstance(item, (str, bytes, int, float, bool, complex, np.generic, np.ndarray, type(None))):
            return item
        if id(item) not in self._done:
            self._done[id(item)] = self._make(item, depth + 1)
        return self._done[id(item)]

    def _make(self, item: Any, depth: int) -> Any:
        if isinstance(item, dict):
            return {self._key(key): self.resolve(value, depth) for key, value in item.items()}
        if isinstance(item, (list, tuple, set, frozenset)):
            return [self.resolve(value, depth) for value in item]
        if isinstance(item, _Array):
            state = item.state
            if not isinstance(state, tuple) or len(state) != 5:
                raise _Malformed("an array without its state")
            return _array_of(state[1], state[2], state[3], state[4])
        if isinstance(item, _Chumpy):
            # A chumpy object is an expression; the constants, which are all that model files hold, keep their array as x.
            state = item.state if isinstance(item.state, dict) else {}
            return self.resolve(state["x"], depth) if "x" in state else None
        if isinstance(item, (_Csc, _Csr, _Coo)):
            return self._sparse(item, depth)
        if isinstance(item, _Dtype):
            return str(item.code)
        return None

    @staticmethod
    def _key(key: Any) -> Any:
        if isinstance(key, bytes):
            return key.decode("latin1")
        return key if isinstance(key, (str, int, float, bool)) else str(type(key))

    def _sparse(self, item: _Record, depth: int) -> Any:
        state = self.resolve(item.state, depth) if isinstance(item.state, dict) else {}
        shape = state.get("_shape", state.get("shape"))
        names = ("row", "col") if isinstance(item, _Coo) else ("indices", "indptr")
        parts = [state.get(name) for name in ("data", *names)]
        if shape is None or len(shape) != 2 or not all(isinstance(part, np.ndarray) and part.ndim == 1 for part in parts):
            raise _Malformed("a sparse matrix without its numbers")
        rows, columns = (int(n) for n in shape)
        if not (0 <= rows <= 1 << 20 and 0 <= columns <= 1 << 20):
            raise _Malformed(f"a sparse matrix of shape {(rows, columns)}")
        if isinstance(item, _Coo):
            return scipy.sparse.coo_matrix((parts[0], (parts[1], parts[2])), (rows, columns)).tocsr()
        maker = scipy.sparse.csc_matrix if isinstance(item, _Csc) else scipy.sparse.csr_matrix
        matrix = maker((parts[0], parts[1], parts[2]), (rows, columns))
        matrix.check_format(full_check=True)
        return matrix.tocsr()
