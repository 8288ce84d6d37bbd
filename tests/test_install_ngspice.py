"""tools/install_ngspice.sh on made-up machines; nothing is installed on this one."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "tools" / "install_ngspice.sh"

# It notes its arguments. What it installs from backports has KLU, the plain package
# has none; a file called after a step makes that step fail.
APT_GET = """\
echo "$*" >>calls
case "$*" in
  *update*) step=update ;;
  *"-t bookworm-backports"*) step=backports ;;
  *) step=plain ;;
esac
[ ! -e fail-$step ] || { echo "apt-get: $step failed" >&2; exit 100; }
[ $step = update ] || {
  printf '#!/bin/sh\\necho %s\\n' $step | sed s/backports/KLU/ >bin/ngspice
  chmod +x bin/ngspice
}
"""


class Machine:
    """A folder whose `bin` is all of PATH: what the script calls, and `apt-get`."""

    def __init__(self, folder: Path):
        self.folder = folder
        (folder / "bin").mkdir()
        for name in ("bash", "sh", "dirname", "grep", "env", "rm", "chmod", "sed"):
            program = shutil.which(name)
            assert program is not None
            (folder / "bin" / name).symlink_to(program)
        self.add("id", "echo 0")
        self.add("apt-get", APT_GET)
        self.add("python", 'echo >added; echo bookworm-backports "$PWD/added"')

    def add(self, name: str, text: str) -> None:
        program = self.folder / "bin" / name
        program.write_text(f"#!/bin/sh\ncd '{self.folder}'\n{text}")
        program.chmod(0o755)

    def fail(self, step: str) -> None:
        (self.folder / f"fail-{step}").touch()

    def run(self, **variables: str) -> subprocess.CompletedProcess[str]:
        bin_dir = str(self.folder / "bin")
        return subprocess.run(
            [SCRIPT],
            env={"PATH": bin_dir, "PYTHON": f"{bin_dir}/python", **variables},
            capture_output=True,
            text=True,
            timeout=60,
        )

    @property
    def installs(self) -> list[str]:
        """What apt-get was asked to install, from `-t` or the first package on."""
        file = self.folder / "calls"
        text = file.read_text() if file.exists() else ""
        after = "--no-install-recommends "
        return [ln.partition(after)[2] for ln in text.splitlines() if after in ln]


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_an_ngspice_with_klu_is_kept_in_silence(machine):
    machine.add("ngspice", "echo 'Compiled with KLU Direct Linear Solver'")
    done = machine.run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert machine.installs == []


def test_an_ngspice_without_klu_is_kept_and_told(machine):
    machine.add("old", "echo ngspice-39")
    done = machine.run(NGSPICE=f"{machine.folder}/bin/old")
    assert (done.returncode, done.stdout.count("\n")) == (0, 1)
    assert "bin/old has no KLU solver" in done.stdout
    assert machine.installs == []


def test_a_wrong_ngspice_variable_is_an_error(machine):
    done = machine.run(NGSPICE="/nowhere/ngspice")
    assert done.returncode == 1
    assert done.stderr.startswith("NGSPICE=/nowhere/ngspice is no program")
    assert machine.installs == []


def test_backports_come_first(machine):
    done = machine.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Installing ngspice with apt-get.\n"
    assert machine.installs == ["-t bookworm-backports ngspice"]
    assert (machine.folder / "added").exists()


def test_no_backports_here_means_the_plain_package(machine):
    machine.add("python", "echo 'Ubuntu is no Debian release' >&2; exit 1")
    done = machine.run()
    assert done.returncode == 0
    assert machine.installs == ["ngspice"]
    assert "ngspice has no KLU solver" in done.stdout


def test_backports_that_fail_leave_no_file_behind(machine):
    machine.fail("backports")
    done = machine.run()
    assert done.returncode == 0
    assert machine.installs == ["-t bookworm-backports ngspice", "ngspice"]
    assert not (machine.folder / "added").exists()


def test_a_suite_that_was_there_before_stays(machine):
    machine.add("python", "echo >added; echo bookworm-backports")
    machine.fail("backports")
    assert machine.run().returncode == 0
    assert (machine.folder / "added").exists()


def test_lists_that_cannot_be_updated_may_still_do(machine):
    machine.fail("update")
    done = machine.run()
    assert done.returncode == 0
    assert machine.installs == ["ngspice"]


def test_an_apt_that_fails_is_an_error(machine):
    machine.fail("backports")
    machine.fail("plain")
    done = machine.run()
    assert done.returncode == 1
    assert "apt-get could not install ngspice" in done.stderr


@pytest.mark.parametrize("lacking", ["apt-get", "root"])
def test_a_machine_that_cannot_install_says_what_to_do(machine, lacking):
    if lacking == "root":
        machine.add("id", "echo 1000")  # and there is no sudo on this PATH
    else:
        (machine.folder / "bin" / "apt-get").unlink()
    done = machine.run()
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("ngspice is missing and cannot be installed")
    assert machine.installs == []
