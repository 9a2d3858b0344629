"""Settings of Sphinx."""

import skdist_gpu

project = "skdist_gpu"
author = "The skdist_gpu developers"
release = version = skdist_gpu.__version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc"]
autosummary_generate = True
autodoc_default_options = {"members": True, "inherited-members": "BaseEstimator, tuple, str"}
# docstrings that come from scikit-learn point into its own documentation
suppress_warnings = ["ref.ref", "ref.term"]
numpydoc_show_class_members = False
exclude_patterns = ["_build"]
templates_path = ["_templates"]

html_theme = "pydata_sphinx_theme"
html_theme_options = {"show_toc_level": 2, "secondary_sidebar_items": ["page-toc"]}
html_show_sourcelink = False
