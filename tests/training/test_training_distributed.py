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
pytest.importorskip("peft", reason="pip install loresmith[train]")

from safetensors.torch import load_file  # noqa: E402
from training.together import one  # noqa: E402

from loresmith.errors import TrainingError  # noqa: E402
from loresmith.training import distributed  # noqa: E402

TOGETHER = Path(__file__).parent / "together.py"


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory, phi3: Path) -> tuple[Path, list[dict[str, Any]]]:
    """Where two processes wrote, and what each said, by rank."""
    folder = tmp_path_factory.mktemp("together")
    # One thread each: the sums are then made in one order, and two processes fit two cores.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    ran = subprocess.run(
        [*torchrun, str(TOGETHER), str(folder), str(phi3)],
        capture_output=True, text=True, timeout=300, env=environment,
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
        run = f"{strategy}:{method}"
        seen = first["runs"][run]
        assert seen["losses"] == second["runs"][run]["losses"] == pytest.approx(alone["losses"], rel=1e-5)
        assert seen["dev"] == pytest.approx(alone["dev"], rel=1e-5)
        assert seen["tokens"] == alone["tokens"]
        # Sharded weights are DTensors between the passes.
        assert ("DTensor" in seen["held"]) == (strategy == "fsdp2")
        assert_same(weights(folder / run), weights(tmp_path))
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


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for key, tensor in found.items():
        torch.testing.assert_close(tensor, expected[key], rtol=1e-3, atol=1e-4)
