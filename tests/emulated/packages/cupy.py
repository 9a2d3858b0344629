"""What the GPU executors take from CuPy, done by NumPy; kernels are compiled for the processor.

Arrays know of no host: a function of NumPy's that mixes them with its own raises, as CuPy's do.
"""

import ctypes
import re
import subprocess
import tempfile
from collections import deque
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from threading import Lock, RLock, local
from types import MappingProxyType, SimpleNamespace

import numpy as np
from emulated.kernel_text import for_the_processor

HEADER = Path(__file__).parents[1] / "cuda.h"
FOLDER = Path(tempfile.mkdtemp())
# the names of the kernels that were started, the bytes of copies each way, and texts with what the compiler was told
started, copied, compiled = [], [], []
_one_at_a_time = Lock()


class ndarray(np.ndarray):
    """An array that only the device has."""

    @property
    def device(self):
        return Device()

    @property
    def data(self):
        return SimpleNamespace(ptr=self.ctypes.data)

    def get(self):
        copied.append(self.nbytes)
        return np.array(self).view(np.ndarray)

    def set(self, values):
        copied.append(values.nbytes)
        self[...] = values

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **options):
        for value in (*inputs, *out):
            if isinstance(value, np.ndarray) and not isinstance(value, ndarray) and value.ndim:
                raise TypeError("Unsupported type <class 'numpy.ndarray'>")
        if out:
            options["out"] = tuple(value.view(np.ndarray) for value in out)
        plain = [value.view(np.ndarray) if isinstance(value, ndarray) else value for value in inputs]
        result = getattr(ufunc, method)(*plain, **options)
        return out[0] if out else _on_device(result)

    def __getitem__(self, key):
        return _on_device(super().__getitem__(key))

    def __iter__(self):
        return (self[i] for i in range(len(self)))


def _method(name):
    return lambda self, *args, **options: _on_device(getattr(self.view(np.ndarray), name)(*args, **options))


for _name in ("sum", "min", "max", "mean", "all", "any", "argmin", "argmax", "std"):
    setattr(ndarray, _name, _method(_name))


def _on_device(result):
    if isinstance(result, (tuple, list)):
        return type(result)(map(_on_device, result))
    return np.asarray(result).view(ndarray) if isinstance(result, (np.ndarray, np.generic)) else result


def asarray(values, dtype=None):
    if isinstance(values, ndarray):
        return values if dtype is None else values.astype(dtype, copy=False)
    copied.append(np.asarray(values).nbytes)
    return np.array(values, dtype).view(ndarray)


def asnumpy(values):
    return values.get() if isinstance(values, ndarray) else np.asarray(values)


def empty(shape, dtype=np.float64):
    # what nobody wrote is not zero by luck
    return np.full(shape, np.nan if np.dtype(dtype).kind == "f" else 77, dtype).view(ndarray)


def __getattr__(name):
    found = getattr(np, name)
    if isinstance(found, type) or not callable(found):
        return found
    return lambda *args, **options: _on_device(found(*args, **options))


