"""The terms that work is counted in, and which of them an estimator's algorithm takes time for: its form.

Each term counts something that a machine does at a steady rate, so that seconds are the sum of term × rate. How much of
each a fit is follows from shape and parameters (:mod:`skdist_gpu.planning.work`); how fast they go on an engine is
measured (:mod:`skdist_gpu.planning.cost`).
"""

from __future__ import annotations

# what each term counts, in its unit
TERMS = {
    "calls": "fits or predictions: the fixed cost of one",
    "rows": "rows that are handled one by one, for each tree, cluster, fold and penalty",
    "columns": "columns that are handled one by one, for each leaf of boosted trees",
    "values": "stored values of X that are read, as often as rows are handled",
    "cells": "cells of X as a dense table, as often",
    "iterated_rows": "rows of all iterations that are expected, for each cluster",
    "iterated_values": "stored values of all iterations that are expected, for each cluster; or those of Xᵀ X",
    "iterated_cells": "cells of all iterations that are expected, however many clusters there are",
    "dual_values": "the same, of a linear machine with fewer rows than columns, which needs all its iterations",
    "sweeps": "multiplications of coordinate descent on Xᵀ X: d² in each iteration",
    "samples": "rows, however many clusters they are in",
    "seeds": "clusters that are begun, one after another",
    "sampled_rows": "rows of all iterations on a sample, from which clusters are begun, for each cluster",
    "sampled_values": "stored values of the same",
    "begun_rows": "rows of the sample that one thread solves, before a fit of several passes goes on with all rows",
    "begun_values": "stored values of the same",
    "class_pairs": "pairs of classes beside the first, each with a matrix of its own that is called for",
    "begun_gram": "multiplications of Xᵀ X of the same: n·d²; for each pair of classes",
    "unheld_values": "the same, of rows and centres that a processor of a GPU does not hold together",
    "batches": "batches that are taken one after the other",
    "drawn": "rows that batches are drawn from, each time",
    "products": "multiplications of a product of X with itself along its shorter side: n·d·min(n, d)",
    "wide_products": "multiplications of d × d out of fewer rows: n·d²",
    "inner_fits": "fits of an estimator that searches by fitting anew: the fixed cost of one",
    "inner_values": "stored values that they read",
    "refits": "the same for each fold and penalty of an estimator that searches by fitting anew, or each fold",
    "gram": "multiplications of Xᵀ X: n·d²; for each pair of classes, or each component of a mixture",
    "tall_gram": "the same of rows behind the first blocks, which all cores make together",
    "solves": "a decomposition of d × d: d³; for all classes together, or each component of a mixture",
    "small_solves": "a decomposition along the shorter side: min(n, d)³",
    "sketched": "multiplications of X with a few vectors, where scikit-learn decomposes at random: values·(k + 10)",
    "sketches": "multiplications to decompose those vectors: (n + d)·(k + 10)²",
    "covariances": "multiplications of Xᵀ X, and a decomposition, where scikit-learn takes that way: n·d² + 10·d³",
    "decompositions": "multiplications of a full decomposition, where scikit-learn takes that way: n·d·min(n, d)",
    "sorts": "comparisons to sort each column: n·d·log2(n)",
    "sampled_sorts": "comparisons to sort each column of the sample that scikit-learn draws",
    "sampled_scans": "comparisons of the sample with each quantile, where so many are asked for that each takes a scan",
    "pairs": "multiplications to compare each row with each other: n²·d",
    "compared": "the same, where scikit-learn compares all pairs",
    "searched": "comparisons in a k-d tree, where scikit-learn builds one: n·d·log2(n)",
    "row_pairs": "pairs of rows: n²",
    "uncached": "multiplications for kernel values that are computed again, since the cache does not hold them: n²·d",
    "row_cubes": "a decomposition of n × n: n³",
    "queries": "multiplications to compare each row with those that the model keeps",
    "levels": "values looked at to grow trees: trees·n·depth·features at each split, the depth log2(n) if not limited",
    "grown": "levels of trees that are grown one after the other: trees·log2(n)",
    "leaves": "rows times what the model keeps: levels of trees, clusters, support vectors",
    "far_values": "values of rows beyond those that a core's caches hold between the steps of a prediction",
    "far_leaves": "the same for levels of large trees, which caches do not hold",
    "copied": "bytes copied to the device",
    "gathered": "values of a frame that become an array",
}

