"""The committed documents are what the code says, and the check can tell when they are not."""

import pytest

from infra import generate
from infra.generate import GENERATED, ROOT, documents, drifted, main, write


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
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
