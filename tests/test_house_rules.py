"""The rules of CONTRIBUTING.md that a machine can check."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from sklearn.utils import all_estimators

import skdist_gpu
from skdist_gpu.engines.registry import CATALOG

PACKAGE = Path(skdist_gpu.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
GPU = {"cupy", "cupyx", "cudf", "dask_cudf", "cuml", "dask_cuda", "rmm", "numba"}
BACKENDS = GPU | {"dask_ml", "xgboost"}
DASK = {"dask", "distributed", "dask_expr"}
MAY_IMPORT = {  # folder or file -> what it may import beside what all may
    "engines/": BACKENDS | DASK,
    "_compat/": BACKENDS | DASK,
    "data/containers/base.py": {"cupy"},
    "data/containers/cupy.py": {"cupy", "cupyx"},
    "data/containers/dask.py": DASK,
    "data/convert.py": DASK,
    "data/weights.py": DASK,
    "data/labels.py": {"cupy"},
    "scoring/lazy.py": {"cupy", "cudf"} | DASK,
    "hardware/cluster.py": DASK,
    "xgb/estimators.py": {"xgboost"},
    "cli/demo.py": {"xgboost"},  # calls it directly, to compare
}


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def _imports(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield module and imported names of every import in a file, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or "", [alias.name for alias in node.names]


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_only_engines_import_backends(path):
    allowed = set().union(*(libraries for where, libraries in MAY_IMPORT.items() if _name(path).startswith(where)))
    imported = {module.partition(".")[0] for module, _ in _imports(path)}
    assert not imported & (BACKENDS | DASK) - allowed


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_private_names_of_others_are_in_compat(path):
    private = [
        f"{module}.{name}"
        for module, names in _imports(path)
        if not module.startswith(("skdist_gpu", "__future__"))
        for name in [*module.split("."), *names]
        if name.startswith("_") and not name.startswith("__")
    ]
    assert _name(path).startswith("_compat/") or not private


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_files_are_short(path):
    assert len(path.read_text().splitlines()) < 400


def _products_by_operator(path: Path) -> Iterator[str]:
    """Yield the products by ``@`` in what classes of reductions do with rows."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef) and node.name.endswith("Reduction"):
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and method.name != "combine":
                    products = (n for n in ast.walk(method) if isinstance(n, ast.BinOp))
                    yield from (ast.unparse(n) for n in products if isinstance(n.op, ast.MatMult))


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("engines/reductions/*/*.py")), ids=_name)
def test_sums_over_rows_let_other_threads_run(path):
    """NumPy's ``@`` holds the interpreter's lock where the product is small; ``protocol.dot`` does not."""
    assert not list(_products_by_operator(path))


def _class(name: str) -> type:
    if name.startswith("XGB"):
        return getattr(pytest.importorskip("xgboost"), name)
    if "." in name:
        package, _, name = name.partition(".")
        return getattr(pytest.importorskip(package), name)
    return dict(all_estimators())[name]


@pytest.mark.parametrize("entry", CATALOG, ids=lambda e: f"{e.estimator}-{e.backend}-{e.device}")
def test_catalogue_names_real_estimators_and_parameters(entry):
    cls = _class(entry.estimator)
    assert {*entry.accepts, *entry.ignores} <= set(cls().get_params())
    assert entry.device in ("cpu", "gpu", "dask")
    assert (PACKAGE / "engines" / entry.backend.replace(".", "_") / "fit.py").exists()


def _defined(path: Path) -> set[str]:
    """Return the names that a module has at its top."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


ELSEWHERE = sorted(path for folder in ("tests/gpu", "benchmarks") for path in (PACKAGE.parent / folder).glob("*.py"))


@pytest.mark.parametrize("path", ELSEWHERE, ids=lambda path: path.name)
def test_what_runs_on_other_machines_imports_names_that_are_there(path):
    """No GPU is needed to see that a name has moved."""
    for module, names in _imports(path):
        if module.partition(".")[0] == "skdist_gpu":
            folder = PACKAGE.parent.joinpath(*module.split("."))
            file = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
            submodules = {other.stem for other in folder.glob("*.py")}
            assert set(names) <= _defined(file) | submodules, f"{module} has no such names"
