"""Several processes on loopback, as `experiments.scale` starts them on hosts."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.scale.__main__ import Scale, count_right
from rram_jax.errors import InputError
from tests.helpers import device_environment, is_one_sentence

ROOT = Path(__file__).resolve().parent.parent
CHECKPOINT = ROOT / "checkpoints" / "mlp-144-32-10-mnist5k-hardened"
FEW = ("--images", "150", "--chips", "5", "--first", "2", "--sigma-lrs", "0.5")


def coordinator() -> str:
    """An address on loopback that is free."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{server.getsockname()[1]}"


def together(*commands: list[str]) -> list[str]:
    """Standard output of Python processes that need each other."""
    started = [
        subprocess.Popen(
            [sys.executable, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            # Two devices a process: shares are spread again.
            env=device_environment(2),
        )
        for command in commands
    ]
    try:
        told = [process.communicate(timeout=200) for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0] * len(started), told
    return [out for out, _ in told]


@pytest.mark.slow
def test_two_processes_count_what_one_does(tmp_path):
    place = coordinator()
    command = ["-m", "experiments.scale", str(CHECKPOINT), *FEW]
    both = [
        [
            *command,
            *("--coordinator", place, "--processes", "2", "--process", str(process)),
            *("--json", str(tmp_path / f"{process}.json")),
        ]
        for process in range(2)
    ]
    together(*both)
    numbers = json.loads((tmp_path / "0.json").read_text())
    assert not (tmp_path / "1.json").exists()
    assert (numbers["processes"], numbers["devices"]) == (2, {"cpu": 4})
    one = Scale(checkpoint=CHECKPOINT, images=150, chips=5, first=2, sigma_lrs=0.5)
    right, n_images = count_right(one)
    assert numbers["right"] == right.tolist()
    assert len(set(numbers["right"])) > 1
    assert n_images == numbers["n_images"] == 150
    np.testing.assert_allclose(numbers["mean"], right.mean() / 150, rtol=1e-12)


STEP = """
import json, sys
import jax, jax.numpy as jnp, numpy as np
jax.distributed.initialize(sys.argv[1], num_processes=2, process_id=int(sys.argv[2]))
from rram_jax.parallel import device_mesh, replicate, split_batch

mesh = device_mesh()
assert mesh.size == 4
kernel, x = np.float32([[1], [-2]]), np.arange(16, dtype=np.float32).reshape(8, 2)
kernel = replicate(kernel, mesh)
mine = split_batch(np.split(x, 2)[jax.process_index()], mesh)
loss = lambda w, x: jnp.square(x @ w).sum()
slope = jax.jit(jax.grad(loss))(kernel, mine)
print(json.dumps([mine.shape, np.asarray(slope).tolist()]))
jax.distributed.shutdown()
"""


@pytest.mark.slow
def test_a_gradient_over_two_processes():
    place = coordinator()
    told = together(*(["-c", STEP, place, str(process)] for process in range(2)))
    x, kernel = np.arange(16.0).reshape(8, 2), np.array([[1.0], [-2.0]])
    slope = 2 * x.T @ x @ kernel  # whole numbers: exact in any order
    for out in told:
        assert json.loads(out.splitlines()[-1]) == [[8, 2], slope.tolist()]


@pytest.mark.parametrize(
    "settings",
    [
        {"chips": 0},
        {"images": 0},
        {"first": -1},
        {"processes": 2},
        {"coordinator": "127.0.0.1:1"},
        {"processes": 2, "process": 2, "coordinator": "127.0.0.1:1"},
        {"processes": 2, "coordinator": "127.0.0.1:1", "cluster": True},
        {"seed": -1},
    ],
)
def test_settings_that_cannot_be(settings):
    with pytest.raises(InputError) as error:
        Scale(checkpoint=CHECKPOINT, **settings)
    assert is_one_sentence(error.value)
