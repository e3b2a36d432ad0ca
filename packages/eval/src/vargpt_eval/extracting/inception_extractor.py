"""The extractor of FID, from its published weights."""

import pickle
from pathlib import Path

import torch

from vargpt_eval.extracting.extractor import Features, Images
from vargpt_eval.extracting.inception import NUM_CLASSES, WIDTH, Inception
from vargpt_eval.extracting.pixels import as_batch
from vargpt_eval.generation.known_files import INCEPTION_FILES, INCEPTION_NAME, INCEPTION_SHA256
from vargpt_eval.hashes import file_sha256
from vargpt_schema import UserError


class InceptionExtractor:
    """`pool_3` for FID, KID, precision and recall; `logits` for the inception score."""

    def __init__(self, network: Inception, name: str, device: torch.device) -> None:
        self.name = name
        self.widths = {"pool_3": WIDTH, "logits": NUM_CLASSES}
        self._network = network.to(device).eval().requires_grad_(False)
        self._device = device

    @torch.inference_mode()
    def extract(self, images: Images) -> dict[str, Features]:
        """(B, height, width, 3) uint8 -> `pool_3` (B, 2048), `logits` (B, 1008) float32"""
        features, logits = self._network(as_batch(images, self._device))
        return {"pool_3": features.float().cpu().numpy(), "logits": logits.float().cpu().numpy()}


def open_inception(
    path: Path, device: torch.device, *, sha256: str = INCEPTION_SHA256
) -> InceptionExtractor:
    """UserError when the file is absent, has another hash, or lacks a tensor."""
    found = _sha256(path)
    if found != sha256:
        raise UserError(
            f"{path}: sha256 {found} found, {sha256} expected. Download "
            f"{' or '.join(INCEPTION_FILES)} again; `vargpt-eval doctor` says from where."
        )
    network = Inception()
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(tensors)
    except (RuntimeError, pickle.UnpicklingError, TypeError, AttributeError, EOFError) as error:
        raise UserError(
            f"{path}: not Inception's weights ({' '.join(str(error).split())[:200]}), those of "
            f"{INCEPTION_FILES[0]} expected. `vargpt-eval doctor` says from where."
        ) from error
    name = INCEPTION_NAME if sha256 == INCEPTION_SHA256 else f"inception-2015-12-05 {sha256}"
    return InceptionExtractor(network, name, device)


def _sha256(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise UserError(
            f"{path}: not readable ({error.strerror}), Inception's weights expected. "
            "`vargpt-eval doctor` says from where to get them."
        ) from error
