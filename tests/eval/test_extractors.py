"""Networks that see images: what they are fed, what they give, which files they refuse."""

from pathlib import Path

import numpy as np
import pytest

from tests.eval.drawn_images import picture
from tests.eval.tiny_networks import save_random_inception, save_tiny_clip, save_tiny_dinov2
from vargpt_schema import UserError


def images(count: int, side_px: int = 32) -> np.ndarray:
    return np.stack([np.asarray(picture(seed, side_px)) for seed in range(count)])


@pytest.fixture(scope="module")
def inception(tmp_path_factory):
    import torch

    from vargpt_eval.extracting.inception_extractor import open_inception

    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    sha256 = save_random_inception(path)
    return open_inception(path, torch.device("cpu"), sha256=sha256)


def test_resizing_samples_the_top_left_corners_of_pixels():
    import torch

    from vargpt_eval.extracting.inception import resized_as_tensorflow_1

    row = torch.tensor([0.0, 10.0, 20.0, 30.0]).expand(1, 3, 2, 4)
    wide = resized_as_tensorflow_1(row, 8)
    assert wide[0, 0, 0].tolist() == [0, 5, 10, 15, 20, 25, 30, 30]
    assert wide.shape == (1, 3, 8, 8)


def test_inception_has_the_tensors_of_the_published_file():
    from vargpt_eval.extracting.inception import Inception

    shapes = {name: tuple(tensor.shape) for name, tensor in Inception().state_dict().items()}
    weights = {name: shape for name, shape in shapes.items() if "num_batches" not in name}
    assert len(weights) == 94 * 5 + 2  # 94 convolutions with four of their norm, the last layer
    assert weights["Conv2d_1a_3x3.conv.weight"] == (32, 3, 3, 3)
    assert weights["Mixed_5b.branch5x5_2.conv.weight"] == (64, 48, 5, 5)
    assert weights["Mixed_6c.branch7x7dbl_2.conv.weight"] == (160, 160, 7, 1)
    assert weights["Mixed_7c.branch3x3dbl_3b.bn.running_var"] == (384,)
    assert weights["fc.weight"] == (1008, 2048)


def test_features_do_not_depend_on_the_batch(inception):
    together = inception.extract(images(3))
    alone = inception.extract(images(3)[1:2])
    assert together["pool_3"].shape == (3, 2048)
    assert together["logits"].shape == (3, 1008)
    np.testing.assert_allclose(together["pool_3"][1], alone["pool_3"][0], rtol=1e-4, atol=1e-5)


def test_other_weights_than_the_published_are_refused(tmp_path):
    import torch

    from vargpt_eval.extracting.inception_extractor import open_inception

    path = tmp_path / "weights.pth"
    path.write_bytes(b"not the weights")
    with pytest.raises(UserError, match=r"sha256 \w+ found, 6726825d0af5"):
        open_inception(path, torch.device("cpu"))
    with pytest.raises(UserError, match="not readable"):
        open_inception(tmp_path / "absent.pth", torch.device("cpu"))


def test_a_file_that_lacks_tensors_is_refused(tmp_path):
    import hashlib

    import torch

    from vargpt_eval.extracting.inception_extractor import open_inception

    path = tmp_path / "weights.pth"
    torch.save({"fc.bias": torch.zeros(1008)}, path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(UserError, match="not Inception's weights"):
        open_inception(path, torch.device("cpu"), sha256=sha256)


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    import hashlib
    import pickle

    import torch

    from vargpt_eval.extracting.inception_extractor import open_inception

    class Harm:
        def __reduce__(self):
            return Path.touch, (tmp_path / "harmed",)

    path = tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps(Harm()))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(UserError, match="not Inception's weights"):
        open_inception(path, torch.device("cpu"), sha256=sha256)
    assert not (tmp_path / "harmed").exists()


def test_the_random_extractor_is_its_seed():
    from vargpt_eval.extracting.random_features import RandomExtractor

    first, again, other = (RandomExtractor(seed).extract(images(2)) for seed in (0, 0, 1))
    assert first["pool_3"].tobytes() == again["pool_3"].tobytes()
    assert not np.allclose(first["pool_3"], other["pool_3"])
    assert RandomExtractor(1).name == "random-1"


def test_clip_sees_what_its_own_preparation_gives(tmp_path):
    import torch
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    from vargpt_eval.extracting.clip import open_clip

    folder = save_tiny_clip(tmp_path / "clip")
    clip = open_clip(folder, torch.device("cpu"))
    pictures = [picture(seed, 48) for seed in range(3)]
    prepared = CLIPImageProcessorPil.from_pretrained(folder)(pictures, return_tensors="pt")
    with torch.no_grad():
        expected = clip._model.visual_projection(
            clip._model.vision_model(pixel_values=prepared["pixel_values"]).pooler_output
        )
    expected = torch.nn.functional.normalize(expected, dim=1)
    found = clip.embedded(np.stack([np.asarray(one) for one in pictures]))
    assert (found * expected).sum(dim=1).min() > 0.999


def test_clip_scores_each_image_with_its_own_text_and_counts_cut_texts(tmp_path):
    import torch

    from vargpt_eval.extracting.clip import open_clip

    clip = open_clip(save_tiny_clip(tmp_path / "clip"), torch.device("cpu"))
    embedded = clip.embedded(images(2))
    texts = ["a red thing", "word " * 60]
    both = clip.match(embedded, texts)
    alone = [clip.match(embedded[place : place + 1], [texts[place]]) for place in (0, 1)]
    np.testing.assert_allclose(
        both.cosines, [one.cosines[0] for one in alone], rtol=1e-4, atol=1e-5
    )
    assert (both.num_truncated, alone[0].num_truncated) == (1, 0)
    assert np.abs(both.cosines).max() <= 1 + 1e-6


def test_dinov2_gives_its_class_token(tmp_path):
    import torch

    from vargpt_eval.extracting.dinov2 import open_dinov2

    extractor = open_dinov2(save_tiny_dinov2(tmp_path / "dinov2"), torch.device("cpu"))
    assert extractor.extract(images(2))["class_token"].shape == (2, 16)


@pytest.mark.parametrize("kind", ["clip", "dinov2"])
def test_a_folder_without_the_model_is_refused(kind, tmp_path):
    import torch

    from vargpt_eval.extracting.clip import open_clip
    from vargpt_eval.extracting.dinov2 import open_dinov2

    with pytest.raises(UserError, match=r"no config\.json found.*hf download"):
        {"clip": open_clip, "dinov2": open_dinov2}[kind](tmp_path, torch.device("cpu"))


def test_the_folder_of_another_model_is_refused_instead_of_drawn_at_random(tmp_path):
    import torch

    from vargpt_eval.extracting.clip import open_clip

    folder = save_tiny_dinov2(tmp_path / "dinov2")
    with pytest.raises(UserError, match=r"dinov2 found, the folder of a CLIP model expected"):
        open_clip(folder, torch.device("cpu"))


def test_a_model_that_lacks_a_weight_is_refused_instead_of_drawn_at_random(tmp_path):
    import torch
    from safetensors.torch import load_file, save_file

    from vargpt_eval.extracting.dinov2 import open_dinov2

    file = save_tiny_dinov2(tmp_path / "dinov2") / "model.safetensors"
    tensors = load_file(file)
    del tensors["layernorm.weight"]
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"1 of its weights missing, the first layernorm\.weight"):
        open_dinov2(file.parent, torch.device("cpu"))
