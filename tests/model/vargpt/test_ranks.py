"""Two ranks, one with pictures and one without: both take part in every collective call."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = """
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from tests.model.vargpt.conftest import small_model
from tests.model.vargpt.test_forward import DRAWS, TALKS, batch, codes

dist.init_process_group("gloo")
rank = dist.get_rank()
model = small_model().train()
for name, parameter in model.named_parameters():
    if name.startswith("vision_tower."):
        parameter.requires_grad_(False)
ddp = DistributedDataParallel(model)  # an unused parameter would end in an error
for step in range(2):
    model.zero_grad()
    if rank == step:
        output = ddp(**batch(DRAWS), image_code_ids=codes(1))
    else:
        output = ddp(**batch(TALKS))
    output.loss.backward()
    grads = [p.grad for p in model.parameters() if p.requires_grad]
    total = torch.stack([grad.norm() for grad in grads]).norm()
    totals = [torch.zeros(()) for _ in range(2)]
    dist.all_gather(totals, total)
    assert torch.equal(totals[0], totals[1]), totals
    assert model.vargpt_gen.word_embed.weight.grad.norm() > 0
print(f"rank {rank} done", flush=True)
# A rank that leaves first takes gloo's sockets with it, and the other aborts at its exit.
del ddp, grads, total, totals, output
dist.barrier()
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_ranks_with_and_without_pictures_reduce_the_same_gradients(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    ran = subprocess.run(
        [*launcher, "--nproc-per-node", "2", str(tmp_path / "program.py")],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert "rank 0 done" in ran.stdout
    assert "rank 1 done" in ran.stdout
