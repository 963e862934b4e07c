from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.private_files import find_short_folder, make_folder, make_short_folder, readable_by_others
from app.settings import Settings


def mode(path: Path) -> int:
    """The permissions of a file or folder."""
    return path.stat().st_mode & 0o777


def test_a_folder_and_those_above_it_are_made_for_this_account_alone(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b" / "c")
    make_folder(tmp_path / "a" / "b" / "c")
    assert [mode(tmp_path / path) for path in ("a", "a/b", "a/b/c")] == [0o700] * 3
    assert not readable_by_others(tmp_path / "a")
    (tmp_path / "a").chmod(0o710)
    assert readable_by_others(tmp_path / "a")
    make_folder(tmp_path / "a")
    assert mode(tmp_path / "a") == 0o710  # whoever made it meant it


def test_a_folder_cannot_be_made_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        make_folder(tmp_path / "file" / "a")


def test_a_short_folder_is_found_again_by_others_who_know_the_long_one(tmp_path: Path) -> None:
    assert find_short_folder(tmp_path) is None
    made = make_short_folder(tmp_path)
    assert mode(made) == 0o700
    assert len(str(made)) < 60
    assert find_short_folder(tmp_path) == made == make_short_folder(tmp_path)
    made.rmdir()
    assert find_short_folder(tmp_path) is None
    again = make_short_folder(tmp_path)
    assert again != made
    again.rmdir()


def test_a_short_folder_that_another_account_could_have_made_is_not_followed(tmp_path: Path) -> None:
    made = make_short_folder(tmp_path)
    made.chmod(0o755)
    assert find_short_folder(tmp_path) is None
    made.rmdir()
    made.symlink_to(tmp_path)
    assert find_short_folder(tmp_path) is None
    made.unlink()
    made.touch(mode=0o600)
    assert find_short_folder(tmp_path) is None
    made.unlink()
    made.mkdir(mode=0o700)
    if os.geteuid() == 0:  # no other account may give a folder away
        os.chown(made, 12345, 12345)
        assert find_short_folder(tmp_path) is None
    made.rmdir()


def test_no_socket_has_a_name_in_the_temporary_folder_that_others_can_foresee(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / ("long" * 30))
    assert settings.broker_socket == settings.data_dir / "broker" / "broker.sock"
    make_folder(settings.data_dir / "broker")
    short = make_short_folder(settings.data_dir / "broker")
    assert settings.broker_socket == short / "broker.sock"
    assert Settings(data_dir=settings.data_dir).effective_broker_url == f"redis+socket://{short}/broker.sock"
    short.rmdir()
