"""Settings of Sphinx."""

import sys
import warnings
from pathlib import Path

import skdist_gpu

sys.path.insert(0, str(Path(__file__).parent / "_ext"))
# examples run in the build, where nobody watches a bar
warnings.filterwarnings("ignore", message=".*Agg.*", category=UserWarning)

project = "skdist_gpu"
author = "The skdist_gpu developers"
copyright = author
release = version = skdist_gpu.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_design",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "myst_parser",
    "benchmark_charts",
]
autosummary_generate = True
autodoc_default_options = {"members": True, "inherited-members": "BaseEstimator, tuple, str"}
# docstrings that come from scikit-learn point into its own documentation
suppress_warnings = ["ref.ref", "ref.term", "config.cache", "myst.xref_missing"]
numpydoc_show_class_members = False
exclude_patterns = ["_build", "generated/charts/*.txt"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
templates_path = ["_templates"]
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "generated/gallery",
    "filename_pattern": r"/plot_",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "remove_config_comments": True,
    "show_memory": False,
    "min_reported_time": 30,
    "download_all_examples": False,
    "write_computation_times": False,  # a page of scripts from elsewhere
    "plot_gallery": "True",
}

html_theme = "pydata_sphinx_theme"
html_title = "skdist_gpu"
html_theme_options = {
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "header_links_before_dropdown": 5,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "footer_start": ["copyright"],
    "footer_end": [],
}
# pages without others below them
_ALONE = ["index", "install", "quick_start", "when_it_helps", "how_it_chooses", "benchmarks", "comparison", "faq"]
_ALONE += ["command", "releases"]
html_sidebars: dict[str, list[str]] = {page: [] for page in _ALONE}
html_show_sourcelink = False
html_context = {"default_mode": "auto"}  # light or dark as the reader's system is
toc_object_entries_show_parents = "hide"
html_static_path = ["_static"]
html_css_files = ["site.css"]
