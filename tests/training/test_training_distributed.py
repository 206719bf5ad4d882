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


def torchrun(*arguments: str, processes: int = 2, timeout: float = 180) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    # One thread each: the sums are then made in one order, and two processes fit two cores.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, timeout=timeout, env=environment
    )


def together(folder: Path, *arguments: str, processes: int = 2) -> list[dict[str, Any]]:
    """What the processes said, by rank."""
    ran = torchrun(str(TOGETHER), str(folder), *arguments, processes=processes)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(processes)]


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
def test_two_processes_add_up_agree_and_find_differences(tmp_path):
    first, second = together(tmp_path, "group")
    assert (first["world"], second["rank"]) == (2, 1)
    assert first["add"] == second["add"] == [2.0, 1.0]
    assert first["sum"] == second["sum"] == [3.0, 3.0, 3.0]
    assert first["any"] == [False, True]
    assert second["from leader"] == {"adapter": "by 0"}
    assert "recipe of process 1 is not that of process 0" in first["differs"] == second["differs"]


def weights(folder: Path) -> dict[str, Any]:
    return load_file(folder / "adapter_model.safetensors")


@pytest.mark.slow
def test_two_processes_train_as_one_does(tmp_path, phi3):
    """DDP and FSDP2, LoRA and nf4: the losses of one process, and the same adapter."""
    runs = [f"{strategy}:{method}" for strategy in ("ddp", "fsdp2") for method in ("lora", "qlora")]
    seen, same = together(tmp_path, "train", str(phi3), *runs)
    for method in ("lora", "qlora"):
        alone = one(distributed.ALONE, str(phi3), f"ddp:{method}", tmp_path / "alone" / method)
        assert len(alone["losses"]) == 8
        assert alone["losses"][-1] < alone["losses"][0]
        expected = weights(tmp_path / "alone" / method)
        for strategy in ("ddp", "fsdp2"):
            run = f"{strategy}:{method}"
            assert seen[run]["losses"] == same[run]["losses"] == pytest.approx(alone["losses"], rel=1e-5), run
            assert seen[run]["dev"] == pytest.approx(alone["dev"], rel=1e-5), run
            assert seen[run]["tokens"] == alone["tokens"]
            # Sharded weights are DTensors between the passes.
            assert ("DTensor" in seen[run]["held"]) == (strategy == "fsdp2")
            trained = weights(tmp_path / run)
            assert trained.keys() == expected.keys()
            for key, tensor in trained.items():
                torch.testing.assert_close(tensor, expected[key], rtol=1e-3, atol=1e-4)
        assert seen[f"ddp:{method}"]["losses"] == seen[f"fsdp2:{method}"]["losses"]


@pytest.mark.slow
def test_one_that_is_asked_to_stop_stops_all_and_resuming_changes_nothing(tmp_path, phi3):
    first, second = together(tmp_path, "interrupt", str(phi3), "ddp:lora", "3")
    assert (first["stopped"], second["stopped"]) == ("interrupted", "interrupted")
    assert len(first["losses"]) == len(second["losses"]) == 3
    assert not (tmp_path / "adapter_model.safetensors").exists()
    rest, _ = together(tmp_path, "interrupt", str(phi3), "ddp:lora", "0", "resume")
    alone = one(distributed.ALONE, str(phi3), "ddp:lora", tmp_path / "alone")
    assert first["losses"] + rest["losses"] == pytest.approx(alone["losses"], rel=1e-5)
    for key, tensor in weights(tmp_path).items():
        torch.testing.assert_close(tensor, weights(tmp_path / "alone")[key], rtol=1e-3, atol=1e-4)
