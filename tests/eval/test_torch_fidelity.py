"""Ours and torch-fidelity's metrics of the same images, through the same random Inception."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.eval.drawn_images import image_folder
from tests.eval.tiny_networks import save_random_inception

ROOT = Path(__file__).parents[2]

# Run where torch-fidelity is: it brings torchvision, which the packages do without.
THEIRS = """
import json, sys
import torch
from torch_fidelity import calculate_metrics
drawn, real, weights = sys.argv[1:]
torch.set_num_threads(1)
metrics = calculate_metrics(
    input1=drawn, input2=real, fid=True, kid=True, isc=True, prc=True, cuda=False, cache=False,
    feature_extractor="inception-v3-compat", feature_extractor_weights_path=weights,
    kid_subset_size=16, batch_size=8, verbose=False,
    isc_splits=10, rng_seed=2020, save_cpu_ram=True, samples_shuffle=False,
)
print(json.dumps({name: float(value) for name, value in metrics.items()}))
"""


@pytest.mark.slow
def test_metrics_equal_torch_fidelitys_on_the_same_weights(tmp_path):
    import torch

    from vargpt_eval.extracting.extraction import Networks, extract_features
    from vargpt_eval.extracting.inception_extractor import open_inception
    from vargpt_eval.generation.frechet import frechet_distance
    from vargpt_eval.generation.image_sources import open_images
    from vargpt_eval.generation.inception_score import inception_score
    from vargpt_eval.generation.kernel_distance import kernel_distance
    from vargpt_eval.generation.manifold import precision_recall

    torch.set_num_threads(1)
    drawn = image_folder(tmp_path / "drawn", 20, side_px=48)
    real = image_folder(tmp_path / "real", 24, first=100, side_px=48, brightness=150)
    weights = tmp_path / "weights.pth"
    sha256 = save_random_inception(weights)
    uv = shutil.which("uv")
    assert uv, "uv runs this suite, so it is on PATH"
    words = [uv, "run", "--no-sync", "--with", "torch-fidelity==0.4.0", "python", "-c", THEIRS]
    ran = subprocess.run(
        [*words, str(drawn), str(real), str(weights)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    theirs = json.loads(ran.stdout.splitlines()[-1])

    extractor = open_inception(weights, torch.device("cpu"), sha256=sha256)
    networks = Networks(extractors=[extractor])
    seen = {
        folder.name: extract_features(
            open_images(folder), networks, tmp_path / "work" / folder.name, lambda *_: None
        ).folder
        for folder in (drawn, real)
    }
    x, y = (seen[name].features("pool_3") for name in ("drawn", "real"))
    fid = frechet_distance(
        *(seen[name].statistics("pool_3", extractor.name) for name in ("drawn", "real"))
    )
    kid = kernel_distance(x, y, subset_size=16)
    both = precision_recall(x, y)
    ours = {
        "frechet_inception_distance": fid,
        "kernel_inception_distance_mean": kid.mean,
        "precision": both.precision,
        "recall": both.recall,
        "inception_score_mean": inception_score(seen["drawn"].features("logits")).mean,
    }
    for name, value in ours.items():
        assert value == pytest.approx(theirs[name], rel=2e-3, abs=1e-7), name
