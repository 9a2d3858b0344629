"""``python -m skdist_gpu``, workers, notebooks, and what is told of a program."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge

import skdist_gpu

PROGRAM = """
import pickle, sys
import numpy as np
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler


class Mine:
    pass


rows = np.random.default_rng(0).normal(size=(60, 3))
model = Ridge().fit(StandardScaler().fit_transform(rows), rows[:, 0])
for _ in range(2):
    model.predict(rows)
pickle.loads(pickle.dumps(Mine()))
print(__name__, sys.argv[1:], type(model).__module__)
sys.exit(7)
"""


def run(*arguments, cwd, **environment):
    command = [sys.executable, "-m", "skdist_gpu", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env={**os.environ, **environment})


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


def test_a_script_runs_as_python_runs_it(program):
    done = run("--backend", "reductions", "program.py", "--profile", "x", cwd=program.parent)
    assert done.stdout == "__main__ ['--profile', 'x'] sklearn.linear_model._ridge\n"
    assert (done.returncode, done.stderr) == (7, "")


LATE = """
import atexit, pickle, sys, threading, time


class Mine:
    pass


def look(when):
    print(when, type(pickle.loads(pickle.dumps(Mine()))).__name__, flush=True)


atexit.register(look, "at exit")
threading.Thread(target=lambda: (threading.main_thread().join(), look("later"))).start()
print(sys.argv, __name__, __file__, __package__, __spec__ and __spec__.name, sys.path[0])
"""


@pytest.mark.parametrize("program", [("late.py", "-m"), ("late.zip", "x"), ("-m", "late")])
def test_what_a_program_sees_of_itself_is_what_python_shows_it(program, tmp_path):
    (tmp_path / "late").mkdir()
    for file in ("late.py", "late/__main__.py", "late/__init__.py"):
        (tmp_path / file).write_text("" if "init" in file else LATE)
    shutil.make_archive(str(tmp_path / "late"), "zip", tmp_path / "late")
    plain = subprocess.run([sys.executable, *program], cwd=tmp_path, capture_output=True, text=True, check=True)
    done = run(*program, cwd=tmp_path)
    assert "later Mine" in plain.stdout
    assert (done.stdout, done.stderr) == (plain.stdout, "")


def test_a_module_runs_and_is_told_of(program):
    trace, page = program.parent / "calls.json", program.parent / "calls.html"
    options = ("-v", "--line-profile", "--backend=reductions", "--trace", trace, "--html", page)
    done = run(*options, "-m", "program", "-v", "--trace", cwd=program.parent)
    assert done.returncode == 7
    assert "['-v', '--trace']" in done.stdout
    assert "Ridge.fit: reductions:cpu" in done.stderr
    told = json.loads(trace.read_text())
    rows = {(row["estimator"], row["method"]): row for row in told["rows"]}
    assert rows["Ridge", "predict"]["calls"] == 2
    assert rows["Ridge", "fit"]["engine"] == "reductions:cpu"
    assert len(told["calls"]) == 5  # two fits, a transform, two predictions
    line = next(line for line in told["lines"] if line["what"].startswith("Ridge.predict"))
    assert PROGRAM.splitlines()[int(line["line"].partition(":")[2]) - 1].strip() == "model.predict(rows)"
    assert "<td>Ridge.fit</td>" in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Name a script"),
        (("missing.py",), "no file 'missing.py'"),
        (("-m", "no_such.module"), "no module 'no_such.module'"),
        (("--backend", "nothing", "program.py"), "backend='nothing' is not known"),
        (("--nothing", "program.py"), "No such option"),
        (("--trace", "missing/trace.json", "program.py"), "'missing/trace.json' cannot be written"),
        (("--html", ".", "program.py"), "'.' cannot be written"),
    ],
)
def test_mistakes_in_the_command_are_one_message(arguments, message, program):
    done = run(*arguments, cwd=program.parent)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_errors_of_a_program_are_its_own(program):
    program.write_text("raise KeyboardInterrupt\n")
    assert "KeyboardInterrupt" in run("--profile", "program.py", cwd=program.parent).stderr
    program.write_text("from sklearn.linear_model import Ridge\nRidge(alpha=-1).fit([[0.0]], [0.0])\n")
    done = run("--profile", "program.py", cwd=program.parent)
    assert done.returncode == 1
    assert "InvalidParameterError" in done.stderr


ORDERS = [
    "import skdist_gpu; skdist_gpu.install(backend='reductions'); from sklearn.linear_model import Ridge",
    "from sklearn.linear_model import Ridge; import skdist_gpu; skdist_gpu.install(backend='reductions')",
    "import sklearn, skdist_gpu; skdist_gpu.install(backend='reductions'); Ridge = sklearn.linear_model.Ridge",
]


@pytest.mark.parametrize("order", ORDERS)
def test_the_order_of_imports_does_not_matter(order):
    code = f"""{order}
