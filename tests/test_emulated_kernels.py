"""Kernels for GPUs, run by the processor: what they compute, not how fast.

The text of a kernel is compiled as C++ with what it takes from CUDA in ``emulated/cuda.h``: threads of a block
take turns, and a product of tensor cores is the sum that NVIDIA's manual says it is.
"""

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from emulated.kernel_text import for_the_processor
from numpy.testing import assert_allclose

from skdist_gpu.engines.executors import gram_parts
from skdist_gpu.engines.reductions.columns.columns import ColumnReduction

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler"),
]

KERNELS = Path(gram_parts.__file__).parent
HEADER = Path(__file__).parent / "emulated" / "cuda.h"
RUN_GRAM = """
extern "C" const char* run_gram(
    int grid, const T* X, long long row_step, long long column_step, const void* y, long long y_row_step,
    long long y_column_step, const double* weight, long long n_rows, int n_features, int n_targets, int first,
    int second, bool wide_y, bool by_rows, bool flat, int stage_bytes, int y_at, int weight_at, double* partials,
    double* pilot
) {
    return launch(grid, THREADS, [=] {
        gram(X, row_step, column_step, y, y_row_step, y_column_step, weight, nullptr, n_rows, n_features, n_targets,
             first, second, wide_y, by_rows, flat, stage_bytes, y_at, weight_at, partials, pilot);
    });
}
extern "C" void run_add_up(const double* partials, int n_slots, int n_columns, int first, int second, double* sums) {
    launch(SLOT / 32, 256, [=] { add_up(partials, n_slots, n_columns, first, second, sums); });
}
"""
RUN_COLUMNS = """
extern "C" void run_columns(
    int grid, const T* X, long long row_step, long long column_step, const double* weight, long long n_rows,
    int n_columns, int at_once, bool skip_nan, double* pilot, double* partials
) {
    launch(1, THREADS, [=] { pilot_of(X, row_step, column_step, n_rows, n_columns, pilot); });
    launch(grid, THREADS, [=] {
        columns(X, row_step, column_step, weight, pilot, n_rows, n_columns, at_once, skip_nan, partials);
    });
}
extern "C" void run_centre(double* sums, const double* pilot, int n_columns) {
    launch(1, THREADS, [=] { centre(sums, pilot, n_columns); });
}
extern "C" void run_class_totals(const TARGET* y, const double* weight, long long n_rows, int n_classes, double* sums) {
    launch(2, 128, [=] { class_totals(y, weight, n_rows, n_classes, sums); });
}
extern "C" void run_some_rows(const unsigned* from, long long n_words, long long every, long long n, unsigned* to) {
    launch(2, THREADS, [=] { some_rows(from, n_words, every, n, to); });
}
"""


def emulated(names, words, folder, run):
    """Compile the kernels of files for the processor."""
    text = for_the_processor("".join((KERNELS / name).read_text() for name in names))
    source, library = folder / "kernels.cpp", folder / "kernels.so"
    source.write_text(f'#include "{HEADER}"\n{text}\n{run}')
    options = ["-O1", "-std=c++20", "-shared", "-fPIC", "-pthread", "-w"]
    defined = [f"-D{word}={value}" for word, value in words.items()]
    subprocess.run(["g++", *options, *defined, str(source), "-o", str(library)], check=True)
    return ctypes.CDLL(str(library))


def address(values):
    return None if values is None else ctypes.c_void_p(values.ctypes.data)


