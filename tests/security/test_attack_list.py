"""The list of attacks in docs/security.md and the tests are one: what it names is there, and no attack is left out."""

import ast
import re
from itertools import chain
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "security.md"
NAMED = re.compile(r"`([\w/]+\.py)`|`(test_\w+)`")


def attacks():
    """The rows of the table, as their cells."""
    table = PAGE.read_text().partition("| attack | what answers | test |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    return [row for row in rows if not row[0].startswith("**")]


def named_in(cell):
    """`{(file, test)}`; a test is of the file that is named last before it."""
    file, found = None, set()
    for match in NAMED.finditer(cell):
        file = match[1] or file
        if match[2]:
            found.add((file, match[2]))
    return found


def functions_of(path):
    tree = ast.parse(path.read_text())
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {(str(path.relative_to(TESTS)), node.name) for node in functions if node.name.startswith("test_")}


def test_every_attack_says_what_answers_and_names_a_test():
    rows = attacks()
    assert len(rows) > 20
    for row in rows:
        assert len(row) == 3
        assert all(row), row
        assert named_in(row[2]), row


def test_every_test_that_is_named_is_there():
    named = set(chain.from_iterable(named_in(row[2]) for row in attacks()))
    there = set(chain.from_iterable(functions_of(TESTS / file) for file in {file for file, _ in named}))
    assert named - there == set()


def test_every_test_of_this_folder_stands_in_the_list():
    named = set(chain.from_iterable(named_in(row[2]) for row in attacks()))
    here = [path for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__)]
    assert set(chain.from_iterable(map(functions_of, here))) - named == set()
