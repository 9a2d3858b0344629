"""The rules of CONTRIBUTING.md that a machine can check."""

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from sklearn.utils import all_estimators

import skdist_gpu
from skdist_gpu.data.containers import DASK as DASK_CONTAINERS
from skdist_gpu.data.containers import FRAMES, HOST
from skdist_gpu.data.containers import GPU as GPU_CONTAINERS
from skdist_gpu.engines.registry import catalogue, engines

PACKAGE = Path(skdist_gpu.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
GPU = {"cupy", "cupyx", "cudf", "dask_cudf", "cuml", "dask_cuda", "rmm", "numba"}
BACKENDS = GPU | {"dask_ml", "xgboost", "sklearnex", "daal4py", "onedal"}
DASK = {"dask", "distributed", "dask_expr"}
MAY_IMPORT = {  # folder or file -> what it may import beside what all may
    "engines/": BACKENDS | DASK,
    "_compat/": BACKENDS | DASK,
    "data/containers/base.py": {"cupy"},
    "data/containers/cupy.py": {"cupy", "cupyx"},
    "data/containers/dask.py": DASK,
    "data/blocks.py": DASK,
    "data/convert.py": DASK,
    "data/gather.py": DASK,
    "data/weights.py": DASK,
    "data/labels.py": {"cupy"},
    "scoring/lazy.py": DASK,
    "hardware/cluster.py": DASK,
    "xgb/estimators.py": {"xgboost"},
    "cli/demo.py": {"xgboost"},  # calls it directly, to compare
}


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@cache
def _imports(path: Path) -> list[tuple[str, list[str]]]:
    """Return module and imported names of every import in a file, also inside functions."""
    found: list[tuple[str, list[str]]] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(alias.name, []) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.append((node.module or "", [alias.name for alias in node.names]))
    return found


def test_only_engines_import_backends():
    found = []
    for path in FILES:
        allowed = set().union(*(libraries for where, libraries in MAY_IMPORT.items() if _name(path).startswith(where)))
        imported = {module.partition(".")[0] for module, _ in _imports(path)}
        found += [f"{_name(path)}: {library}" for library in imported & (BACKENDS | DASK) - allowed]
    assert not found


def test_private_names_of_others_are_in_compat():
    assert not [
        f"{_name(path)}: {module}.{name}"
        for path in FILES
        if not _name(path).startswith("_compat/")
        for module, names in _imports(path)
        if not module.startswith(("skdist_gpu", "__future__"))
        for name in [*module.split("."), *names]
        if name.startswith("_") and not name.startswith("__")
    ]


def _members(path: Path) -> set[str]:
    """Return the names that the classes of a file give to methods, fields and attributes."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            found |= {member.name for member in node.body if isinstance(member, ast.FunctionDef)}
            fields = (
                name for member in node.body if not isinstance(member, ast.FunctionDef) for name in ast.walk(member)
            )
            found |= {name.id for name in fields if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)}
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self":
            found.add(node.attr)
    return found


def test_private_attributes_of_others_are_in_compat():
    files = [path for path in FILES if not _name(path).startswith("_compat/")]
    ours = set().union(*map(_members, files))
    assert not [
        f"{_name(path)}:{node.lineno}: {ast.unparse(node)}"
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__")
        if node.attr not in ours and ast.unparse(node.value) not in ("super()", "sys")
    ]


def test_files_are_short():
    assert not [_name(path) for path in FILES if len(path.read_text().splitlines()) >= 400]


def _products_by_operator(path: Path) -> Iterator[str]:
    """Yield the products by ``@`` in what classes of reductions do with rows."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef) and node.name.endswith("Reduction"):
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and method.name != "combine":
                    products = (n for n in ast.walk(method) if isinstance(n, ast.BinOp))
                    yield from (ast.unparse(n) for n in products if isinstance(n.op, ast.MatMult))


def test_sums_over_rows_let_other_threads_run():
    """NumPy's ``@`` holds the interpreter's lock where the product is small; ``protocol.dot`` does not."""
    files = sorted(PACKAGE.glob("engines/reductions/*/*.py"))
    assert not [f"{_name(path)}: {product}" for path in files for product in _products_by_operator(path)]


def _words(path: Path) -> set[str]:
    """Return the words in the texts of a file, messages and documentation alike."""
    texts = (n.value for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Constant))
    return {word for text in texts if isinstance(text, str) for word in re.findall(r"[a-z_]+(?:\.[a-z_]+)?", text)}


def test_planning_names_no_engine_and_no_container():
    names = {*engines(), *HOST, *GPU_CONTAINERS, *DASK_CONTAINERS, *FRAMES} - {"other"}
    assert not [
        f"{_name(path)}: {_words(path) & names}" for path in PACKAGE.glob("planning/*.py") if _words(path) & names
    ]


