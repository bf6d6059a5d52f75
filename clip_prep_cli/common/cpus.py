"""How many CPUs this process may really use: affinity, and the quota of its control groups."""

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def usable_cpus(proc: Path = Path("/proc/self/cgroup"), mount: Path = _CGROUP) -> int:
    """The CPUs that the scheduler may give this process, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    return max(1, min(count, int(_quota(proc, mount))))


def _quota(proc: Path, mount: Path) -> float:
    """The tightest CPU quota on the way from the process's control group to the root, in CPUs."""
    try:
        lines = proc.read_text().splitlines()
    except OSError:
        return float(1 << 20)
    tightest = float(1 << 20)
    for line in lines:
        _, controllers, below = line.split(":", 2)
        if controllers == "":
            base, read = mount, _quota_v2
        elif "cpu" in controllers.split(","):
            base, read = mount / "cpu", _quota_v1
        else:
            continue
        path = Path(below.lstrip("/"))
        for group in (path, *path.parents):
            tightest = min(tightest, read(base / group))
    return tightest


def _quota_v2(group: Path) -> float:
    return _ratio(_first_line(group / "cpu.max").split())


def _quota_v1(group: Path) -> float:
    names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
    return _ratio([_first_line(group / name) for name in names])


def _ratio(fields: list[str]) -> float:
    """Microseconds of CPU per period; "max", -1 or nothing mean that there is no quota."""
    if len(fields) == 2 and fields[0].isdecimal() and fields[1].isdecimal():
        return max(1.0, int(fields[0]) / int(fields[1]))
    return float(1 << 20)


def _first_line(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:  # no such controller, or hidden from this container
        return ""
