"""`import skdist_gpu` is light: hardly more than scikit-learn's base, and no engine."""

import subprocess
import sys

CODE = "import sys, sklearn.base; base = set(sys.modules); import skdist_gpu; print(*set(sys.modules) - base)"


def test_import_loads_nothing_of_others_beyond_scikit_learns_base():
    loaded = subprocess.run([sys.executable, "-c", CODE], check=True, capture_output=True, text=True).stdout.split()
    own = {"skdist_gpu", *sys.stdlib_module_names}
    assert {name for name in loaded if name.partition(".")[0] not in own} <= {"sklearn.utils.metaestimators"}
    assert "skdist_gpu.base" in loaded
