"""Several processes train as one does. Real processes, gloo over loopback, started by torchrun."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra: pip install loresmith[train]")
for package in ("peft", "bitsandbytes", "matplotlib"):
    pytest.importorskip(package, reason="pip install loresmith[train]")

from safetensors.torch import load_file  # noqa: E402
from training.together import one  # noqa: E402

from loresmith import workspace as folders  # noqa: E402
from loresmith.dataset import store  # noqa: E402
from loresmith.dataset.example import Example  # noqa: E402
from loresmith.errors import TrainingError  # noqa: E402
from loresmith.training import distributed, run  # noqa: E402

TOGETHER = Path(__file__).parent / "together.py"
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
# One thread each: the sums are then made in one order, and two processes fit two cores.
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory, phi3: Path) -> tuple[Path, list[dict[str, Any]]]:
    """Where two processes wrote, and what each said, by rank."""
    folder = tmp_path_factory.mktemp("together")
    ran = subprocess.run(
        [*TORCHRUN, str(TOGETHER), str(folder), str(phi3)],
        capture_output=True, text=True, timeout=300, env=ENVIRONMENT,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return folder, [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


LAUNCHED = {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}


def test_without_a_launcher_it_is_one_process():
    with distributed.group(device="cpu", environment={}) as alone:
        assert (alone.leader, alone.world, alone.device) == (True, 1, "cpu")
        assert alone.add(1.5, 2.0) == (1.5, 2.0)
        assert alone.any(True)
        assert alone.from_leader("this") == "this"
        alone.agree("recipe", "mine")


def test_a_world_of_one_needs_no_other():
    with distributed.group(device="cpu", environment=LAUNCHED | {"WORLD_SIZE": "1"}) as alone:
        assert alone.world == 1


@pytest.mark.parametrize("missing", ["LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR"])
def test_half_an_environment_is_an_error_and_not_one_process(missing):
    environment = {k: v for k, v in LAUNCHED.items() if k != missing}
    with pytest.raises(TrainingError, match=missing), distributed.group(environment=environment):
        pass


def test_accelerate_that_quietly_starts_one_process_is_found_out():
    with (
        pytest.raises(TrainingError, match="torchrun"),
        distributed.group(environment={"ACCELERATE_USE_CPU": "true"}),
    ):
        pass


def test_a_rank_outside_the_world_is_an_error():
    with (
        pytest.raises(TrainingError, match="Process 2 of 2"),
        distributed.group(environment=LAUNCHED | {"RANK": "2"}),
    ):
        pass


@pytest.mark.slow
def test_two_processes_add_up_agree_and_find_differences(together):
    first, second = (said["group"] for said in together[1])
    assert first["world"] == second["world"] == 2
    assert first["add"] == second["add"] == [2.0, 1.0]
    assert first["sum"] == second["sum"] == [3.0, 3.0, 3.0]
    assert first["any"] == [False, True]
    assert second["from leader"] == {"adapter": "by 0"}
    assert "recipe of process 1 is not that of process 0" in first["differs"] == second["differs"]


def weights(folder: Path) -> dict[str, Any]:
    return load_file(folder / "adapter_model.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_two_processes_train_as_one_does(together, tmp_path, phi3, method):
    """DDP and FSDP2: the losses of one process, and the same adapter."""
    folder, (first, second) = together
    alone = one(distributed.ALONE, str(phi3), f"ddp:{method}", tmp_path)
    assert len(alone["losses"]) == 8
    assert alone["losses"][-1] < alone["losses"][0]
    for strategy in ("ddp", "fsdp2"):
        name = f"{strategy}:{method}"
        seen = first["runs"][name]
        assert seen["losses"] == second["runs"][name]["losses"] == pytest.approx(alone["losses"], rel=1e-5)
        assert seen["dev"] == pytest.approx(alone["dev"], rel=1e-5)
        assert seen["tokens"] == alone["tokens"]
        assert seen["share"] == pytest.approx(0.5 if strategy == "fsdp2" else 1.0, abs=0.01)
        assert_same(weights(folder / name), weights(tmp_path))
    assert first["runs"][f"ddp:{method}"]["losses"] == first["runs"][f"fsdp2:{method}"]["losses"]


@pytest.mark.slow
def test_one_that_is_asked_to_stop_stops_all_and_resuming_changes_nothing(together):
    folder, (first, second) = together
    assert first["stopped"]["stopped"] == second["stopped"]["stopped"] == "interrupted"
    assert len(first["stopped"]["losses"]) == len(second["stopped"]["losses"]) == 3
    whole = first["runs"]["ddp:lora"]
    assert first["stopped"]["losses"] + first["resumed"]["losses"] == whole["losses"]
    for key, tensor in weights(folder / "parts").items():
        assert torch.equal(tensor, weights(folder / "ddp:lora")[key])


@pytest.mark.slow
def test_the_command_under_torchrun_says_it_once_and_makes_the_same_adapter(tmp_path, phi3):
    settings = {"model.name": str(phi3), "training.max_steps": 4, "training.rank": 4}
    folder = folders.create(tmp_path / "plant", settings | {"training.precision": "fp32"})
    rows = [
        Example(
            messages=(
                {"role": "user", "content": f"Torque of pump {n}?"},
                {"role": "assistant", "content": f"It is {n} Nm."},
            ),
            kind="closed",
        )
        for n in range(12)
    ]
    store.save(folder.datasets_dir, rows, {row.id: "dev" if n < 2 else "train" for n, row in enumerate(rows)})
    train = ["-m", "loresmith", "train", "-w", str(folder.root), "--json"]
    ran = subprocess.run([*TORCHRUN, *train], capture_output=True, text=True, timeout=300, env=ENVIRONMENT)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    result = json.loads(ran.stdout)
    trained = weights(Path(result["folder"]))
    alone = run.train(folder, again=True)
    assert alone.adapter == result["adapter"]
    assert alone.loss == pytest.approx(result["loss"], rel=1e-5)
    assert_same(trained, weights(alone.folder))


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for key, tensor in found.items():
        torch.testing.assert_close(tensor, expected[key], rtol=1e-3, atol=1e-4)
