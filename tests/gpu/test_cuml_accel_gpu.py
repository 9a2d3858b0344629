"""With cuml.accel active in the process, its proxies are taken for the scikit-learn estimators they stand for."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.gpu

SCRIPT = """
import json
import cuml.accel
cuml.accel.install()
import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, RidgeCV
from skdist_gpu import AutoScaleClassifier, autoscale
assert cuml.accel.is_proxy(LogisticRegression)
generator = np.random.default_rng(0)
X = generator.normal(size=(500, 4))
y = X @ [1.0, 2.0, 3.0, 4.0] + generator.normal(size=500)


def describe(model):
    plain = model.estimator_
    return [model.backend_, cuml.accel.is_proxy(plain), type(plain).__module__, np.ravel(model.coef_).tolist()]


out = {}
for backend in ("sklearn", "cuml", "reductions:cpu", "reductions:gpu"):
    for estimator, target in ((LogisticRegression(C=0.5), y > 0), (RidgeCV(), y)):
        name = type(estimator).__name__
        if backend == "cuml" and name == "RidgeCV":
            continue
        model = clone(autoscale(estimator, backend=backend)).fit(X, target)
        out[f"{name} {backend}"] = describe(model)
out["default"] = describe(AutoScaleClassifier(backend="sklearn").fit(X, y > 0))
print("RESULT", json.dumps(out))
"""


def test_proxies_are_taken_for_what_they_stand_for():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=200, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    assert lines, done.stderr
    found = json.loads(lines[0].removeprefix("RESULT"))
    assert len(found) == 8
    for case, (backend, is_proxy, module, _) in found.items():
        assert not is_proxy, case
        assert module.startswith("sklearn.linear_model._"), case
        assert case == "default" or case.split()[1].startswith(backend), case
    for name in ("LogisticRegression", "RidgeCV"):
        reference = found[f"{name} sklearn"][3]
        for case, (*_, coef) in found.items():
            if case.startswith(name):
                assert coef == pytest.approx(reference, rel=1e-2), case
