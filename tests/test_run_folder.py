import json
import os
import shlex
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rram_jax import run_folder
from rram_jax.errors import InputError
from rram_jax.run_folder import (
    check_writable,
    default_folder,
    git_commit,
    open_run,
    read_metrics,
    read_numbers,
    write_bytes,
    write_json,
    write_table,
)
from tests.helpers import is_one_sentence

CONFIG = {"epochs": 3, "sizes": (4, 3, 2), "seed": 7}


def refused(path, command="train", config=CONFIG) -> str:
    with pytest.raises(InputError) as caught:
        open_run(path, command, config)
    assert is_one_sentence(caught.value)
    return str(caught.value)


def test_a_run_from_beginning_to_end(tmp_path):
    path = tmp_path / "new" / "run"
    with open_run(path, "train", CONFIG) as run:
        assert (run.state, run.changed) == ("new", ())
        asked = json.loads((path / "config.json").read_text())
        assert asked == {"command": "train", **CONFIG, "sizes": [4, 3, 2]}
        run.finish({"accuracy": 0.5})
    versions = json.loads((path / "versions.json").read_text())
    assert versions["python"] == sys.version.split()[0]
    assert {"jax", "flax", "numpy", "rram_jax", "git_commit", "source_sha256"} < set(
        versions
    )
    # Where the program lies is not told.
    program = Path(sys.argv[0]).name
    assert versions["command_line"] == shlex.join([program, *sys.argv[1:]])
    before = {p.name: p.read_bytes() for p in path.iterdir()}
    assert set(before) == {"config.json", "versions.json", "metrics.json"}
    with open_run(path, "train", CONFIG) as run:
        assert run.state == "finished"
        assert run.metrics() == read_metrics(path) == {"accuracy": 0.5}
    assert {p.name: p.read_bytes() for p in path.iterdir()} == before


def test_an_unfinished_run_goes_on(tmp_path):
    with open_run(tmp_path, "train", CONFIG):
        (tmp_path / ".half-written").touch()
    file = tmp_path / "versions.json"
    first = json.loads(file.read_text()) | {"jax": "0.0.1"}
    write_json(file, first)
    with open_run(tmp_path, "train", CONFIG) as run:
        assert run.state == "resumed"
        (changed,) = run.changed
        assert changed.startswith("jax 0.0.1 then, ")
    versions = json.loads(file.read_text())
    (second,) = versions.pop("resumed")
    assert versions == first
    assert second["jax"] == changed.split()[3]


def test_devices_are_told_at_every_start(tmp_path):
    file = tmp_path / "versions.json"
    with open_run(tmp_path, "train", CONFIG, devices={"cpu": 1}):
        pass
    with open_run(tmp_path, "train", CONFIG, devices={"H100": 2, "cpu": 1}) as run:
        assert run.changed == ()
    versions = json.loads(file.read_text())
    assert versions["devices"] == {"cpu": 1}
    assert versions["resumed"][0]["devices"] == {"H100": 2, "cpu": 1}


def test_a_killed_process_may_leave_a_lock_and_parts(tmp_path):
    (tmp_path / ".lock").touch()
    (tmp_path / ".config.json.x1").touch()
    with open_run(tmp_path, "train", CONFIG) as run:
        assert run.state == "new"


def test_another_run_is_not_touched(tmp_path):
    with open_run(tmp_path, "train", CONFIG):
        pass
    told = refused(tmp_path, config=CONFIG | {"epochs": 4})
    assert "epochs = 3" in told
    assert " 4 is asked for" in told
    assert 'command = "train"' in refused(tmp_path, command="evaluate")
    assert "seed = 7" in refused(tmp_path, config={"epochs": 3, "sizes": (4, 3, 2)})
    told = refused(tmp_path, config=CONFIG | {"batch": "x" * 999})
    assert "batch = null" in told


def test_a_difference_deep_inside_is_named(tmp_path):
    with open_run(tmp_path, "train", {"card": {"a": 1, "b": {"c": 2}}, "seed": 3}):
        pass
    told = refused(tmp_path, config={"card": {"a": 1, "b": {"c": 4}}, "seed": 3})
    assert "card.b.c = 2, and 4 is asked for" in told


def test_null_and_left_out_are_the_same(tmp_path):
    with open_run(tmp_path, "train", {"seed": 3, "card": {"a": 1, "b": None}}):
        pass
    with open_run(tmp_path, "train", {"seed": 3, "card": {"a": 1}, "c": None}) as run:
        assert run.state == "resumed"
    told = refused(tmp_path, config={"seed": 3, "card": {"a": None}})
    assert "card.a = 1, and null is asked for" in told


def test_what_is_no_run_is_not_touched(tmp_path):
    (tmp_path / "thesis.tex").touch()
    assert "no run of ours" in refused(tmp_path)
    assert "is a file" in refused(tmp_path / "thesis.tex")
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("text", ["{", "[]", "\xff", "[" * 100_000])
def test_a_damaged_config_is_told(tmp_path, text):
    (tmp_path / "config.json").write_text(text, encoding="latin-1")
    assert "is damaged" in refused(tmp_path)


def test_damaged_versions_are_told(tmp_path):
    with open_run(tmp_path, "train", CONFIG):
        pass
    for value in ([], {"resumed": 3}):
        write_json(tmp_path / "versions.json", value)
        assert "versions.json is damaged" in refused(tmp_path)


