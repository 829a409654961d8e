"""The secrets of one folder, kept across every up and down."""

from pathlib import Path

import pytest

from infra.local.credentials import kept_credentials


def test_secrets_are_made_once_and_readable_by_their_owner_only(tmp_path):
    made = kept_credentials(tmp_path)
    assert kept_credentials(tmp_path) == made
    assert [file.stat().st_mode & 0o777 for file in tmp_path.iterdir()] == [0o600]


@pytest.mark.parametrize("step", ["write_text", "replace"])
def test_a_crash_while_they_are_written_leaves_a_folder_that_works(tmp_path, monkeypatch, step):
    def crash(*_, **__):
        raise OSError("the power is gone")

    with monkeypatch.context() as broken:
        broken.setattr(Path, step, crash)
        with pytest.raises(OSError, match="the power is gone"):
            kept_credentials(tmp_path)
    made = kept_credentials(tmp_path)
    assert kept_credentials(tmp_path) == made