# what does not go faster with more cores
SERIAL = ("calls", "begun_rows", "begun_values", "begun_gram")
_SUMS = ("calls", "rows", "values", "cells", "products", "gram", "tall_gram", "solves", "small_solves")
# the terms of each form of work
FORMS = {
    "columns": ("calls", "rows", "columns", "values", "cells", "sorts"),
    "checks": ("calls", "values"),
    "quantiles": ("calls", "rows", "columns", "values", "sorts", "sampled_sorts", "sampled_scans"),
    "moments": (*_SUMS, "inner_fits"),
    "descents": (*_SUMS, "sweeps"),
    "components": _SUMS,
    "covariances": ("calls", "values", "gram", "tall_gram", "solves"),
    "passes": (*_SUMS, "begun_rows", "begun_values", "begun_gram", "class_pairs"),
    "clusters": (
        *("calls", "samples", "seeds", "rows", "values", "cells"),
        *("sampled_rows", "sampled_values", "unheld_values"),
    ),
    "mixtures": ("calls", "rows", "values", "gram", "tall_gram", "solves"),
    "pairs": ("calls", "values", "pairs", "compared", "searched", "row_pairs"),
    "cubes": ("calls", "pairs", "row_pairs", "row_cubes"),
    "kernels": ("calls", "pairs", "row_pairs"),
    "neighbours": ("calls", "rows", "values", "searched"),
    "trees": ("calls", "rows", "sorts", "levels", "grown"),
    "boosting": ("calls", "rows", "columns", "values"),
}
# those of scikit-learn's own algorithms, where they have others, and of those for sparse rows
_OWN_FORMS = {
    "moments": (
        *("calls", "rows", "values", "products", "wide_products", "decompositions"),
        *("inner_fits", "inner_values", "refits", "small_solves"),
    ),
    "descents": ("calls", "rows", "values", "refits", "iterated_rows", "iterated_values"),
    "components": ("calls", "values", "sketched", "sketches", "covariances", "decompositions"),
    "passes": ("calls", "inner_fits", "rows", "values", "iterated_rows", "iterated_values", "dual_values"),
    "clusters": ("calls", "iterated_cells", "iterated_rows", "iterated_values", "batches", "drawn"),
    "kernels": ("calls", "pairs", "row_pairs", "uncached"),
    "trees": ("calls", "rows", "levels", "grown"),
}
_OWN_SPARSE_FORMS = dict.fromkeys(
    ("columns", "quantiles", "moments", "descents", "passes"), ("calls", "rows", "columns", "values")
)
_FORM_OF = {
    "moments": (
        "LinearRegression Ridge RidgeCV RidgeClassifier RidgeClassifierCV OrthogonalMatchingPursuit BayesianRidge "
        "ARDRegression LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis"
    ),
    "descents": "Lasso ElasticNet LassoCV ElasticNetCV Lars LassoLars",
    "components": "PCA IncrementalPCA TruncatedSVD",
    "covariances": "EmpiricalCovariance ShrunkCovariance LedoitWolf OAS",
    "columns": (
        "StandardScaler MinMaxScaler MaxAbsScaler PowerTransformer SimpleImputer OneHotEncoder OrdinalEncoder "
        "TargetEncoder VarianceThreshold SelectKBest SelectPercentile "
        "GaussianNB MultinomialNB BernoulliNB ComplementNB CategoricalNB NearestCentroid"
    ),
    # whose fits look at X's shape and little else: not measured, so that they stay where the data are
    "checks": "Normalizer Binarizer PolynomialFeatures TfidfTransformer",
    "quantiles": "RobustScaler QuantileTransformer KBinsDiscretizer",
    "clusters": "KMeans MiniBatchKMeans BisectingKMeans",
    "mixtures": "GaussianMixture BayesianGaussianMixture",
    "pairs": ("DBSCAN HDBSCAN OPTICS AgglomerativeClustering LocalOutlierFactor TSNE UMAP MeanShift SpectralEmbedding"),
    "cubes": ("KernelRidge GaussianProcessRegressor GaussianProcessClassifier SpectralClustering AffinityPropagation"),
    "kernels": "SVC SVR NuSVC NuSVR OneClassSVM",
    "neighbours": (
        "KNeighborsClassifier KNeighborsRegressor NearestNeighbors RadiusNeighborsClassifier "
        "RadiusNeighborsRegressor KernelDensity"
    ),
    "trees": (
        "RandomForestClassifier RandomForestRegressor ExtraTreesClassifier ExtraTreesRegressor DecisionTreeClassifier "
        "DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor GradientBoostingClassifier "
        "GradientBoostingRegressor IsolationForest"
    ),
    "boosting": (
        "HistGradientBoostingClassifier HistGradientBoostingRegressor XGBClassifier XGBRegressor XGBRanker "
        "XGBRFClassifier XGBRFRegressor"
    ),
}
_FORMS_BY_NAME = {name: form for form, names in _FORM_OF.items() for name in names.split()}


def form_of(estimator: str) -> str:
    """Return the form of an estimator's work by its class name; a few passes over the data, where it is not known.

    Examples
    --------
    >>> form_of("Ridge"), form_of("SVC"), form_of("LogisticRegression")
    ('moments', 'kernels', 'passes')
    """
    return _FORMS_BY_NAME.get(estimator, "passes")


def terms_of(estimator: str, *, own: bool, sparse: bool) -> tuple[str, ...]:
    """Return the terms that a fit may take time for: in scikit-learn's own algorithm, or in another engine's.

    Examples
    --------
    >>> terms_of("PCA", own=True, sparse=False)
    ('calls', 'values', 'sketched', 'sketches', 'covariances', 'decompositions')
    """
    form = form_of(estimator)
    if own and sparse and form in _OWN_SPARSE_FORMS:
        return _OWN_SPARSE_FORMS[form]
    return _OWN_FORMS[form] if own and form in _OWN_FORMS else FORMS[form]
