"""CPUs as affinity and control groups allow them, on made-up trees of /proc and /sys."""

import os
from pathlib import Path

import pytest

from clip_prep_cli.common.cpus import usable_cpus

AFFINITY = 16


@pytest.fixture(autouse=True)
def _sixteen_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(AFFINITY)), raising=False)


def cpus(root: Path, cgroup: str, files: dict[str, str]) -> int:
    """The answer for a process whose /proc/self/cgroup is `cgroup`; `files` are in the mount."""
    (root / "cgroup").write_text(cgroup)
    for name, content in files.items():
        path = root / "mount" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return usable_cpus(root / "cgroup", root / "mount")


@pytest.mark.parametrize(
    ("quota", "count"),
    [
        ("400000 100000\n", 4),
        ("450000 100000\n", 4),  # half a CPU more is not a CPU
        ("50000 100000\n", 1),  # less than one is one
        ("50000 10000\n", 5),
        ("3200000 100000\n", AFFINITY),
        ("max 100000\n", AFFINITY),
        ("", AFFINITY),
    ],
)
def test_v2_quota(tmp_path: Path, quota: str, count: int) -> None:
    """Version 2: microseconds and period in one file, whole CPUs, no more than the affinity."""
    assert cpus(tmp_path, "0::/job\n", {"job/cpu.max": quota}) == count


@pytest.mark.parametrize(
    ("quotas", "count"),
    [
        ({"a/b/c/cpu.max": "200000 100000", "a/cpu.max": "800000 100000"}, 2),
        ({"a/b/c/cpu.max": "800000 100000", "a/cpu.max": "200000 100000"}, 2),
        ({"a/b/c/cpu.max": "max 100000", "a/b/cpu.max": "300000 100000"}, 3),
        ({"a/b/c/cpu.max": "max 100000", "cpu.max": "500000 100000"}, 5),
        ({"a/b/c/d/cpu.max": "100000 100000", "x/cpu.max": "100000 100000"}, AFFINITY),
    ],
)
def test_v2_takes_the_tightest_group_above(
    tmp_path: Path, quotas: dict[str, str], count: int
) -> None:
    """The process's group and all above it count, up to the root; others do not."""
    assert cpus(tmp_path, "0::/a/b/c\n", quotas) == count


def test_v2_in_a_container(tmp_path: Path) -> None:
    """Inside a container the process's own group is the root of the mount."""
    assert cpus(tmp_path, "0::/\n", {"cpu.max": "300000 100000"}) == 3


@pytest.mark.parametrize(
    ("quota", "period", "count"),
    [
        ("600000", "100000", 6),
        ("-1", "100000", AFFINITY),
        ("25000", "50000", 1),
        ("600000", "", AFFINITY),
    ],
)
def test_v1_quota(tmp_path: Path, quota: str, period: str, count: int) -> None:
    """Version 1: two files below the controller's own mount; -1 is no quota."""
    cgroup = "5:memory:/other\n4:cpu,cpuacct:/docker/1f\n1:name=systemd:/\n"
    group = "cpu/docker/1f"
    files = {f"{group}/cpu.cfs_quota_us": quota, f"{group}/cpu.cfs_period_us": period}
    assert cpus(tmp_path, cgroup, files) == count


def test_v1_takes_the_tightest_group_above(tmp_path: Path) -> None:
    """In a container the group's path may be the host's: what is found on the way counts."""
    files = {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}
    assert cpus(tmp_path, "4:cpu:/docker/1f\n", files) == 2


def test_v1_and_v2_together(tmp_path: Path) -> None:
    """Hybrid hierarchies: the tighter one."""
    files = {
        "cpu/job/cpu.cfs_quota_us": "700000",
        "cpu/job/cpu.cfs_period_us": "100000",
        "job/cpu.max": "300000 100000",
    }
    assert cpus(tmp_path, "4:cpu,cpuacct:/job\n0::/job\n", files) == 3


def test_only_the_cpu_controller_counts(tmp_path: Path) -> None:
    """`cpuset` begins like `cpu` and is another controller."""
    files = {"cpu/job/cpu.cfs_quota_us": "100000", "cpu/job/cpu.cfs_period_us": "100000"}
    assert cpus(tmp_path, "3:cpuset:/job\n", files) == AFFINITY


def test_without_control_groups(tmp_path: Path) -> None:
    """No /proc/self/cgroup, as on macOS: the affinity alone."""
    assert usable_cpus(tmp_path / "none", tmp_path) == AFFINITY


def test_without_affinity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system knows no affinity, all CPUs; where it knows nothing, one."""
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    assert usable_cpus(tmp_path / "none", tmp_path) == 12
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cpus(tmp_path / "none", tmp_path) == 1


def test_this_machine() -> None:
    """The real files can be read, whatever they say."""
    assert 1 <= usable_cpus() <= AFFINITY
