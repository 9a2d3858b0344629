"""
XGBoost with early stopping, inside a pipeline
==============================================

``validation_fraction`` holds rows out to stop early, where a pipeline or a cross-validation cannot hand an
``eval_set`` through.
"""

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdist_gpu import AutoScaleXGBClassifier

X, y = load_breast_cancer(return_X_y=True)
trees = AutoScaleXGBClassifier(
    n_estimators=400, learning_rate=0.1, max_depth=3, validation_fraction=0.2, early_stopping_rounds=20, n_jobs=1
)
pipeline = make_pipeline(StandardScaler(), trees)
print("accuracy of three folds:", cross_val_score(pipeline, X, y, cv=3).round(3))

# %%
# The engine, the device and the round where it stopped:

trees.fit(X, y)
print(trees.backend_, trees.device_used_, trees.best_iteration)

# %%

trees.plot_evaluation()
