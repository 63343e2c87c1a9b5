"""The undecorated job of setup_cfg_plugin: old files are listed first, deleted only when asked."""

import configparser
import importlib.util
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PLUGIN = Path(__file__).parents[2] / "example_plugins" / "setup_cfg_plugin"


@pytest.fixture
def clean_folder() -> Callable[..., dict[str, Any]]:
    setup = configparser.ConfigParser()
    setup.read(PLUGIN / "setup.cfg")
    target = setup["options.entry_points"]["jobreg.jobs"].partition("= ")[2]
    name, _, attr = target.partition(":")
    spec = importlib.util.spec_from_file_location(name, PLUGIN / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function: Callable[..., dict[str, Any]] = getattr(module, attr)
    return function


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    long_ago = time.time() - 30 * 24 * 60 * 60
    for name in ("old.tmp", "new.tmp"):
        (tmp_path / name).write_text("four")
    (tmp_path / "inner").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "old.tmp")
    for name in ("old.tmp", "inner"):
        os.utime(tmp_path / name, (long_ago, long_ago))
    return tmp_path


def test_a_dry_run_lists_old_files_and_deletes_nothing(
    clean_folder: Callable[..., dict[str, Any]], folder: Path
) -> None:
    result = clean_folder(str(folder))

    assert (result["files"], result["bytes"], result["deleted"]) == (["old.tmp"], 4, 0)
    assert (folder / "old.tmp").exists()


def test_only_old_plain_files_are_deleted_when_asked(
    clean_folder: Callable[..., dict[str, Any]], folder: Path
) -> None:
    result = clean_folder(str(folder), dry_run=False)

    assert (result["deleted"], result["kept"]) == (1, {})
    assert sorted(path.name for path in folder.iterdir()) == ["inner", "link", "new.tmp"]
