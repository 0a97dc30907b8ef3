"""How Sphinx builds the documentation; it needs no network."""

import os

from docutils import nodes

import sklearn_moe

# Examples that work in several processes must run there without a window, too.
os.environ["MPLBACKEND"] = "agg"

project = "sklearn_moe"
copyright = "the sklearn_moe developers, BSD 3-clause licence"
version = release = sklearn_moe.__version__

extensions = [
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "**sg_execution_times.rst"]
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["custom.css"]

autosummary_generate = True
# The docstrings have the types, and say more of them.
autodoc_typehints = "none"
# The template of a class lists its members.
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    "doc_module": "sklearn_moe",
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
}

html_theme = "pydata_sphinx_theme"
html_title = f"sklearn_moe {version}"
html_theme_options = {
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
}
# A sidebar where a page has others below it, and no empty one elsewhere.
html_sidebars = {
    page: []
    for page in ("index", "tour", "comparison", "developing", "install", "changelog")
}
html_show_sourcelink = False
toc_object_entries_show_parents = "hide"

# What the docstrings that are inherited from scikit-learn refer to.
SCIKIT_LEARN = "https://scikit-learn.org/stable/"
SCIKIT_LEARN_PAGES = {
    "accuracy_score": "modules/model_evaluation.html#accuracy-score",
    "metadata_routing": "metadata_routing.html",
    "r2_score": "modules/model_evaluation.html#r2-score",
}


def link_to_scikit_learn(app, env, node, content):
    """Resolve a label of scikit-learn's documentation without asking its server."""
    page = SCIKIT_LEARN_PAGES.get(node["reftarget"])
    if node["reftype"] != "ref" or page is None:
        return None
    return nodes.reference("", "", content, internal=False, refuri=SCIKIT_LEARN + page)


def setup(app):
    """Register the hook above."""
    app.connect("missing-reference", link_to_scikit_learn)
