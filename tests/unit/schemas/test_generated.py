"""The committed documents are what the code says, and the check can tell when they are not."""

import pytest

from infra import generate, operations, rights
from infra.conformance import BEGIN, END, with_verbs
from infra.generate import AMQP, GENERATED, PROTOCOL, REST, ROOT, documents, drifted, main, write
from infra.operations import with_operations
from schemas.verbs import VERBS
from services.gateway.doors.http import openapi


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    (tmp_path / PROTOCOL).parent.mkdir()
    (tmp_path / PROTOCOL).write_text(f"before\n{BEGIN}\nstale\n{END}\nafter\n", encoding="utf-8")
    (tmp_path / REST).write_text(f"{operations.BEGIN}\n{operations.END}\n", encoding="utf-8")
    (tmp_path / AMQP).write_text(f"{rights.BEGIN}\n{rights.END}\n", encoding="utf-8")
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    return tmp_path


def test_the_committed_documents_are_what_the_code_says():
    assert drifted(ROOT, documents()) == []


def test_what_was_written_has_not_drifted(elsewhere):
    assert main([]) == 0
    assert main(["--check"]) == 0


def test_a_missing_a_changed_and_a_left_over_file_are_named_and_nothing_is_written(elsewhere, capsys):
    wanted = documents()
    write(elsewhere, wanted)
    missing, changed, *_ = wanted
    left_over = GENERATED / "json-schema" / "forgotten.json"
    (elsewhere / missing).unlink()
    (elsewhere / changed).write_text("{}", encoding="utf-8")
    (elsewhere / left_over).write_text("{}", encoding="utf-8")
    assert drifted(elsewhere, wanted) == sorted([missing, changed, left_over])
    assert main(["--check"]) == 1
    told = capsys.readouterr().err
    assert all(str(path) in told for path in (missing, changed, left_over))
    assert not (elsewhere / missing).exists()


def test_writing_again_heals_all_of_it(elsewhere):
    main([])
    (elsewhere / GENERATED / "forgotten.json").write_text("{}", encoding="utf-8")
    (elsewhere / GENERATED / "asyncapi.json").unlink()
    assert main([]) == 0
    assert main(["--check"]) == 0
    assert not (elsewhere / GENERATED / "forgotten.json").exists()


def test_the_table_of_verbs_replaces_what_stands_between_its_marks_and_nothing_else():
    page = with_verbs(f"before\n{BEGIN}\nstale\n{END}\nafter\n")
    assert page.startswith("before\n")
    assert page.endswith("\nafter\n")
    assert "stale" not in page
    assert all(f"| `{verb}` |" in page for verb in VERBS)


@pytest.mark.parametrize("page", ["", BEGIN, END, f"{END}{BEGIN}"])
def test_a_page_without_a_place_for_the_table_is_an_error(page):
    with pytest.raises(ValueError, match="no place"):
        with_verbs(page)


def test_the_table_of_operations_has_a_row_for_each_and_replaces_the_old_one():
    page = with_operations(f"before\n{operations.BEGIN}\nstale\n{operations.END}\nafter\n")
    assert page.startswith("before\n")
    assert page.endswith("\nafter\n")
    assert "stale" not in page
    described = openapi()["paths"]
    rows = [f"| `{method.upper()} {path}` |" for path, methods in described.items() for method in methods]
    assert all(row in page for row in rows)
    with pytest.raises(ValueError, match="no place"):
        with_operations("")