def products(X, y, weight, folder):
    """Return the products of [X y] less the pilot and ones, and the pilot, by blocks of two on the processor."""
    (n_rows, n_features), n_targets = X.shape, 0 if y is None else 1
    n_columns = n_features + n_targets
    sums, pilot = np.full((n_columns + 1, n_columns + 1), np.nan), np.full(n_columns, np.nan)
    row_step, column_step = (stride // X.itemsize for stride in X.strides)
    by_rows = column_step == 1
    for i, part in enumerate(gram_parts.parts_of(n_columns)):
        own = folder / str(i)
        own.mkdir()
        words = gram_parts.words_of(part, {4: "float", 8: "double"}[X.itemsize])
        library = emulated(["common.cu", "gram_kernels.cu"], words, own, RUN_GRAM)
        flat = i == 0 and by_rows and row_step == n_features <= part.width
        layout = part.layout(n_features, n_targets, X.itemsize, by_rows=by_rows, flat=flat, weighted=weight is not None)
        grid = min(2, -(-n_rows // part.step))
        partials = np.full((grid * part.groups, part.slot), np.nan)
        integer, long, flag = ctypes.c_int, ctypes.c_longlong, ctypes.c_bool
        library.run_gram.restype = ctypes.c_char_p
        fault = library.run_gram(
            *(integer(grid), address(X), long(row_step), long(column_step), address(y), long(1), long(1)),
            *(address(weight), long(n_rows), integer(n_features), integer(n_targets)),
            *(integer(part.first), integer(part.second), flag(True), flag(by_rows), flag(flat), *map(integer, layout)),
            *(address(partials), address(pilot)),
        )
        assert fault is None, fault
        places = (integer(n_columns + 1), integer(part.first), integer(part.second))
        library.run_add_up(address(partials), integer(len(partials)), *places, address(sums))
    return sums, pilot


@pytest.mark.parametrize(
    ("n_rows", "n_columns", "dtype", "order", "weighted"),
    [
        (333, 8, np.float32, "C", False),
        (161, 31, np.float64, "C", True),
        (5, 50, np.float32, "F", False),
        (77, 100, np.float32, "C", True),
        (40, 150, np.float64, "F", True),
        (70, 200, np.float32, "C", True),
    ],
)
def test_products_of_rows(n_rows, n_columns, dtype, order, weighted, tmp_path):
    generator = np.random.default_rng(n_columns)
    X = np.asarray(generator.normal(100, 2, (n_rows, n_columns)), dtype, order=order)
    y = generator.normal(7, size=n_rows)
    weight = generator.uniform(size=n_rows) * (generator.uniform(size=n_rows) > 0.1) if weighted else None
    found, pilot = products(X, y, weight, tmp_path)
    few = np.arange(min(64, n_rows)) * n_rows // min(64, n_rows)
    table = np.column_stack([X.astype(np.float64), y])
    assert_allclose(pilot, table[few].mean(axis=0), rtol=1e-14)
    table = np.column_stack([table - pilot, np.ones(n_rows)])
    expected = (table.T * (1 if weight is None else weight)) @ table
    assert_allclose(found, expected, rtol=0, atol=1e-13 * np.abs(expected).max())


@pytest.mark.parametrize("n_columns", [1, 15, 16, 47, 100, 126, 127, 128, 150, 191, 200, 255])
def test_parts_give_each_product_once(n_columns):
    times = np.zeros((n_columns + 1, n_columns + 1), int)
    for part in gram_parts.parts_of(n_columns):
        for i in range(n_columns + 1):
            for j in range(i + 1):
                line, other = (i - part.first) // 16, (j - (part.second if part.oblong else part.first)) // 16
                lines = part.oblong or part.lines
                others = part.lines - part.oblong
                times[i, j] += 0 <= line < lines and 0 <= other < others
    np.testing.assert_array_equal(times, np.tril(np.ones_like(times)))


@pytest.fixture(name="column_kernels", scope="module")
def _column_kernels(tmp_path_factory):
    words = {"VALUE": "float", "TARGET": "long long", "THREADS": 256, "PILOT_ROWS": 64}
    return emulated(["column_kernels.cu"], words, tmp_path_factory.mktemp("columns"), RUN_COLUMNS)


@pytest.mark.parametrize("skip_nan", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("n_rows", "n_columns", "order"), [(3, 1, "C"), (1_237, 20, "C"), (301, 256, "C"), (77, 1, "F")]
)
def test_moments_of_columns(column_kernels, n_rows, n_columns, order, weighted, skip_nan):
    generator = np.random.default_rng(n_rows)
    X = np.asarray(generator.normal(100, 2, (n_rows, n_columns)), np.float32, order=order)
    if skip_nan:
        X[generator.uniform(size=X.shape) < 0.1] = np.nan
    weight = generator.uniform(size=n_rows) * (generator.uniform(size=n_rows) > 0.1) if weighted else None
    at_once, grid = n_columns if order == "C" else 1, 2
    pilot, partials = np.empty(n_columns), np.full((grid, 3 * n_columns), np.nan)
    integer, long, flag = ctypes.c_int, ctypes.c_longlong, ctypes.c_bool
    steps = (long(stride // X.itemsize) for stride in X.strides)
    column_kernels.run_columns(
        *(integer(grid), address(X), *steps, address(weight), long(n_rows), integer(n_columns), integer(at_once)),
        *(flag(skip_nan), address(pilot), address(partials)),
    )
    sums = partials.sum(axis=0)
    column_kernels.run_centre(address(sums), address(pilot), integer(n_columns))
    expected = ColumnReduction(skip_nan).map(X, None, weight)
    for found, name in zip(sums.reshape(3, -1), ("weight", "mean", "scatter"), strict=True):
        assert_allclose(found, getattr(expected, name), rtol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_weights_of_classes(column_kernels, weighted):
    generator = np.random.default_rng(0)
    y, weight = generator.integers(0, 5, 1_001), generator.uniform(size=1_001) if weighted else None
    sums = np.full((2, 6), np.nan)
    column_kernels.run_class_totals(
        address(y), address(weight), ctypes.c_longlong(1_001), ctypes.c_int(6), address(sums)
    )
    assert_allclose(sums.sum(axis=0), np.bincount(y, weight, 6), rtol=1e-13)


def test_some_of_the_rows(column_kernels):
    rows = np.arange(2_002.0).reshape(1_001, 2)
    some = np.empty((334, 2))
    column_kernels.run_some_rows(address(rows), *map(ctypes.c_longlong, (4, 3, 334)), address(some))
    np.testing.assert_array_equal(some, rows[::3])
