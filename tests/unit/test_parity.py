"""bench.parity, on a stand-in for the authors' checkouts."""

from pathlib import Path

import pytest

from bench import parity
from scripts.lib.jsonl import BadInput

TRAINER = """
import deepspeed  # not installed: only the function is read

class SPINTrainer(Trainer):
    def spin_loss(self, real: torch.FloatTensor, made, real_before, made_before, reference_free: bool = False) -> Tuple:
        margin = self.beta * (real - made - real_before + made_before)
        print(margin)
        loss = -F.logsigmoid(margin) if self.loss_type == "sigmoid" else torch.relu(1 - margin)
        return loss, None, None
"""


@pytest.fixture
def upstream(tmp_path: Path) -> Path:
    file = tmp_path / "SPIN" / "spin" / "alignment" / "trainer.py"
    file.parent.mkdir(parents=True)
    file.write_text(TRAINER, encoding="utf-8")
    return tmp_path


def test_spins_loss_stands_beside_ours(upstream: Path) -> None:
    lines = parity.losses(upstream)
    assert len(lines) == 6
    assert all(float(line.split()[-1]) < 1e-11 for line in lines), lines


def test_another_checkout_is_told(upstream: Path) -> None:
    file = upstream / "SPIN" / "spin" / "alignment" / "trainer.py"
    with pytest.raises(BadInput, match="no function dpo_loss. Check out the commit"):
        parity.function_of(file, "dpo_loss", {})
    with pytest.raises(BadInput, match="Name the folder of the checkouts"):
        parity.function_of(upstream / "none.py", "spin_loss", {})
