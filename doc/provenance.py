"""Which program, versions and date made each committed figure and result."""

import re
import subprocess
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst.directives.tables import ListTable
from docutils.statemachine import StringList

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PICTURE = ROOT / "doc" / "_static" / "mixture.png"


def program(result):
    """Return the module whose name begins the name of a result."""
    if result == PICTURE:
        return "python doc/picture.py"
    kind = result.parent.name
    [stem] = [
        path.stem
        for path in (ROOT / "benchmarks" / kind).glob("[!_]*.py")
        if re.fullmatch(rf"{path.stem}(_.*)?", result.stem)
    ]
    return f"python -m benchmarks.{kind}.{stem}"


def versions(result):
    """Return the versions that the head of a table of results names."""
    table = result.with_suffix(".txt")
    if not table.exists():
        return ""
    return re.search(r"sklearn_moe \d.*", table.read_text(encoding="utf-8"))[0]


def date(result):
    """Return the day of the commit that changed a file last, where git knows it."""
    command = ["git", "log", "-1", "--format=%cs", "--", str(result)]
    try:
        answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    except OSError:
        return ""
    return answer.stdout.strip()


def rows():
    """Yield file, program, versions and date of all that is committed."""
    for result in sorted([*RESULTS.glob("*/*.*"), PICTURE]):
        name = f"``{result.relative_to(ROOT)}``"
        yield name, f"``{program(result)}``", versions(result), date(result)


class Provenance(ListTable):
    """The table of all results, read from their heads."""

    has_content = True
    required_arguments = optional_arguments = 0

    def run(self):
        head = ("file", "program", "versions", "date")
        lines = []
        for row in (head, *rows()):
            for first, cell in zip("*   ", row):
                lines.append(f"{first} - {cell}")
        self.content = StringList(lines, source=self.state.document.current_source)
        self.options |= {"header-rows": 1, "widths": [30, 25, 30, 10]}
        self.state.document.settings.record_dependencies.add(str(RESULTS))
        return [node for node in super().run() if isinstance(node, nodes.Node)]


def setup(app):
    """Make `.. provenance::` known."""
    app.add_directive("provenance", Provenance)
    return {"parallel_read_safe": True}
