"""Programs taken from the system's packages: an apt-get of ours plays Debian's."""

import os

import pytest

from infra import packages
from infra.packages import PackagesUnavailable
from infra.programs import Program, ensure_program

EDITOR = Program(("edit", "edit-old"), "editor")
PUTS_IT_THERE = 'printf "#!/bin/sh\\n" > "${0%/*}/edit"; chmod +x "${0%/*}/edit"'
BRINGS_IT = f'echo "$@"; {PUTS_IT_THERE}'
KNOWS_IT_AFTER_AN_UPDATE = f"""
echo "$@"
case "$*" in
    *update*) : > "$0-lists" ;;
    *) [ -e "$0-lists" ] || exit 100; {PUTS_IT_THERE} ;;
esac
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Root on a machine with these programs only: `machine(apt="exit 1")`. Returns the folder they are in."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setattr(packages, "SERVICE_POLICY", tmp_path / "policy")
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    def with_programs(**scripts):
        for name, script in scripts.items():
            file = programs / {"apt": "apt-get", "edit_old": "edit-old"}.get(name, name)
            file.write_text(f"#!/bin/sh\n{script}\n")
            file.chmod(0o755)
        return programs

    return with_programs


def test_a_program_that_is_there_is_not_installed(machine, tmp_path):
    programs = machine(apt=BRINGS_IT, edit_old="")
    assert ensure_program(EDITOR, tmp_path / "log") == programs / "edit-old"
    assert not (tmp_path / "log").exists()


def test_a_missing_program_comes_from_its_package_and_the_words_of_apt_stay_in_the_log(machine, tmp_path, capfd):
    programs = machine(apt=BRINGS_IT)
    assert EDITOR.path() is None
    assert ensure_program(EDITOR, tmp_path / "log") == programs / "edit"
    assert "install editor" in (tmp_path / "log").read_text()
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)


def test_lists_that_do_not_know_the_package_are_brought_up_to_date_once(machine, tmp_path):
    programs = machine(apt=KNOWS_IT_AFTER_AN_UPDATE)
    assert ensure_program(EDITOR, tmp_path / "log") == programs / "edit"
    assert [line.split()[-1] for line in (tmp_path / "log").read_text().splitlines()] == ["editor", "update", "editor"]


def test_a_package_that_cannot_be_had_says_where_the_reason_is(machine, tmp_path):
    machine(apt="exit 1")
    with pytest.raises(PackagesUnavailable, match=r"editor cannot be installed: apt-get failed, see .*log"):
        ensure_program(EDITOR, tmp_path / "log")
    assert not packages.SERVICE_POLICY.exists()


def test_without_root_the_command_to_run_is_told(machine, tmp_path, monkeypatch):
    machine(apt=BRINGS_IT)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(PackagesUnavailable, match="sudo apt-get install editor"):
        ensure_program(EDITOR, tmp_path / "log")