def test_metrics_hold_what_is_needed(tmp_path):
    write_json(tmp_path / "metrics.json", {"points": [1], "n": 2})
    assert read_metrics(tmp_path, points=list, n=int | float)["points"] == [1]
    for kinds in ({"points": dict}, {"point": list}):
        with pytest.raises(InputError, match=r"metrics\.json is damaged") as caught:
            read_metrics(tmp_path, **kinds)
        assert is_one_sentence(caught.value)


def test_where_a_file_can_be_written(tmp_path):
    (tmp_path / "old.json").touch()
    for name in ("new.json", "old.json"):
        check_writable(tmp_path / name)
    for path, told in (
        (tmp_path, "is a folder"),
        (tmp_path / "none" / "f.json", "there is no folder"),
        (tmp_path / "old.json" / "f.json", "there is no folder"),
    ):
        with pytest.raises(InputError, match=told) as caught:
            check_writable(path)
        assert is_one_sentence(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["old.json"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_has_no_such_numbers(tmp_path, value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"x": value})
    assert list(tmp_path.iterdir()) == []


def test_a_second_writer_is_refused(tmp_path):
    with open_run(tmp_path, "train", CONFIG):
        assert "Another process" in refused(tmp_path)
    with open_run(tmp_path, "train", CONFIG) as run:
        assert run.state == "resumed"


def test_a_killed_process_leaves_the_folder_free(tmp_path):
    code = (
        "import sys, time, pathlib; from rram_jax.run_folder import open_run\n"
        f"run = open_run(pathlib.Path(sys.argv[1]), 'train', {CONFIG})\n"
        "print(run.state, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout.readline() == "new\n"
            assert "Another process" in refused(tmp_path)
        finally:
            os.kill(child.pid, signal.SIGKILL)
    with open_run(tmp_path, "train", CONFIG) as run:
        assert run.state == "resumed"


def test_equal_configurations_share_a_default_folder():
    folder = default_folder("train", "mlp-4-3-2", {"a": 1, "b": (2, 3)})
    assert folder == default_folder("train", "mlp-4-3-2", {"b": [2, 3], "a": 1})
    assert folder.parent.name == "runs"
    assert folder.name.startswith("train-mlp-4-3-2-")
    assert len(folder.name) == len("train-mlp-4-3-2-") + 8
    others = {
        default_folder("train", "mlp-4-3-2", {"a": 1, "b": [3, 2]}),
        default_folder("evaluate", "mlp-4-3-2", {"a": 1, "b": [2, 3]}),
    }
    assert len(others | {folder}) == 3


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch, broken):
    path = tmp_path / "a.bin"
    write_bytes(path, b"old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_folder.os, broken, fail)
    with pytest.raises(OSError, match="No space left"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_files_are_for_everybody_to_read(tmp_path):
    write_bytes(tmp_path / "a.bin", b"x")
    assert stat.S_IMODE((tmp_path / "a.bin").stat().st_mode) == 0o644


def test_a_table_comes_back_to_the_last_bit(tmp_path):
    rows = [[1, 0.1 + 0.2, float("inf")], [2, 1e-310, -0.0]]
    write_table(tmp_path / "t.csv", ("k", "x", "y"), rows)
    text = (tmp_path / "t.csv").read_text()
    assert text.splitlines()[1] == "1,0.30000000000000004,Infinity"
    back = read_numbers(tmp_path / "t.csv", ("k", "x", "y"))
    assert repr(back) == repr(rows)
    assert read_numbers(tmp_path / "none.csv", ("k",)) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "k,y\n1,2\n",
        "k,x\n1\n",
        "k,x\n1,two\n",
        'k,x\n1,"2"\n',
        "k,x\n1,true\n",
        "k,x\n\n",
    ],
)
def test_a_damaged_table_is_told(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match="is damaged: remove it") as caught:
        read_numbers(tmp_path / "t.csv", ("k", "x"))
    assert is_one_sentence(caught.value)


def test_code_that_changes_has_another_digest(tmp_path, monkeypatch):
    monkeypatch.setattr(run_folder, "__file__", str(tmp_path / "run_folder.py"))
    (tmp_path / "a.py").write_text("x = 1")
    first = run_folder.source_sha256()
    (tmp_path / "notes.txt").write_text("no code")
    assert run_folder.source_sha256() == first
    (tmp_path / "a.py").write_text("x = 2")
    assert run_folder.source_sha256() != first


def test_the_commit_is_read_from_gits_files(tmp_path):
    git, tree = tmp_path / ".git", tmp_path / "tree"
    assert git_commit(tmp_path) is None
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    assert git_commit(tmp_path) is None
    (git / "packed-refs").write_text("# pack-refs\nabc refs/heads/main\nd refs/x\n")
    assert git_commit(tmp_path) == "abc"
    (git / "refs" / "heads" / "main").write_text("bcd\n")
    assert git_commit(tmp_path) == "bcd"
    (git / "refs" / "heads" / "side").write_text("def\n")
    (git / "worktrees" / "tree").mkdir(parents=True)
    (git / "worktrees" / "tree" / "HEAD").write_text("ref: refs/heads/side\n")
    (git / "worktrees" / "tree" / "commondir").write_text("../..\n")
    tree.mkdir()
    (tree / ".git").write_text(f"gitdir: {git / 'worktrees' / 'tree'}\n")
    assert git_commit(tree) == "def"
    (git / "HEAD").write_text("0123abcd\n")
    assert git_commit(tmp_path) == "0123abcd"
