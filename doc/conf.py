"""How Sphinx builds the documentation; it needs no network."""

import os
import sys
from importlib.metadata import distribution
from pathlib import Path

from sphinx_gallery.sorting import ExplicitOrder

import sklearn_moe

sys.path.insert(0, str(Path(__file__).parent))

# Examples that work in several processes must run there without a window, too.
os.environ["MPLBACKEND"] = "agg"

project = "sklearn_moe"
copyright = "the sklearn_moe developers, BSD 3-clause licence"
version = release = sklearn_moe.__version__

extensions = [
    "numpydoc",
    "provenance",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "sphinxcontrib.bibtex",
]
exclude_patterns = ["_build", "**sg_execution_times.rst"]
templates_path = ["_templates"]

# MathJax as it lies in an installed package: one file, which has the glyphs in it.
MATHJAX = distribution("django-static-mathjax").locate_file(
    "mathjax/static/mathjax/es5/tex-svg.js"
)
mathjax_path = "tex-svg.js"

html_static_path = ["_static", str(MATHJAX)]
html_css_files = ["custom.css"]
html_logo = html_favicon = "_static/logo.svg"

autosummary_generate = True
# The docstrings have the types, and say more of them.
autodoc_typehints = "none"
# The template of a class lists its members.
numpydoc_show_class_members = False

bibtex_bibfiles = ["references.bib"]

# Prompts and output are not copied.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# The inventory that doc/inventories.py has made: no server is asked.
intersphinx_mapping = {
    "sklearn": ("https://scikit-learn.org/stable/", "inventories/sklearn.inv")
}

# A link that leads nowhere is a warning, and so an error, but to what has no inventory
# and to what annotations name and nobody imports.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(functools|joblib|numpy|scipy)\..*"),
    ("py:class", r".*\._.*|sklearn\.utils\.metadata_routing\..*"),
    ("py:class", r"sklearn_moe\.experts\.uniform\..*"),
    ("py:obj", "noise_"),
]

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"\.py$",
    "subsection_order": ExplicitOrder(
        [
            f"../examples/{topic}"
            for topic in ("stories", "reading", "tuning", "targets", "experts")
        ]
    ),
    "within_subsection_order": "FileNameSortKey",
    "backreferences_dir": "api/examples",
    "doc_module": "sklearn_moe",
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
}

html_theme = "pydata_sphinx_theme"
html_title = f"sklearn_moe {version}"
html_theme_options = {
    "header_links_before_dropdown": 6,
    "logo": {"text": "sklearn_moe", "alt_text": "sklearn_moe, home"},
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
}
# A sidebar where a page has others below it, and no empty one elsewhere.
html_sidebars = {
    page: []
    for page in (
        "index",
        "install",
        "tour",
        "comparison",
        "developing",
        "faq",
        "glossary",
        "changelog",
        "results",
        "citing",
    )
}
html_show_sourcelink = False
toc_object_entries_show_parents = "hide"
