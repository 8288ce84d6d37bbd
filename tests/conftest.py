"""What every test session needs: compile cache, data folders, the ngspice marker."""

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# The hook of pyproject.toml imports `tests` alone and then expects its module there.
from tests import typecheck as typecheck

# A shell starts what runs in its background with Ctrl-C ignored; tests that send it,
# and their children, would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent
LINUX = Path("/proc/self/statm").exists()

# Compiled programs are kept between sessions (a session of small programs gets 2 to 7
# times shorter). jax reads these once, on import; the processes a test starts inherit
# them. With jax's own threshold of one second nothing of ours would be kept.
assert "jax" not in sys.modules, "jax was imported before its cache was set"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

# Tests compile much and compute little: LLVM's optimisation of programs that run once
# takes longer than it saves (cold cache: a quarter of the processor time).
FLAG = "--xla_backend_optimization_level=0"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {FLAG}".strip()

# No deadline: the first call of an example compiles. The same examples in every run:
# a failure seen once is seen again.
settings.register_profile("project", deadline=None, derandomize=True, database=None)
settings.load_profile("project")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Stop a test marked `ngspice` where there is no ngspice."""
    if item.get_closest_marker("ngspice") is None:
        return
    program = os.environ.get("NGSPICE", "ngspice")
    if shutil.which(program) is not None:
        return
    reason = f"no program '{program}'; tools/install_ngspice.sh installs ngspice"
    # `make test` installs ngspice first: there a skip would hide that this failed.
    if os.environ.get("RRAM_JAX_REQUIRE_NGSPICE") == "1":
        pytest.fail(reason)
    pytest.skip(reason)  # no ngspice here, and nobody asked for it


MAX_RESIDENT = 2 << 30
"""[byte] Memory of a test process above which it forgets its compiled programs."""


@pytest.fixture(autouse=True, scope="module")
def _forget_programs():
    """Keep hundreds of compiled programs from filling the memory."""
    yield
    pages = int(Path("/proc/self/statm").read_text().split()[1]) if LINUX else 0
    if pages * os.sysconf("SC_PAGE_SIZE") > MAX_RESIDENT and "jax" in sys.modules:
        sys.modules["jax"].clear_caches()


def _data_folder(name: str) -> Path:
    """Return `$RRAM_JAX_DATA/name`, or skip the test that asked for it."""
    root = os.environ.get("RRAM_JAX_DATA")
    if not root:
        pytest.skip(f"RRAM_JAX_DATA is not set; it names the folder that holds {name}/")
    folder = Path(root) / name
    if not folder.is_dir():
        pytest.skip(f"RRAM_JAX_DATA={root} holds no folder {name}/")
    return folder


@pytest.fixture(scope="session")
def mnist_dir() -> Path:
    """Folder of the four canonical MNIST files."""
    return _data_folder("mnist")


@pytest.fixture(scope="session")
def rram_dir() -> Path:
    """Folder of measured RRAM arrays, `cell,cycle,r_hrs_ohm,r_lrs_ohm`."""
    return _data_folder("rram")
