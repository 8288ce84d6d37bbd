import pytest

from rram_jax.ngspice import capacity
from rram_jax.ngspice.capacity import NEED_BYTES, available_memory, default_workers

GB = 10**9
MEMINFO = f"MemTotal: 99 kB\nMemFree: 1 kB\nMemAvailable:  {8 * GB // 1024} kB\n"


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_memory_of_a_machine_without_limits(tmp_path):
    write(tmp_path, {"proc/meminfo": MEMINFO})
    assert available_memory(tmp_path) == pytest.approx(8 * GB, abs=1024)
    assert available_memory(tmp_path / "no proc") is None


def test_memory_of_a_group_whose_parent_has_the_limit(tmp_path):
    write(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "0::/job_7/step_0\n",
            "sys/fs/cgroup/job_7/step_0/memory.max": "max\n",
            "sys/fs/cgroup/job_7/step_0/memory.current": "5\n",
            "sys/fs/cgroup/job_7/memory.max": f"{3 * GB}\n",
            "sys/fs/cgroup/job_7/memory.current": f"{2 * GB}\n",
            "sys/fs/cgroup/job_7/memory.stat": f"anon 7\ninactive_file {GB // 2}\n",
        },
    )
    assert available_memory(tmp_path) == 1.5 * GB


def test_memory_of_a_group_of_the_first_version(tmp_path):
    group = "sys/fs/cgroup/memory/slurm/memory"
    files = {
        "proc/meminfo": MEMINFO,
        "proc/self/cgroup": "9:name=systemd:/\n4:cpu,memory:/slurm\n0::/\n",
        f"{group}.limit_in_bytes": f"{2 * GB}\n",
        f"{group}.usage_in_bytes": f"{GB}\n",
        f"{group}.stat": f"cache 3\ntotal_inactive_file {GB // 4}\n",
    }
    write(tmp_path, files)
    assert available_memory(tmp_path) == 1.25 * GB
    write(tmp_path, files | {f"{group}.limit_in_bytes": "1000\n"})
    assert available_memory(tmp_path) == 0


@pytest.mark.parametrize(
    ("free", "workers"),
    [(None, 4), (100 * GB, 4), (3 * NEED_BYTES - 1, 2), (1000, 1)],
)
def test_workers_have_a_core_and_room_each(monkeypatch, free, workers):
    monkeypatch.setattr(capacity, "cores", lambda: 4)
    monkeypatch.setattr(capacity, "available_memory", lambda: free)
    assert default_workers() == workers