from inspect import getsource
import sklearn.linear_model._ridge as module
getsource(module), module.__loader__.get_source
assert skdist_gpu.explain(Ridge().fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])).plan.backend == "reductions"
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_workers_that_import_the_package_do_as_their_parent(tmp_path):
    code = "import skdist_gpu; from sklearn.linear_model import Ridge; print(Ridge.fit.__code__.co_filename)"
    environment = {**os.environ, "SKDIST_GPU_INSTALL": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert "skdist_gpu" in done.stdout


@pytest.mark.parametrize("setting", ["1", "reductions", "0", ""])
def test_each_python_that_starts_is_ready_before_scikit_learn_is_used(setting, tmp_path):
    """As the wheel installs them: a line that each Python runs as it starts, and the module that it names."""
    programs = Path(skdist_gpu.__file__).parent / "programs"
    shutil.copy(programs / "skdist_gpu.pth", tmp_path)
    shutil.copy(programs / "start.py", tmp_path / "skdist_gpu_start.py")
    code = f"""
import site, sys
sys.path.append({str(tmp_path)!r})
site.addpackage({str(tmp_path)!r}, "skdist_gpu.pth", None)
before = "skdist_gpu" in sys.modules
from sklearn.linear_model import Ridge
import sklearn
print(before, "skdist_gpu" in sys.modules, "skdist_gpu" in Ridge.fit.__code__.co_filename)
print(list(vars(sklearn.__loader__)))
if "skdist_gpu" in sys.modules:
    print(sys.modules["skdist_gpu"].explain(Ridge().fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])))
"""
    # without the line of the package that is installed here
    paths = [path for path in sys.path if path]
    command = [sys.executable, "-S", "-c", f"import sys; sys.path.extend({paths!r}){code}"]
    environment = {**os.environ, "SKDIST_GPU_INSTALL": setting}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    asked = setting in ("1", "reductions")
    assert done.stdout.startswith(f"False {asked} {asked}\n['name', 'path']\n")
    assert ("ran on reductions:cpu" in done.stdout) == (setting == "reductions")


WORKERS = """
import sys

import skdist_gpu


def fitted(seed):
    import sys

    import numpy as np
    from sklearn.linear_model import Ridge

    ours = sys.modules["skdist_gpu"]  # there already: nothing here has imported it
    rows = np.random.default_rng(seed).normal(size=(600, 10))
    with ours.installed(backend="reductions") as profile:
        model = Ridge().fit(rows, rows[:, 0])
    return ours.explain(model).plan.backend, [row.calls for row in profile.rows]


if __name__ == "__main__":
    skdist_gpu.install()
    if sys.argv[1] == "joblib":
        from joblib import Parallel, delayed

        print(Parallel(n_jobs=2)(delayed(fitted)(seed) for seed in range(2)))
    else:
        from dask.distributed import Client

        with Client(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None) as client:
            print(client.gather(client.map(fitted, range(2))))
"""


@pytest.mark.parametrize("whose", ["joblib", "dask"])
def test_workers_plan(whose, tmp_path):
    program = tmp_path / "workers.py"
    program.write_text(WORKERS)
    done = subprocess.run([sys.executable, str(program), whose], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str([("reductions", [1])] * 2), done.stderr


NOTEBOOK = """
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
cells = [
    "%load_ext skdist_gpu",
    "import numpy as np; from sklearn.linear_model import Ridge; rows = np.arange(12.0).reshape(6, 2)",
    "%%skdist_gpu.profile\\nmodel = Ridge().fit(rows, rows[:, 0])\\nmodel.predict(rows).shape",
    "import skdist_gpu; print(skdist_gpu.explain(model))",
    "%unload_ext skdist_gpu",
    "print('at the end', Ridge.fit.__code__.co_filename)",
]
for cell in cells:
    shell.run_cell(cell).raise_error()
shell.run_cell("%load_ext skdist_gpu")
print("failed:", not shell.run_cell("%%skdist_gpu.profile\\n1 / 0").success)
"""


def test_a_notebook_profiles_a_cell():
    pytest.importorskip("IPython")
    done = subprocess.run([sys.executable, "-c", NOTEBOOK], capture_output=True, text=True, check=True)
    assert "What ran where" in done.stdout
    assert "Ridge.fit" in done.stdout
    assert "Ridge.predict" in done.stdout
    assert "(6,)" in done.stdout
    assert "ran on sklearn:cpu" in done.stdout
    assert "skdist_gpu" not in done.stdout.partition("at the end")[2].partition("\n")[0]
    assert "failed: True" in done.stdout


def test_a_profile_is_an_object(tmp_path):
    rows = np.random.default_rng(0).normal(size=(50, 2))
    with skdist_gpu.installed(profile=skdist_gpu.Profile(trace=True)) as profile:
        Ridge().fit(rows, rows[:, 0]).predict(rows)
    assert [call.method for call in profile.calls] == ["fit", "predict"]
    assert profile.seconds == pytest.approx(sum(call.seconds for call in profile.calls))
    assert "Ridge.fit" in str(profile)
    profile.to_json(tmp_path / "calls.json")
    assert json.loads((tmp_path / "calls.json").read_text()) == profile.to_dict()
    assert "no other engine was considered" in profile.rows[0].why + profile.rows[1].why
