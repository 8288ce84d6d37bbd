"""How many simulations this machine holds at a time: its cores and free memory."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

NEED_BYTES = 400_000_000
"""[byte] Memory for one deck: ngspice takes 100 MB for a 144-64-10 network with its
arrays as multiports and 250 MB cell by cell, its worker 60 MB and the waveforms."""


def default_workers() -> int:
    """As many decks as there are cores, or as the free memory holds; at least one."""
    free = available_memory()
    return cores() if free is None else max(1, min(cores(), free // NEED_BYTES))


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_memory(root: Path = Path("/")) -> int | None:
    """[byte] What new processes may take; None where the system does not tell.

    On Linux the machine's free memory, or less where a control group (a container, a
    job of SLURM) has a limit. What the kernel can drop from its caches counts as free.
    """
    try:
        told = (root / "proc/meminfo").read_text()
        free = int(told.partition("MemAvailable:")[2].split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        return None
    return min([free, *_left_in_groups(root)])


def _left_in_groups(root: Path) -> Iterator[int]:
    """[byte] What is left in each control group that has a limit."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, kinds, own = line.split(":", 2)
        if not kinds:  # version 2
            place, names = "sys/fs/cgroup", ("max", "current", "inactive_file")
        elif "memory" in kinds.split(","):
            place = "sys/fs/cgroup/memory"
            names = ("limit_in_bytes", "usage_in_bytes", "total_inactive_file")
        else:
            continue
        group = PurePosixPath(own)
        for path in (group, *group.parents):  # a parent's limit holds for all below
            folder = root / place / path.relative_to("/")
            try:
                limit = int((folder / f"memory.{names[0]}").read_text())
                used = int((folder / f"memory.{names[1]}").read_text())
                stat = (folder / "memory.stat").read_text().split()
                cached = int(stat[stat.index(names[2]) + 1])
            except (OSError, ValueError):
                continue  # no such group, or no limit ("max")
            yield max(0, limit - used + cached)
