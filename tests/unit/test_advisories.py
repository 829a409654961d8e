"""The audit of what is locked: an advisory that applies is a problem, and a database that does not answer is none."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from infra import advisories
from infra.advisories import REQUIREMENTS, Audited, Unanswered, audit, main

LOCKED = f"idna==3.20 \\\n    --hash=sha256:{'0' * 64}\n"
ADVISORY = {
    "id": "PYSEC-0000-1",
    "aliases": ["CVE-0000-1"],
    "summary": "idna is a trap",
    "affected": [
        {
            "package": {"name": "idna", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.21"}]}],
        }
    ],
}
WITHDRAWN = ADVISORY | {"withdrawn": "2026-01-01T00:00:00Z"}


@pytest.fixture(autouse=True)
def nothing_wanted(monkeypatch):
    """Whatever the environment of whoever runs this says."""
    monkeypatch.delenv("GATEHOUSE_AUDIT", raising=False)


@pytest.fixture
def locked(tmp_path):
    file = tmp_path / "locked.txt"
    file.write_text(LOCKED)
    return [file]


@contextmanager
def database(answer, status=200):
    """Says the same of every package; `asked` is whom it was asked about."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]["name"])
            self.send_response(status)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", asked
    finally:
        server.shutdown()
        server.server_close()


def said(*vulnerabilities):
    return json.dumps({"vulns": vulnerabilities} if vulnerabilities else {}).encode()


def test_an_advisory_about_a_locked_version_is_a_problem(locked):
    with database(said(ADVISORY)) as (url, _):
        outcome = audit(locked, database=url)
    assert outcome == Audited(1, ("idna 3.20: PYSEC-0000-1 (CVE-0000-1), healed in 3.21: idna is a trap",))


@pytest.mark.parametrize("answer", [said(), said(WITHDRAWN)])
def test_without_an_advisory_that_stands_there_is_no_problem(locked, answer):
    with database(answer) as (url, asked):
        assert audit(locked, database=url) == Audited(1, ())
    assert asked == ["idna"]


@pytest.mark.parametrize("name", ["PYSEC-0000-1", "CVE-0000-1"])
def test_an_advisory_that_was_found_not_to_apply_is_no_problem(locked, monkeypatch, name):
    monkeypatch.setattr(advisories, "ACCEPTED", {name: "we never call it"})
    with database(said(ADVISORY)) as (url, _):
        assert audit(locked, database=url) == Audited(1, ())


@pytest.mark.parametrize(("answer", "status"), [(b"<html>", 200), (b"{}", 503), (b"", 200)])
def test_what_is_no_database_of_advisories_audits_nothing(locked, answer, status):
    with database(answer, status) as (url, _):
        assert isinstance(audit(locked, database=url), Unanswered)


def test_a_database_that_cannot_be_reached_audits_nothing(locked):
    with database(said()) as (url, _):
        pass
    assert isinstance(audit(locked, database=url), Unanswered)


def test_a_file_that_locks_nothing_is_an_error_and_not_taken_for_silence(tmp_path):
    file = tmp_path / "loose.txt"
    file.write_text("idna>=3\n")
    with pytest.raises(ValueError, match="pip-audit ended"):
        audit([file])


def test_every_lock_file_is_audited(monkeypatch):
    seen = []
    monkeypatch.setattr(advisories, "audit", lambda files: seen.extend(files) or Audited(0, ()))
    assert main() == 0
    assert {file.name for file in seen} == {"dev.txt", "bench.txt", "local.txt", "run.txt", "store.txt"}
    assert {file.parent for file in seen} == {REQUIREMENTS}


@pytest.mark.parametrize(
    ("outcome", "status", "told"),
    [
        (Audited(3, ()), 0, "advisories: 0 that apply, to 3 locked packages\n"),
        (Unanswered("no way"), 0, "advisories: NOT AUDITED, no database of advisories answers here (no way)\n"),
        (Audited(3, ("bad",)), 1, "advisories: 1 that apply, to 3 locked packages\n"),
    ],
)
def test_the_check_fails_for_problems_alone_and_says_in_one_line_what_was_done(
    monkeypatch, capsys, outcome, status, told
):
    monkeypatch.setattr(advisories, "audit", lambda _: outcome)
    assert main() == status
    assert capsys.readouterr().out == told


@pytest.mark.parametrize(
    ("outcome", "status", "complaint"),
    [
        (Audited(3, ()), 0, ""),
        (Audited(3, ("bad",)), 1, "advisories: bad\n"),
        (Unanswered("no way"), 1, "advisories: GATEHOUSE_AUDIT=required wants an audit: run this where one answers\n"),
    ],
    ids=["nothing applies", "one applies", "no answer"],
)
def test_an_audit_that_is_required_fails_where_no_database_answers(monkeypatch, capsys, outcome, status, complaint):
    monkeypatch.setattr(advisories, "audit", lambda _: outcome)
    monkeypatch.setenv("GATEHOUSE_AUDIT", "required")
    assert main() == status
    assert capsys.readouterr().err == complaint


def test_a_switch_that_says_nothing_known_fails_before_any_audit(monkeypatch, capsys):
    monkeypatch.setattr(advisories, "audit", lambda _: Audited(0, ()))
    monkeypatch.setenv("GATEHOUSE_AUDIT", "requierd")
    assert main() == 1
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "advisories: GATEHOUSE_AUDIT is 'requierd'; it may be 'required', or not set\n")
    monkeypatch.setenv("GATEHOUSE_AUDIT", "")
    assert main() == 0
