"""
oneDAL against scikit-learn
===========================

On x86-64 processors the engine ``onedal`` fits forests, support vectors and neighbours by Intel's library. What
comes out is scikit-learn's own estimator, and the plan takes it only where it is predicted to be faster.
"""

import time
from importlib.util import find_spec

from matplotlib import pyplot as plt
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from skdist_gpu import autoscale

X, y = make_classification(n_samples=4_000, n_features=20, n_informative=8, random_state=0)
X_test, y_test = X[3_000:], y[3_000:]
X, y = X[:3_000], y[:3_000]
engines = ["sklearn", "onedal"] if find_spec("sklearnex") else ["sklearn"]

seconds: dict[str, list[float]] = {engine: [] for engine in engines}
names = []
for estimator in (RandomForestClassifier(50, random_state=0), SVC(), KNeighborsClassifier()):
    names.append(type(estimator).__name__)
    for engine in engines:
        model = autoscale(estimator, backend=engine)
        if model.plan(X, y).chosen is None:
            seconds[engine].append(0.0)
            continue
        model.fit(X[:500], y[:500])  # the first fit of a process loads the library
        start = time.perf_counter()
        score = model.fit(X, y).score(X_test, y_test)
        seconds[engine].append(time.perf_counter() - start)
        plain = type(model.estimator_).__module__
        print(f"{names[-1]:<23} {engine:<8} {seconds[engine][-1]:.3f} s, accuracy {score:.3f}, {plain}")

# %%

plt.figure(figsize=(7, 3.2), layout="constrained")
for i, engine in enumerate(engines):
    plt.barh([place + 0.4 * i for place in range(len(names))], seconds[engine], 0.4, label=engine)
plt.yticks([0.2, 1.2, 2.2], names)
plt.xlabel("seconds of fit and score")
plt.legend()