class Device:
    attributes = MappingProxyType(
        {"MultiProcessorCount": 2, "MaxSharedMemoryPerBlockOptin": 232_448, "MaxRegistersPerMultiprocessor": 65_536}
    )
    compute_capability, id = "90", 0

    def __init__(self, number=0):
        pass

    def use(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        pass


class Stream:
    """A stream that copies as late as a device may: when somebody waits for it, or computes there."""

    def __init__(self, **options):
        self.waiting, self.n_given, self.n_done, self.lock = deque(), 0, 0, RLock()
        self.ptr = len(streams)
        streams.append(self)

    def give(self, work):
        with self.lock:
            self.waiting.append(work)
            self.n_given += 1

    def run(self, n):
        with self.lock:
            while self.n_done < n:
                self.waiting.popleft()()
                self.n_done += 1

    def synchronize(self):
        self.run(self.n_given)

    def record(self, event=None):
        event = event or Event()
        event.record(self)
        return event

    def wait_event(self, event):
        given = event.given
        if self.ptr:
            self.give(lambda: Event.run(given))
        else:
            Event.run(given)

    def __enter__(self):
        self.synchronize()
        return self

    def __exit__(self, *exc_info):
        pass

    def begin_capture(self):
        capture.works = []

    def end_capture(self):
        works, capture.works = capture.works, None
        return Graph(works)


class Graph:
    """Kernels and copies that were captured in place of running."""

    def __init__(self, works):
        self.works = works

    def launch(self):
        for work in self.works:
            work()


class Event:
    given = ()

    def __init__(self, **options):
        pass

    def record(self, stream):
        self.given = (stream, stream.n_given)

    def synchronize(self):
        self.run(self.given)

    @staticmethod
    def run(given):
        if given:
            stream, n = given
            stream.run(n)


# the works of the graph that a thread captures, if it does
capture = local()
# the first one is that of kernels, which compute at once
streams = []
_default = Stream()


class MemoryPool:
    malloc = None

    def total_bytes(self):
        return 0


class PinnedMemory:
    def __init__(self, size, flags=0):
        self.size, self.ptr = size, 0
        if size:
            self.memory = np.empty(size, np.uint8)
            self.ptr = self.memory.ctypes.data


def _pinned_pointer(memory, offset):
    pointer = type("PinnedMemoryPointer", (ctypes.c_uint8 * memory.size,), {}).from_address(memory.ptr + offset)
    pointer.mem = memory
    return pointer


class PinnedMemoryPool:
    def __init__(self, allocator):
        self.malloc = allocator


def _memcpy(to, source, n_bytes, kind, stream):
    if getattr(capture, "works", None) is not None:
        capture.works.append(partial(_memcpy, to, source, n_bytes, kind, 0))
        return
    copied.append(n_bytes)
    if stream:
        streams[stream].give(partial(ctypes.memmove, to, source, n_bytes))
    else:
        ctypes.memmove(to, source, n_bytes)


runtime = SimpleNamespace(
    CUDARuntimeError=RuntimeError,
    hostRegister=lambda address, size, flags: None,
    hostUnregister=lambda address: None,
    memcpyAsync=_memcpy,
    memcpyHostToDevice=1,
    memcpyDeviceToHost=2,
    memGetInfo=lambda: (10**10, 10**10),
    getDevice=lambda: 0,
    getDeviceCount=lambda: 1,
)
cuda = SimpleNamespace(
    Device=Device,
    Stream=Stream,
    Event=Event,
    MemoryPool=MemoryPool,
    PinnedMemory=PinnedMemory,
    PinnedMemoryPointer=_pinned_pointer,
    PinnedMemoryPool=PinnedMemoryPool,
    runtime=runtime,
    get_current_stream=lambda: _default,
    using_allocator=lambda allocator: nullcontext(),
)


class RawModule:
    """Kernels of a text, whose shared memory and tensor cores are those of ``cuda.h``."""

    def __init__(self, code, options=(), enable_cooperative_groups=False):
        compiled.append((code, tuple(options)))
        text = for_the_processor(code)
        launches = ""
        for name, parameters in re.findall(r"__global__ void (?:__launch_bounds__\([^)]*\) )?(\w+)\(([^)]*)\)", code):
            types = [re.sub(r"\s*\w+$", "", p.strip()).replace("__restrict__", "") for p in parameters.split(",")]
            values = ", ".join(f"*({kind}*)values[{i}]" for i, kind in enumerate(types))
            launches += f"""
            extern "C" const char* run_{name}(int grid_x, int grid_y, int n_threads, void** values, int n_shared) {{
                const auto run = [=] {{ {name}({values}); }};
                return launch(grid_x, n_threads, run, grid_y, {int(enable_cooperative_groups)}, n_shared);
            }}\n"""
        folder = Path(tempfile.mkdtemp(dir=FOLDER))
        source, library = folder / "kernels.cpp", folder / "kernels.so"
        source.write_text(f'#include "{HEADER}"\n{text}\n{launches}')
        defined = [option for option in options if option.startswith("-D")]
        command = ["g++", "-O1", "-std=c++20", "-shared", "-fPIC", "-w", *defined, str(source), "-o", str(library)]
        subprocess.run(command, check=True)
        self.library = ctypes.CDLL(str(library))

    def compile(self):
        pass

    def get_function(self, name):
        return _Kernel(name, getattr(self.library, f"run_{name}"))


class _Kernel:
    num_regs = 128

    def __init__(self, name, run):
        self.name, self.run = name, run
        run.restype = ctypes.c_char_p

    def __call__(self, grid, block, args, shared_mem=0):
        if getattr(capture, "works", None) is not None:
            capture.works.append(partial(self, grid, block, args, shared_mem))
            return
        started.append(self.name)
        cells = [np.asarray(a.ctypes.data if isinstance(a, ndarray) else a) for a in args]
        pointers = (ctypes.c_void_p * len(cells))(*(cell.ctypes.data for cell in cells))
        with _one_at_a_time:
            fault = self.run(*map(int, (*grid, 1)[:2]), int(block[0]), pointers, int(shared_mem))
        assert fault is None, f"{self.name} {fault.decode()}"
