"""The pictures in the documentation are those of the code."""

import ast
import re
from pathlib import Path

import skdist_gpu

PACKAGE = Path(skdist_gpu.__file__).parent
PAGE = Path(__file__).parents[1] / "docs" / "architecture.rst"


def _picture(name: str) -> list[str]:
    """Return the lines of a picture of the page."""
    found = re.search(rf":name: {name}\n\n(.*?)\n\n\S", PAGE.read_text(), re.DOTALL)
    assert found, name
    return [line.strip() for line in found[1].splitlines() if line.strip()]


def _part(path: Path) -> str:
    """Return the folder, or the file, right below the package."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def _imports_when_loaded(path: Path) -> set[str]:
    """Return the parts of the package that a file imports as it is loaded: neither within functions nor for types."""
    found: set[str] = set()

    def look(nodes: list[ast.stmt]) -> None:
        for node in nodes:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("skdist_gpu."):
                found.add(node.module.split(".")[1])
            elif isinstance(node, ast.ClassDef):
                look(node.body)

    look(ast.parse(path.read_text()).body)
    return found - {_part(path)}


def test_every_step_of_the_flow_is_a_file_of_the_package():
    steps = [line for line in _picture("flow") if line[0].isdigit() and "->" in line]
    assert [line.split()[0] for line in steps] == list("123456")
    for line in steps:
        place = line.split()[2]
        assert list(PACKAGE.glob(f"{place}.py")) or list(PACKAGE.glob(f"{place}/*.py")), place


def test_a_floor_imports_only_what_is_below_it():
    floors = [line.split()[0] for line in _picture("floors")]
    wrong = []
    for i, floor in enumerate(floors):
        above = set(floors[i + 1 :])
        files = (
            [PACKAGE / f"{floor}.py"] if (PACKAGE / f"{floor}.py").exists() else sorted((PACKAGE / floor).rglob("*.py"))
        )
        assert files, floor
        wrong += [
            f"{path.relative_to(PACKAGE)}: {sorted(above & found)}"
            for path in files
            if above & (found := _imports_when_loaded(path))
        ]
    assert not wrong


def test_every_folder_of_the_package_is_in_the_picture_or_below_it():
    floors = {line.split()[0] for line in _picture("floors")}
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders - floors <= set(re.findall(r"``(\w+)``", PAGE.read_text()))