OF_CONTAINERS = {"collect_batches", "collect_schema", "compute_chunk_sizes", "divisions", "iloc", "map_blocks"}
OF_CONTAINERS |= {"map_partitions", "npartitions", "numblocks", "rechunk", "repartition", "to_cupy", "to_dask_array"}
OF_CONTAINERS |= {"dtypes", "to_delayed", "to_pandas"}


def test_only_data_calls_the_methods_of_containers():
    assert not {
        _name(path)
        for path in FILES
        if not _name(path).startswith(("data/", "_compat/"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in OF_CONTAINERS
    }


SCIKIT_LEARNS = dict(all_estimators())


def _class(name: str) -> type | None:
    """Return the class of a catalogue's name; None where its package is not installed."""
    if name in SCIKIT_LEARNS:
        return SCIKIT_LEARNS[name]
    package, _, name = name.rpartition(".")
    package = package or "xgboost"
    return getattr(import_module(package), name) if find_spec(package) else None


def test_catalogue_names_real_estimators_and_parameters():
    for entry in catalogue():
        cls = _class(entry.estimator)
        if cls is not None:
            assert {*entry.accepts, *entry.ignores} <= set(cls().get_params()), entry
        assert entry.device in ("cpu", "gpu", "dask"), entry
        assert entry.device in engines()[entry.backend].packages, entry
        assert entry.device in engines()[entry.backend].reads, entry


@cache
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


def _exported(module: str) -> set[str]:
    """Return the names that can be imported from a module of the package."""
    folder = PACKAGE.parent.joinpath(*module.split("."))
    file = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    return _defined(file) | {other.stem for other in folder.glob("*.py")}


def test_what_runs_on_other_machines_imports_names_that_are_there():
    """No GPU is needed to see that a name has moved."""
    assert not [
        f"{path.name}: {module} has no {set(names) - _exported(module)}"
        for path in ELSEWHERE
        for module, names in _imports(path)
        if module.partition(".")[0] == "skdist_gpu" and not set(names) <= _exported(module)
    ]


def _arrows() -> dict[str, set[str]]:
    """Return of each file of the package, by its module's name, the modules of the package that it imports."""
    names = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path for path in FILES}
    modules = {name.removesuffix(".__init__"): path for name, path in names.items()}
    arrows: dict[str, set[str]] = {}
    for name, path in modules.items():
        tree = ast.parse(path.read_text())
        hidden = {
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for inner in ast.walk(node)
        }
        found = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node not in hidden:
                found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
            elif isinstance(node, ast.Import) and node not in hidden:
                found |= {alias.name for alias in node.names}
        arrows[name] = found & modules.keys() - {name}
    return arrows


def _circle(arrows: dict[str, set[str]]) -> list[str]:
    """Return names that cannot be put in an order in which each comes after what it imports; none if all can."""
    left = {name: set(targets) for name, targets in arrows.items()}
    while free := [name for name, targets in left.items() if not targets & left.keys()]:
        for name in free:
            del left[name]
    # what only leads to a circle is no part of it
    while outside := [name for name in left if not any(name in targets for targets in left.values())]:
        for name in outside:
            del left[name]
    return sorted(left)


def test_no_files_import_each_other_in_a_circle():
    """Imports within functions count, those for types alone do not."""
    arrows = _arrows()
    for targets in arrows.values():
        targets.discard("skdist_gpu")  # loaded before any of its modules
    assert not _circle(arrows)


def test_no_packages_import_each_other_in_a_circle():
    arrows: dict[str, set[str]] = {}
    for name, targets in _arrows().items():
        package = ".".join(name.split(".")[:2])
        arrows.setdefault(package, set()).update(".".join(target.split(".")[:2]) for target in targets)
    for package, targets in arrows.items():
        targets -= {package, "skdist_gpu"}
    assert not _circle(arrows)


def test_scoring_names_no_engine():
    folders = {path.name for path in (PACKAGE / "engines").iterdir() if (path / "info.py").exists()}
    found = [
        f"{_name(path)}: {module}"
        for path in FILES
        if _name(path).startswith("scoring/")
        for module, names in _imports(path)
        for name in [module, *(f"{module}.{n}" for n in names)]
        if name.startswith("skdist_gpu.engines.") and name.split(".")[2] in folders
    ]
    assert not found


def test_every_measured_figure_has_its_date_and_machine():
    files = sorted((PACKAGE.parent / "benchmarks" / "results").glob("*.json"))
    assert files
    for path in files:
        facts = json.loads(path.read_text())
        assert "date" in facts, path.name
        assert facts.keys() & {"machine", "system"}, path.name
