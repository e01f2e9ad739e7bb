"""Two processes that average gradients and then train together, really started by torchrun."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from avatar3d.errors import UserError
from driver.ranks import Ranks, joined_ranks

_SCRIPT = """
import sys
from pathlib import Path
import numpy as np
import torch
from safetensors.torch import save_file
import driver.corpus, driver.train
from driver.model import Config
from driver.ranks import Ranks

folder = Path(sys.argv[1])
driver.corpus.sentences = driver.train.sentences = lambda: (("Bob may pay five pence for a map.",), ())
driver.train.usual_style = lambda net: torch.zeros(16)
kept, windows = {}, []
average = Ranks.average_gradients

def known_gradients(ranks):
    assert ranks.count == 2
    assert ranks.agreed(10.0 + ranks.rank) == 10.0
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Tanh(), torch.nn.Linear(7, 3))
    net.register_parameter("lonely", torch.nn.Parameter(torch.ones(4)))
    loss = (net(torch.from_numpy(np.load(folder / "batch.npy"))[ranks.rank :: 2]) ** 2).mean()
    # Only the second rank has a use for it.
    loss = loss + (3 * net.lonely.sum() if ranks.rank == 1 else 0)
    loss.backward()
    average(ranks, net)
    kept.update({f"gradient.{name}": parameter.grad.clone() for name, parameter in net.named_parameters()}, rank=torch.tensor(ranks.rank))

def average_gradients(ranks, net):
    if not kept:
        known_gradients(ranks)
    average(ranks, net)
    # Each time, since in the end the first rank alone loads the average of the weights.
    kept.update({f"net.{name}": value.detach().clone() for name, value in net.state_dict().items()})

def losses(net, lips, batch, rng, live=False, original=driver.train.losses):
    windows.append(batch.features.double().sum())
    return original(net, lips, batch, rng, live)

driver.train.losses = losses
Ranks.average_gradients = average_gradients
small = Config(width=16, layers=1, heads=2, reach=4)
driver.train.train(folder / "two.safetensors", cache=folder / "cache", hours=0.01, batch=4, steps=6, keep_every=3, config=small)
save_file(kept | {"windows": torch.stack(windows)}, folder / f"state{int(kept['rank'])}.safetensors")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where two processes that ran the script left what they had, and what they said."""
    pytest.importorskip("espeakng_loader")
    folder = tmp_path_factory.mktemp("ranks")
    np.save(folder / "batch.npy", np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32))
    (folder / "script.py").write_text(_SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(folder / "script.py"), str(folder)]
    paths = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "said.txt").write_text(done.stdout)
    return folder


def test_the_mean_gradient_is_that_of_the_joined_batch(folder):
    one, two = (load_file(folder / f"state{rank}.safetensors") for rank in (0, 1))
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Tanh(), torch.nn.Linear(7, 3))
    (net(torch.from_numpy(np.load(folder / "batch.npy"))) ** 2).mean().backward()
    for name, parameter in net.named_parameters():
        assert torch.equal(one[f"gradient.{name}"], two[f"gradient.{name}"])
        torch.testing.assert_close(one[f"gradient.{name}"], parameter.grad)
    # Without a gradient on one rank it counts as zero there.
    torch.testing.assert_close(one["gradient.lonely"], torch.full((4,), 1.5))


def test_two_processes_train_one_network(folder):
    one, two = (load_file(folder / f"state{rank}.safetensors") for rank in (0, 1))
    names = [name for name in one if name.startswith("net.")]
    assert len(names) > 20 and all(torch.equal(one[name], two[name]) for name in names)
    assert not torch.equal(one["windows"], two["windows"]), "both drew the same windows"
    assert (folder / "said.txt").read_text().count("step 6 of 6") == 1, "only the first one speaks"
    assert torch.isfinite(load_file(folder / "two.safetensors")["leave.weight"]).all()
    assert "2 processes on cpu, 6 steps of 4 windows" in (folder / "two.md").read_text()
    assert {path.name for path in folder.glob("*two*")} == {"two.safetensors", "two.md"}


def test_one_process_is_a_single_rank(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined_ranks("cpu") as ranks:
        assert ranks == Ranks(0, 1, 0, torch.device("cpu")) and ranks.first
        assert ranks.agreed(2.5) == 2.5


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match="rank 1 of this machine has no GPU, there are 1"), joined_ranks("cuda"):
        pass
