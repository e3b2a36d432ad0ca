"""Weights and statistics that the metrics are defined by: names, hashes, where they come from."""

INCEPTION_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
# One file under two names: torch-fidelity's and pytorch-fid's release.
INCEPTION_FILES = (
    "weights-inception-2015-12-05-6726825d.pth",
    "pt_inception-2015-12-05-6726825d.pth",
)
INCEPTION_SOURCE = "the release v0.2.0 of torch-fidelity, or fid_weights of pytorch-fid, on GitHub"
# What a file of statistics that names no extractor is taken to hold.
INCEPTION_NAME = "inception-2015-12-05 pool_3"

REFERENCE_FILE = "VIRTUAL_imagenet256_labeled.npz"
REFERENCE_SOURCE = "the evaluations folder of OpenAI's guided-diffusion on GitHub"

CLIP_FOLDERS = {
    "clip-vit-large-patch14": "openai/clip-vit-large-patch14",
    "clip-vit-base-patch32": "openai/clip-vit-base-patch32",
}
DINOV2_FOLDER, DINOV2_ID = "dinov2-large", "facebook/dinov2-large"
